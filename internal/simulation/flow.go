package simulation

import (
	"errors"
	"io"
	"net"
	"time"
)

// windowBytes is how much may be on its way in one direction of a connection: a
// writer that is further ahead waits, as for a receiver that does not read.
const windowBytes = 256 << 10

// What connections and attempts at one end with.
var (
	errReset       = &net.OpError{Op: "read", Net: "tcp", Err: errors.New("connection reset by peer")}
	errRefused     = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	errUnreachable = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no route to host")}
)

// flow is one direction of a connection. The network's lock guards it.
type flow struct {
	link     *link
	twin     *flow // the other direction
	segments []segment
	buffered int
	last     time.Time     // when the newest segment arrives
	broken   error         // what both ends get from now on; nil: nothing
	void     bool          // what is written vanishes: the receiver's machine has no power
	stale    bool          // the receiver has started again, and does not know of the connection
	changed  chan struct{} // closed when something of this has changed
}

// segment is bytes on their way, or how the flow ends.
type segment struct {
	at   time.Time
	data []byte
	end  error // io.EOF, or a reset
}

// newFlows returns the two directions of a connection.
func newFlows(there, back *link) (f, g *flow) {
	f = &flow{link: there, changed: make(chan struct{})}
	g = &flow{link: back, changed: make(chan struct{}), twin: f}
	f.twin = g
	there.flows[f], back.flows[g] = struct{}{}, struct{}{}
	return f, g
}

// tell wakes who waits for the flow.
func (f *flow) tell() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// fail breaks the flow at once: what is on its way is lost.
func (f *flow) fail(err error) {
	delete(f.link.flows, f)
	if f.broken == nil {
		f.broken, f.segments, f.buffered = err, nil, 0
		f.tell()
	}
}

// send puts data, or an end, on its way.
func (f *flow) send(data []byte, end error) {
	at := time.Now().Add(f.link.latency())
	if at.Before(f.last) {
		at = f.last // a connection keeps its order; others may overtake it
	}
	f.last = at
	f.segments = append(f.segments, segment{at: at, data: data, end: end})
	f.buffered += len(data)
	f.tell()
}

// take moves what has arrived to b. Nothing and no error: there is none before
// changed is closed, or until the time it returns, where that is not zero.
func (f *flow) take(b []byte) (n int, until time.Time, err error) {
	if f.broken != nil {
		return 0, until, f.broken
	}
	for len(f.segments) > 0 && n < len(b) && !f.link.stalled() {
		s := &f.segments[0]
		if s.at.After(time.Now()) {
			until = s.at
			break
		}
		if s.end != nil {
			if n == 0 {
				err = s.end
			}
			break
		}
		moved := copy(b[n:], s.data)
		n += moved
		f.buffered -= moved
		if s.data = s.data[moved:]; len(s.data) == 0 {
			f.segments = f.segments[1:]
		}
	}
	if n > 0 {
		f.tell()
	}
	return n, until, err
}

// put takes as much of b as there is room for.
func (f *flow) put(b []byte) (n int, err error) {
	if f.broken != nil {
		return 0, f.broken
	}
	if f.stale {
		f.fail(errReset)
		f.twin.fail(errReset)
		return 0, errReset
	}
	n = min(len(b), windowBytes-f.buffered)
	breaks := f.link.breaks(n)
	if breaks >= 0 {
		n = breaks
	}
	if n > 0 {
		f.send(append([]byte(nil), b[:n]...), nil)
	}
	if f.void {
		f.segments = nil // and buffered stays: nobody makes room
	}
	if breaks >= 0 {
		f.send(nil, errReset)
		f.twin.fail(errReset)
		return n, errReset
	}
	return n, nil
}

// finish is what a receiver sees when the sender closes the connection.
func (f *flow) finish() {
	if f.broken == nil && !f.void {
		f.send(nil, io.EOF)
	}
}

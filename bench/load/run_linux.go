package load

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Stream is one kind of request. All fields but Rate are required.
type Stream struct {
	Addr  string  // host:port
	Conns int     // connections, each with one request in flight
	Rate  float64 // requests a second at fixed times; 0: the next as soon as one is answered
	// Source makes the requests, in no order of connections.
	Source Source
	// Reply makes a reader for one connection.
	Reply func() Reply
}

// Options are how streams are run together.
type Options struct {
	CPU      int           // the core of the loop's thread; below 0: any
	Warmup   time.Duration // before anything counts
	Duration time.Duration // in which everything counts
	// Until, where given, ends the window instead, once it is closed.
	Until <-chan struct{}
	// Sleep lets whoever else runs on the core have it between requests at a fixed
	// rate. Without, the loop never sleeps then, so that it is not woken late.
	Sleep bool
	// Begin and End, where given, are called at the window's edges.
	Begin, End func()
}

// Result is what one stream measured in its window. A latency at a fixed rate
// counts from the time at which the request was due, so that a server that
// stalls cannot hide the requests it kept from being sent.
type Result struct {
	Requests int64 // answered
	Failed   int64 // of these, answered with an error
	Elapsed  time.Duration
	Latency  Histogram
}

// PerSecond is the rate at which requests were answered.
func (r *Result) PerSecond() float64 { return float64(r.Requests) / r.Elapsed.Seconds() }

// Run turns all streams at once and returns their results in order. A
// connection that breaks or a malformed response is an error; an answer that
// says no is counted.
func Run(ctx context.Context, opts Options, streams ...Stream) ([]*Result, error) {
	l, err := newLoop(opts, streams)
	if err != nil {
		return nil, err
	}
	defer l.close()
	done := make(chan error, 1)
	// The thread stays locked and so ends with the goroutine, its core with it.
	go func() { done <- l.run(ctx) }()
	if err := <-done; err != nil {
		return nil, err
	}
	results := make([]*Result, len(l.streams))
	for i, s := range l.streams {
		results[i] = &s.result
	}
	return results, nil
}

// stream is a Stream under way.
type stream struct {
	Stream
	idle   []*conn       // at a fixed rate: those without a request
	due    time.Duration // at a fixed rate: when the next request is to go out
	step   time.Duration
	result Result
}

// loop is the one thread's state. Times are since base.
type loop struct {
	opts    Options
	epoll   int
	conns   []*conn
	streams []*stream
	base    time.Time
	from    time.Duration // the window
	until   time.Duration
	open    bool // in the window
	paced   bool // a stream has a rate
	buf     []byte
}

func newLoop(opts Options, streams []Stream) (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	l := &loop{opts: opts, epoll: epoll, buf: make([]byte, 256<<10)}
	for _, spec := range streams {
		s := &stream{Stream: spec}
		if s.Rate > 0 {
			s.step = time.Duration(float64(time.Second) / s.Rate)
			l.paced = true
		}
		l.streams = append(l.streams, s)
		for range s.Conns {
			if err := l.dial(s); err != nil {
				l.close()
				return nil, fmt.Errorf("dial %s: %w", s.Addr, err)
			}
		}
	}
	return l, nil
}

func (l *loop) close() {
	for _, c := range l.conns {
		_ = unix.Close(c.fd)
	}
	_ = unix.Close(l.epoll)
}

func (l *loop) run(ctx context.Context) error {
	runtime.LockOSThread()
	if err := pin(l.opts.CPU); err != nil {
		return err
	}
	if l.opts.Sleep {
		if err := wakeOnTime(); err != nil {
			return err
		}
	}
	l.base = time.Now()
	l.from, l.until = l.opts.Warmup, l.opts.Warmup+l.opts.Duration
	if err := l.start(); err != nil {
		return err
	}
	events := make([]unix.EpollEvent, 256)
	for turn := 0; ; turn++ {
		now := l.now()
		if l.edge(now) {
			return nil
		}
		if turn%64 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := l.sendDue(now); err != nil {
			return err
		}
		n, err := l.wait(events)
		if err != nil {
			return err
		}
		for _, e := range events[:n] {
			if err := l.serve(l.conns[e.Fd], e.Events); err != nil {
				return err
			}
		}
	}
}

func (l *loop) now() time.Duration { return time.Since(l.base) }

// start sends the first request of every connection, or sets the clock of those
// at a fixed rate.
func (l *loop) start() error {
	for _, c := range l.conns {
		if c.stream.Rate > 0 {
			c.stream.idle = append(c.stream.idle, c)
			continue
		}
		if err := l.send(c, l.now()); err != nil {
			return err
		}
	}
	return nil
}

// edge opens and shuts the window; it tells when all is over.
func (l *loop) edge(now time.Duration) (over bool) {
	switch {
	case !l.open && now >= l.from:
		l.open = true
		if l.opts.Begin != nil {
			l.opts.Begin()
		}
		l.from = l.now()
		l.until = l.from + l.opts.Duration
	case l.open && l.over(now):
		if l.opts.End != nil {
			l.opts.End()
		}
		for _, s := range l.streams {
			s.result.Elapsed = now - l.from
		}
		return true
	}
	return false
}

// over tells whether the window ends.
func (l *loop) over(now time.Duration) bool {
	if l.opts.Until == nil {
		return now >= l.until
	}
	select {
	case <-l.opts.Until:
		return true
	default:
		return false
	}
}

// sendDue sends what is due at a fixed rate, while connections are free.
func (l *loop) sendDue(now time.Duration) error {
	if !l.paced {
		return nil
	}
	for _, s := range l.streams {
		for s.Rate > 0 && s.due <= now && len(s.idle) > 0 {
			c := s.idle[len(s.idle)-1]
			s.idle = s.idle[:len(s.idle)-1]
			if err := l.send(c, s.due); err != nil {
				return err
			}
			s.due += s.step
		}
	}
	return nil
}

// wait returns what is ready: at once if something is or a fixed rate has to be
// kept, else after sleeping for it.
func (l *loop) wait(events []unix.EpollEvent) (int, error) {
	n, errno := pollNow(l.epoll, events)
	if errno != 0 && errno != unix.EINTR {
		return 0, fmt.Errorf("poll sockets: %w", errno)
	}
	if n > 0 || l.paced && !l.opts.Sleep {
		return n, nil
	}
	n, errno = pollFor(l.epoll, events, l.untilDue())
	if errno != 0 && errno != unix.EINTR {
		return 0, fmt.Errorf("wait for sockets: %w", errno)
	}
	return n, nil
}

// untilDue is how long nothing is to be sent.
func (l *loop) untilDue() time.Duration {
	const longest = time.Millisecond
	wait, now := longest, l.now()
	for _, s := range l.streams {
		if s.Rate > 0 && len(s.idle) > 0 {
			wait = min(wait, max(0, s.due-now))
		}
	}
	return wait
}

// answered counts a whole response and sends the connection's next request.
func (l *loop) answered(c *conn) error {
	now := l.now()
	s := c.stream
	if l.open {
		s.result.Requests++
		s.result.Latency.Record(now - c.sent)
		if !c.reply.OK() {
			s.result.Failed++
		}
	}
	if s.Rate > 0 {
		s.idle = append(s.idle, c)
		return nil
	}
	return l.send(c, now)
}

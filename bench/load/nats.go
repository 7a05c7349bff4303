package load

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// natsHead is as much of a message as tells whether it says yes.
const natsHead = 16

// NATSReply reads, of NATS' client protocol, the message that answers a request. What the
// server says besides is passed over, its pings too: it gives up on a client that answers
// none after minutes.
type NATSReply struct {
	line partial
	left int64  // bytes of a message with its line end
	head []byte // the first of them
	ok   bool
}

// OK implements [Reply]: an acknowledgement of JetStream, or a stored message.
func (r *NATSReply) OK() bool { return r.ok }

// Feed implements [Reply].
func (r *NATSReply) Feed(b []byte) (n int, done bool, err error) {
	for n < len(b) {
		if r.left > 0 {
			took := int(min(int64(len(b)-n), r.left))
			r.keep(b[n : n+took])
			n += took
			if r.left -= int64(took); r.left == 0 {
				r.ok = bytes.HasPrefix(r.head, []byte(`{"stream"`)) || bytes.HasPrefix(r.head, []byte("NATS/1.0\r\n"))
				done = true
			}
			continue
		}
		took, err := r.readLine(b[n:])
		n += took
		if err != nil {
			return n, false, err
		}
		if done && r.left > 0 {
			return n, false, fmt.Errorf("%w: a second message", errMalformed)
		}
	}
	return n, done, nil
}

// keep remembers how a message begins.
func (r *NATSReply) keep(b []byte) {
	r.head = append(r.head, b[:min(len(b), natsHead-len(r.head))]...)
}

func (r *NATSReply) readLine(b []byte) (n int, err error) {
	line, n, err := r.line.take(b)
	if line == nil || err != nil {
		return n, err
	}
	return n, r.parseLine(line)
}

func (r *NATSReply) parseLine(line []byte) error {
	text, ended := bytes.CutSuffix(line, []byte("\r\n"))
	if !ended {
		return fmt.Errorf("%w: no line end", errMalformed)
	}
	word, _, _ := bytes.Cut(text, []byte(" "))
	switch string(word) {
	case "MSG", "HMSG":
		size, ok := parseUint(text[bytes.LastIndexByte(text, ' ')+1:], 10)
		if !ok {
			return fmt.Errorf("%w: message length", errMalformed)
		}
		r.left, r.head = size+2, r.head[:0]
		return nil
	case "INFO", "PING", "PONG", "+OK":
		return nil
	case "-ERR":
		return errors.New(string(text))
	}
	return fmt.Errorf("%w: operation %q", errMalformed, word)
}

// NATSHello is what a client says first: who it is, and that it takes what is sent to
// inbox.
func NATSHello(inbox string) []byte {
	return []byte(`CONNECT {"verbose":false,"pedantic":false,"protocol":1,"headers":true,"no_responders":true,"lang":"bench","version":"1"}` +
		"\r\nSUB " + inbox + " 1\r\n")
}

// natsSource makes the requests of one connection, which begin with a hello.
type natsSource struct {
	Template
	hello []byte
}

// Next implements [Source].
func (s *natsSource) Next(dst []byte) []byte {
	dst = append(dst, s.hello...)
	s.hello = nil
	return s.Template.Next(dst)
}

// NATSRequest returns the source of one connection, and of no other, whose requests are
// published under the subject with a key behind it, with values (nil: none), and answered
// to inbox.
func NATSRequest(subject, inbox string, pick Pick, values *Values) Source {
	s := &natsSource{hello: NATSHello(inbox), Template: Template{
		Before: []byte("PUB " + subject), Pick: pick, Between: []byte(" " + inbox + " 0\r\n"), After: []byte("\r\n"),
	}}
	if values != nil {
		s.Between = []byte(" " + inbox + " " + strconv.Itoa(values.Size) + "\r\n")
		s.Values = values
	}
	return s
}

package load

import (
	"bytes"
	"fmt"
)

// RedisReply reads replies of Redis's protocol (RESP2) that are not arrays:
// simple strings, errors, integers and bulk strings.
type RedisReply struct {
	line partial // a reply's
	left int64   // bytes of a bulk string with its line end
	ok   bool
}

// OK implements [Reply]: neither an error nor the nil bulk string.
func (r *RedisReply) OK() bool { return r.ok }

// Feed implements [Reply].
func (r *RedisReply) Feed(b []byte) (n int, done bool, err error) {
	if r.left == 0 {
		n, done, err = r.readLine(b)
		if done || err != nil || r.left == 0 {
			return n, done, err
		}
	}
	took := int(min(int64(len(b)-n), r.left))
	r.left -= int64(took)
	return n + took, r.left == 0, nil
}

func (r *RedisReply) readLine(b []byte) (n int, done bool, err error) {
	line, n, err := r.line.take(b)
	if line == nil || err != nil {
		return n, false, err
	}
	done, err = r.parseLine(line)
	return n, done, err
}

func (r *RedisReply) parseLine(line []byte) (done bool, err error) {
	text, ended := bytes.CutSuffix(line, []byte("\r\n"))
	if !ended || len(text) == 0 {
		return false, fmt.Errorf("%w: no line end", errMalformed)
	}
	switch text[0] {
	case '+', ':':
		r.ok = true
		return true, nil
	case '-':
		r.ok = false
		return true, nil
	case '$':
		return r.parseBulk(text[1:])
	}
	return false, fmt.Errorf("%w: reply of type %q", errMalformed, text[0])
}

func (r *RedisReply) parseBulk(size []byte) (done bool, err error) {
	if string(size) == "-1" {
		r.ok = false
		return true, nil
	}
	n, ok := parseUint(size, 10)
	if !ok {
		return false, fmt.Errorf("%w: bulk length", errMalformed)
	}
	r.ok, r.left = true, n+2
	return false, nil
}

package load

import (
	"bytes"
	"errors"
	"fmt"
)

// maxHeadBytes bounds the head of a response, chunk lines included.
const maxHeadBytes = 16 << 10

var (
	errHeadTooLong = errors.New("response head too long")
	errMalformed   = errors.New("malformed response")
)

// Reply reads the responses of one connection, one after another.
type Reply interface {
	// Feed takes bytes as they came from the socket. It returns how many of
	// them belong to the current response and whether that is now whole; the
	// next call starts the next one. After an error the Reply is useless.
	Feed(b []byte) (n int, done bool, err error)

	// OK tells whether the last whole response said that all is well.
	OK() bool
}

// where an HTTP response is being read
const (
	inHead = iota
	inBody
	inChunkLine
	inChunk
	inChunkEnd
	inTrailer
)

// HTTPReply reads HTTP/1.1 responses to requests other than HEAD: a length or
// chunks, no trailers' content. Bodies are counted, not kept.
type HTTPReply struct {
	state  int
	status int
	left   int64  // bytes of the body, or of the chunk with its line end
	line   []byte // a head or chunk line of which only a part has come
	body   int64  // bytes of the current or last body
}

// OK implements [Reply]: a status of the 200s.
func (r *HTTPReply) OK() bool { return r.status/100 == 2 }

// Status is that of the last head read.
func (r *HTTPReply) Status() int { return r.status }

// BodyBytes is how many bytes the last response's body had, chunks' framing not
// counted.
func (r *HTTPReply) BodyBytes() int64 { return r.body }

// Feed implements [Reply].
func (r *HTTPReply) Feed(b []byte) (n int, done bool, err error) {
	for !done && err == nil {
		var took int
		took, done, err = r.step(b[n:])
		n += took
		if took == 0 && !done {
			break
		}
	}
	return n, done, err
}

func (r *HTTPReply) step(b []byte) (n int, done bool, err error) {
	switch r.state {
	case inHead:
		head, n, err := r.until(b, "\r\n\r\n")
		if head == nil || err != nil {
			return n, false, err
		}
		done, err := r.parseHead(head)
		return n, done, err
	case inBody, inChunk:
		return r.skip(b)
	case inChunkLine:
		line, n, err := r.until(b, "\r\n")
		if line == nil || err != nil {
			return n, false, err
		}
		return n, false, r.parseChunkLine(line)
	default:
		return r.stepEnd(b)
	}
}

// stepEnd reads the empty line after a chunk, or the trailer after the last.
func (r *HTTPReply) stepEnd(b []byte) (n int, done bool, err error) {
	line, n, err := r.until(b, "\r\n")
	if line == nil || err != nil {
		return n, false, err
	}
	switch {
	case r.state == inTrailer && len(line) > 0:
		return n, false, nil
	case r.state == inTrailer:
		r.state = inHead
		return n, true, nil
	case len(line) > 0:
		return n, false, errMalformed
	}
	r.state = inChunkLine
	return n, false, nil
}

// until returns what comes before end, which may have begun in earlier calls,
// and how many bytes of b it took. A nil text means that more is needed.
func (r *HTTPReply) until(b []byte, end string) (text []byte, n int, err error) {
	if len(r.line) == 0 {
		if i := bytes.Index(b, []byte(end)); i >= 0 {
			return b[:i:i], i + len(end), nil
		}
	}
	kept := len(r.line)
	r.line = append(r.line, b...)
	i := bytes.Index(r.line, []byte(end))
	if i < 0 {
		if len(r.line) > maxHeadBytes {
			return nil, len(b), errHeadTooLong
		}
		return nil, len(b), nil
	}
	text = r.line[:i:i]
	r.line = r.line[:0]
	return text, i + len(end) - kept, nil
}

// parseHead reads the status and the length. It tells whether the response is
// whole, having no body.
func (r *HTTPReply) parseHead(head []byte) (done bool, err error) {
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[8] != ' ' {
		return false, fmt.Errorf("%w: status line %q", errMalformed, line[:min(len(line), 64)])
	}
	status, ok := parseUint(line[9:12], 10)
	if !ok {
		return false, fmt.Errorf("%w: status line %q", errMalformed, line[:min(len(line), 64)])
	}
	r.status, r.left, r.body = int(status), -1, 0
	chunked := false
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		if value, ok := header(line, "content-length"); ok {
			if r.left, ok = parseUint(value, 10); !ok {
				return false, fmt.Errorf("%w: content length", errMalformed)
			}
		} else if value, ok := header(line, "transfer-encoding"); ok {
			chunked = bytes.EqualFold(value, []byte("chunked"))
		}
	}
	return r.begin(chunked)
}

// begin chooses how the body is read.
func (r *HTTPReply) begin(chunked bool) (done bool, err error) {
	switch {
	case r.status < 200:
		return false, nil // an interim response: the real one follows
	case r.status == 204, r.status == 304:
		return true, nil
	case chunked:
		r.state = inChunkLine
		return false, nil
	case r.left < 0:
		return false, fmt.Errorf("%w: neither length nor chunks", errMalformed)
	}
	r.body = r.left
	if r.left > 0 {
		r.state = inBody
	}
	return r.left == 0, nil
}

func (r *HTTPReply) parseChunkLine(line []byte) error {
	size, _, _ := bytes.Cut(line, []byte(";"))
	n, ok := parseUint(bytes.TrimSpace(size), 16)
	if !ok {
		return fmt.Errorf("%w: chunk size", errMalformed)
	}
	r.left = n
	r.body += n
	r.state = inChunk
	if n == 0 {
		r.state = inTrailer
	}
	return nil
}

// skip passes over the rest of a body or chunk.
func (r *HTTPReply) skip(b []byte) (n int, done bool, err error) {
	n = int(min(int64(len(b)), r.left))
	r.left -= int64(n)
	if r.left > 0 {
		return n, false, nil
	}
	if r.state == inBody {
		r.state = inHead
		return n, true, nil
	}
	r.state = inChunkEnd
	return n, false, nil
}

// header returns the trimmed value of a header line if its name, given in
// lower case, is the one asked for.
func header(line []byte, name string) (value []byte, ok bool) {
	if len(line) <= len(name) || line[len(name)] != ':' || line[0]|0x20 != name[0] {
		return nil, false
	}
	if !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return nil, false
	}
	return bytes.TrimSpace(line[len(name)+1:]), true
}

// parseUint reads digits of base 10 or 16, at most 15 of them.
func parseUint(b []byte, base int64) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 15 {
		return 0, false
	}
	for _, c := range b {
		d := int64(c) - '0'
		if c|0x20 >= 'a' {
			d = int64(c|0x20) - 'a' + 10
		}
		if d < 0 || d >= base {
			return 0, false
		}
		n = n*base + d
	}
	return n, true
}

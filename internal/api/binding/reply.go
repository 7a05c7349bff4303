package binding

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// Sizes of the buffers that replies go through.
const (
	chunkBytes     = 64 << 10
	keepReplyBytes = 1 << 20 // a larger buffer is not kept for reuse
)

// pool keeps byte slices for reuse.
type pool struct{ p sync.Pool }

// get returns a slice of at least chunkBytes.
func (p *pool) get() *[]byte {
	if b, ok := p.p.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, chunkBytes)
	return &b
}

func (p *pool) put(b *[]byte) {
	if cap(*b) <= keepReplyBytes {
		*b = (*b)[:cap(*b)]
		p.p.Put(b)
	}
}

// written is a reply whole in a pooled buffer, which it gives back when closed.
type written struct {
	pool *pool
	buf  *[]byte
	at   int
}

// Read implements io.Reader.
func (w *written) Read(p []byte) (int, error) {
	n := copy(p, (*w.buf)[w.at:])
	if w.at += n; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// WriteTo implements io.WriterTo.
func (w *written) WriteTo(dst io.Writer) (int64, error) {
	n, err := dst.Write((*w.buf)[w.at:])
	w.at += n
	return int64(n), err
}

// Close implements io.Closer.
func (w *written) Close() error {
	if w.buf != nil {
		w.pool.put(w.buf)
		w.buf = nil
	}
	return nil
}

// value is a reply that is the value of a blob: streamed, with memory that does
// not grow with it. Its last bytes go out only when its reader has vouched for
// the whole, so that what is damaged never passes for complete.
type value struct {
	srv  *Server
	src  io.ReadCloser
	size int64
}

var errValueLength = errors.New("value is longer than its entry says")

// Read implements io.Reader. Replies are sent by WriteTo.
func (v *value) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// WriteTo implements io.WriterTo.
func (v *value) WriteTo(dst io.Writer) (n int64, err error) {
	buf := v.srv.chunks.get()
	defer v.srv.chunks.put(buf)
	for n < v.size || v.size == 0 {
		m, last, err := v.fill((*buf)[:chunkBytes], v.size-n)
		if err != nil {
			v.srv.cfg.Logger.Error("cannot read a value: its reply is cut off", "sent", n, "size", v.size, "err", err)
			return n, fmt.Errorf("read value: %w", err)
		}
		k, err := dst.Write((*buf)[:m])
		n += int64(k)
		if last || err != nil {
			return n, err
		}
	}
	return n, nil
}

// fill reads the next part of a value that has left bytes to come. last tells
// that it is whole with this part.
func (v *value) fill(p []byte, left int64) (n int, last bool, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = v.src.Read(p[n:])
		n += m
		if int64(n) > left {
			return 0, false, errValueLength
		}
	}
	if err == nil && int64(n) == left { // p is full, and perhaps just so
		var one [1]byte
		var more int
		for err == nil && more == 0 {
			more, err = v.src.Read(one[:])
		}
		if more > 0 {
			return 0, false, errValueLength
		}
	}
	switch {
	case err == nil:
		return n, false, nil
	case err == io.EOF && int64(n) == left:
		return n, true, nil
	case err == io.EOF:
		return 0, false, io.ErrUnexpectedEOF
	}
	return 0, false, err
}

// Close implements io.Closer.
func (v *value) Close() error { return v.src.Close() }

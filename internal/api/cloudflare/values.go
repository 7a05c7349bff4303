package cloudflare

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
)

// entry reads the entry that the path names.
func (c *call) entry() (*godwit.Entry, error) {
	q, err := c.query()
	if err != nil {
		return nil, err
	}
	opts, err := c.readOptions(q.Get("cache_ttl"))
	if err != nil {
		return nil, err
	}
	return c.find(opts)
}

// find gets the entry, and notes how it was found, or that it was not.
func (c *call) find(opts godwit.ReadOptions) (*godwit.Entry, error) {
	e, served, err := c.h.service.Get(c.ctx(), c.ns, []byte(c.params.key), opts)
	if err == nil || errors.Is(err, godwit.ErrKeyNotFound) {
		c.served(served)
	}
	return e, err
}

// getValue answers with a value's bytes, and its headers alone to HEAD.
func (c *call) getValue() error {
	e, err := c.entry()
	if err != nil {
		return err
	}
	if c.notModified(e) {
		return nil
	}
	if c.r.Method == http.MethodHead {
		c.valueHeader(e)
		return nil
	}
	if e.Value.Blob.IsZero() {
		c.valueHeader(e)
		c.write(e.Value.Inline)
		return nil
	}
	e, value, err := c.open(e)
	if err != nil {
		return err
	}
	defer func() { _ = value.Close() }()
	c.valueHeader(e)
	return c.stream(value, e.Value.Size())
}

// valueHeader begins the answer with a value.
func (c *call) valueHeader(e *godwit.Entry) {
	h := c.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.FormatInt(e.Value.Size(), 10))
	if e.Expiration != 0 {
		h.Set("Expiration", strconv.FormatInt(e.Expiration, 10))
	}
	c.w.WriteHeader(http.StatusOK)
}

// open opens the entry's value. One that was replaced meanwhile may be gone: what
// replaced it is then the answer, which this node may have yet to hear of.
func (c *call) open(e *godwit.Entry) (*godwit.Entry, io.ReadCloser, error) {
	for attempt := 1; ; attempt++ {
		value, err := c.h.service.OpenValue(c.ctx(), c.ns, e)
		if err == nil || attempt == api.MaxValueAttempts || godwit.CodeOf(err) != godwit.CodeUnavailable {
			return e, value, err
		}
		if e, err = c.find(godwit.ReadOptions{Strong: true}); err != nil {
			return nil, nil, err
		}
		c.validator(e)
	}
}

// pieces are what values are sent in.
var pieces = sync.Pool{New: func() any { return new([2][64 << 10]byte) }}

// stream sends a value one piece behind what it reads: the last piece goes out
// only once the reader has said that all was undamaged. A damaged value cuts the
// connection; that the client has gone is not our error.
func (c *call) stream(value io.Reader, size int64) error {
	p := pieces.Get().(*[2][64 << 10]byte)
	defer pieces.Put(p)
	var ready []byte
	for i := 0; ; i ^= 1 {
		n, err := io.ReadFull(value, p[i][:])
		size -= int64(n)
		switch {
		case err == nil:
			c.write(ready)
			ready = p[i][:n]
		case size != 0, !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("read value: %d bytes missing: %w", size, err)
		default:
			c.write(ready)
			c.write(p[i][:n])
			return nil
		}
	}
}

// write sends bytes of a response that has begun.
func (c *call) write(b []byte) {
	if _, err := c.w.Write(b); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// validator sets the headers by which a cache may ask whether it has the entry.
func (c *call) validator(e *godwit.Entry) {
	h := c.w.Header()
	h.Set("Etag", string(api.AppendETag(nil, e.Revision)))
	h.Set("Cache-Control", "private, no-cache")
}

// notModified answers 304 if the client has the entry.
func (c *call) notModified(e *godwit.Entry) bool {
	c.validator(e)
	if !c.preconditions().NotModified(e.Revision) {
		return false
	}
	c.w.WriteHeader(http.StatusNotModified)
	return true
}

// getMetadata answers with an entry's metadata, null where it has none.
func (c *call) getMetadata() error {
	e, err := c.entry()
	if err != nil {
		return err
	}
	if c.notModified(e) {
		return nil
	}
	if e.Metadata == nil {
		return c.reply(nil, nil)
	}
	return c.reply(json.RawMessage(e.Metadata), nil)
}

// deleteValue deletes a key. A body is ignored.
func (c *call) deleteValue() error {
	result, err := c.h.service.Delete(c.ctx(), c.ns, api.Delete{
		Key:           []byte(c.params.key),
		Preconditions: c.preconditions(),
		RequestID:     c.requestID,
	})
	c.revision(result.Revision)
	if err != nil {
		return err
	}
	return c.reply(nil, nil)
}

package cloudflare

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

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
	e, value, err := c.open(e)
	if err != nil {
		return err
	}
	defer func() { _ = value.Close() }()
	h := c.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.FormatInt(e.Value.Size(), 10))
	if e.Expiration != 0 {
		h.Set("Expiration", strconv.FormatInt(e.Expiration, 10))
	}
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method == http.MethodHead {
		return nil
	}
	return c.stream(value, e.Value.Size())
}

// open opens the entry's value. One that was replaced meanwhile may be gone: the
// entry is then read again, once.
func (c *call) open(e *godwit.Entry) (*godwit.Entry, io.ReadCloser, error) {
	value, err := c.h.service.OpenValue(c.ctx(), c.ns, e)
	if err == nil || godwit.CodeOf(err) != godwit.CodeUnavailable {
		return e, value, err
	}
	if e, err = c.entry(); err != nil {
		return nil, nil, err
	}
	c.validator(e)
	value, err = c.h.service.OpenValue(c.ctx(), c.ns, e)
	return e, value, err
}

// stream sends a value. A damaged one cuts the connection; that the client has
// gone is not our error.
func (c *call) stream(value io.Reader, size int64) error {
	src := &source{r: value}
	n, err := io.Copy(c.w, src)
	switch {
	case src.err != nil:
		return fmt.Errorf("read value: %w", src.err)
	case err != nil:
		panic(http.ErrAbortHandler)
	case n != size:
		return fmt.Errorf("read value: %d bytes of %d", n, size)
	}
	return nil
}

// source tells errors of the reader from those of the writer.
type source struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
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

package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"time"
)

// PutOptions are what a put may say beside the value. The zero value says
// nothing.
type PutOptions struct {
	// Metadata is JSON text of at most 1024 bytes; nil: none.
	Metadata json.RawMessage
	// ExpirationTTL is how long the key lives, in whole seconds, rounded up.
	ExpirationTTL time.Duration
	// Expiration is when the key ends; ExpirationTTL wins over it.
	Expiration time.Time
	// IfMatch makes the put happen only if the key has this revision; "*": any.
	IfMatch string
	// IfNoneMatch makes the put happen only if the key has not this revision;
	// "*": if there is no such key.
	IfNoneMatch string
	// RequestID names the write, so that sending it again cannot apply it
	// twice; "": a random one.
	RequestID string
}

// DeleteOptions are what a delete may say.
type DeleteOptions struct {
	IfMatch     string // as in PutOptions
	IfNoneMatch string // as in PutOptions
	RequestID   string // as in PutOptions
}

// Put writes value, read to its end, under key, in place of value, metadata and
// expiration of before. It returns the revision of the write. A value that is
// no io.Seeker and longer than 64 KiB is sent once only. An error of value's is
// returned, and nothing is written then.
//
// Put ends with ctx, also while a Read of such a value waits. That Read goes on, in a
// goroutine which ends when it returns; until then the value must not be used.
//
// Errors: ErrPrecondition, ErrTooLarge, ErrDiskFull, ErrOutcomeUnknown,
// ErrNamespaceNotFound, ErrInvalid, ErrForbidden.
func (kv *KV) Put(ctx context.Context, key string, value io.Reader, opts PutOptions) (revision string, err error) {
	path, err := keyPath("values", key)
	if err != nil {
		return "", err
	}
	body, err := newBody(ctx, value)
	if err != nil {
		return "", err
	}
	q := call{
		method:      http.MethodPut,
		path:        path,
		query:       opts.query(),
		header:      conditions(opts.IfMatch, opts.IfNoneMatch, opts.RequestID),
		body:        body,
		contentType: "application/octet-stream",
		idempotent:  true, // by its request id
	}
	if opts.Metadata != nil {
		if q.contentType, err = q.body.wrap(opts.Metadata); err != nil {
			return "", err
		}
	}
	return kv.write(ctx, q)
}

func (o PutOptions) query() url.Values {
	q := url.Values{}
	end := endOf(o.ExpirationTTL, o.Expiration)
	if end.ExpirationTTL != nil {
		q.Set("expiration_ttl", strconv.FormatInt(*end.ExpirationTTL, 10))
	}
	if end.Expiration != nil {
		q.Set("expiration", strconv.FormatInt(*end.Expiration, 10))
	}
	return q
}

// endJSON is when a key ends; nil: not by this.
type endJSON struct {
	Expiration    *int64 `json:"expiration,omitempty"`
	ExpirationTTL *int64 `json:"expiration_ttl,omitempty"`
}

func endOf(ttl time.Duration, at time.Time) (end endJSON) {
	switch {
	case ttl != 0:
		n := seconds(ttl)
		end.ExpirationTTL = &n
	case !at.IsZero():
		n := at.Unix()
		end.Expiration = &n
	}
	return end
}

// seconds rounds away from zero: what has just passed is not none.
func seconds(d time.Duration) int64 {
	n := int64(d / time.Second)
	switch rest := d % time.Second; {
	case rest > 0:
		n++
	case rest < 0:
		n--
	}
	return n
}

// wrap makes b a multipart form of metadata and the value, and returns its
// content type.
func (b *body) wrap(metadata []byte) (contentType string, err error) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	if err := w.WriteField("metadata", string(metadata)); err != nil {
		return "", fmt.Errorf("write form: %w", err)
	}
	_, err = w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="value"; filename="value"`},
		"Content-Type":        {"application/octet-stream"},
	})
	if err != nil {
		return "", fmt.Errorf("write form: %w", err)
	}
	cut := form.Len()
	if err := w.Close(); err != nil {
		return "", fmt.Errorf("write form: %w", err)
	}
	b.head, b.tail = form.Bytes()[:cut], form.Bytes()[cut:]
	return w.FormDataContentType(), nil
}

// conditions are the headers of a conditional write.
func conditions(ifMatch, ifNoneMatch, requestID string) http.Header {
	h := http.Header{}
	for name, revision := range map[string]string{"If-Match": ifMatch, "If-None-Match": ifNoneMatch} {
		switch revision {
		case "":
		case "*":
			h.Set(name, "*")
		default:
			h.Set(name, `"`+revision+`"`)
		}
	}
	if requestID != "" {
		h.Set(headerRequestID, requestID)
	}
	return h
}

// Delete deletes key; that there is none is no error. It returns the revision
// from which on readers see it gone. Errors: as Put, but ErrTooLarge and
// ErrDiskFull.
func (kv *KV) Delete(ctx context.Context, key string, opts DeleteOptions) (revision string, err error) {
	path, err := keyPath("values", key)
	if err != nil {
		return "", err
	}
	return kv.write(ctx, call{
		method:     http.MethodDelete,
		path:       path,
		header:     conditions(opts.IfMatch, opts.IfNoneMatch, opts.RequestID),
		idempotent: true, // by its request id
	})
}

func (kv *KV) write(ctx context.Context, q call) (revision string, err error) {
	err = kv.do(ctx, q, func(res *http.Response) error {
		revision = revisionOf(res.Header)
		return nil
	})
	return revision, err
}

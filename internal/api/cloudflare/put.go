package cloudflare

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"strings"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/parts"
)

// putValue writes a value. Only multipart/form-data is taken apart; any other
// body, urlencoded forms too, is the value as it stands.
func (c *call) putValue() error {
	q, err := c.query()
	if err != nil {
		return err
	}
	p := api.Put{
		Key:           []byte(c.params.key),
		Body:          c.body,
		Expiration:    q.Get("expiration"),
		ExpirationTTL: q.Get("expiration_ttl"),
		Preconditions: c.preconditions(),
		RequestID:     c.requestID,
	}
	boundary, form, err := formBoundary(c.r.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	// Before the body: a client that waits to be told to go on need not send it.
	early := api.BulkPut{Key: c.params.key, Expiration: p.Expiration, ExpirationTTL: p.ExpirationTTL}
	if err := c.h.service.CheckBulkPut(c.ns, &early); err != nil {
		return err
	}
	most := c.h.service.MaxValueBytes(c.ns)
	c.body.limit = most + beyondValue
	var result godwit.Result
	switch {
	case form:
		result, err = c.putForm(p, boundary)
	case c.body.length > most:
		err = godwit.Errorf(godwit.CodeValueTooLarge, "Value length of %d exceeds limit of %d.", c.body.length, most)
	default:
		result, err = c.h.service.Put(c.ctx(), c.ns, p)
	}
	c.revision(result.Revision)
	if err != nil {
		return err
	}
	c.w.Header().Set("Etag", string(api.AppendETag(nil, result.Revision)))
	return c.reply(nil, nil)
}

// formBoundary tells whether a body is a form, and what separates its parts.
func formBoundary(contentType string) (boundary string, form bool, err error) {
	base, _, _ := strings.Cut(contentType, ";")
	if !strings.EqualFold(strings.TrimSpace(base), "multipart/form-data") {
		return "", false, nil
	}
	_, args, err := mime.ParseMediaType(contentType)
	if err != nil || args["boundary"] == "" {
		return "", true, badRequest(codeMalformedBody, "multipart/form-data without a boundary")
	}
	return args["boundary"], true, nil
}

// putForm writes the value and metadata of a form. Parts come in any order, and
// a value may be far larger than memory: it is taken in as it comes, and written
// or dropped at the end.
func (c *call) putForm(p api.Put, boundary string) (godwit.Result, error) {
	f := form{upload: func(r io.Reader) (godwit.Value, error) { return c.h.service.Upload(c.ctx(), c.ns, r) }}
	err := f.read(parts.NewReader(c.body, boundary))
	if err == nil {
		p.Metadata, err = f.metadata()
	}
	if err == nil && !f.hasValue {
		err = badRequest(codeMalformedBody, "Missing value field")
	}
	if err != nil {
		if f.hasValue {
			c.h.service.Discard(f.value)
		}
		return godwit.Result{}, err
	}
	p.Body = nil
	return c.h.service.PutValue(c.ctx(), c.ns, p, f.value)
}

// Bounds of a form beside its value.
const (
	maxParts    = 2048
	maxFields   = 64 << 10 // bytes of metadata, in however many parts
	maxUnknown  = 1 << 20  // bytes of parts that mean nothing here
	maxPartName = 4 << 10
)

// form is what a multipart body said.
type form struct {
	upload   func(io.Reader) (godwit.Value, error)
	value    godwit.Value
	hasValue bool
	whole    []byte // the metadata in one part
	hasWhole bool
	fields   tree // the metadata in many parts
	room     int64
	unknown  int64
}

func (f *form) read(r *parts.Reader) error {
	f.room, f.unknown = maxFields, maxUnknown
	for n := 0; ; n++ {
		part, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return formError(err)
		}
		if n >= maxParts {
			return badRequest(codeMalformedBody, "a form of more than %d parts", maxParts)
		}
		if err := f.part(part.FormName(), part); err != nil {
			return formError(err)
		}
	}
}

// formError says whose fault an error while reading a form is.
func formError(err error) error {
	var (
		own *godwit.Error
		p   *problem
	)
	if errors.As(err, &own) || errors.As(err, &p) {
		return err
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return badRequest(codeMalformedBody, "the form ends before its closing boundary")
	case errors.Is(err, parts.ErrLongHead):
		return badRequest(codeMalformedBody, "%s", parts.ErrLongHead.Error())
	}
	return badRequest(codeMalformedBody, "malformed multipart/form-data")
}

// partReader gives errors in reading a part to whom they belong.
type partReader struct{ r io.Reader }

// Read implements io.Reader.
func (p partReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if err != nil && err != io.EOF {
		err = formError(err)
	}
	return n, err
}

// part takes up one part, whether it came as a field or as a file.
func (f *form) part(name string, r io.Reader) error {
	path, flat := fieldPath(name)
	switch {
	case name == "value":
		if f.hasValue {
			return badRequest(codeMalformedBody, "a form with more than one value")
		}
		value, err := f.upload(partReader{r})
		f.value, f.hasValue = value, err == nil
		return err
	case name == "metadata":
		if f.hasWhole {
			return badRequest(codeMalformedBody, "a form with more than one metadata")
		}
		text, err := f.bounded(r)
		f.whole, f.hasWhole = text, true
		return err
	case flat:
		text, err := f.bounded(r)
		if err != nil {
			return err
		}
		return f.fields.set(path, string(text))
	}
	n, err := io.Copy(io.Discard, io.LimitReader(r, f.unknown+1))
	if f.unknown -= n; err == nil && f.unknown < 0 {
		return godwit.Errorf(godwit.CodeBodyTooLarge, "The form's other parts exceed the limit of %d bytes.", maxUnknown)
	}
	return err
}

// bounded reads a part that belongs to the metadata.
func (f *form) bounded(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, f.room+1))
	if f.room -= int64(len(text)); err == nil && f.room < 0 {
		return nil, godwit.Errorf(godwit.CodeMetadataTooLarge, "Metadata length of over %d exceeds limit of %d.", maxFields, godwit.MaxMetadataBytes)
	}
	return text, err
}

// metadata is what the form's parts make up, nil if nothing. One part without a
// byte is nothing too.
func (f *form) metadata() ([]byte, error) {
	text := f.whole
	if len(text) == 0 {
		if f.fields.empty() {
			return nil, nil
		}
		var err error
		if text, err = f.fields.json(); err != nil {
			return nil, err
		}
	}
	if tight, err := compact(text); err == nil {
		text = tight
	}
	if err := godwit.ValidateMetadata(text); err != nil {
		return nil, err
	}
	if string(text) == "null" {
		return nil, nil
	}
	return text, nil
}

// compact drops the white space of the layout in which JSON came, which no reader gets to
// see. Error: it is no JSON.
func compact(text []byte) ([]byte, error) {
	var b bytes.Buffer
	err := json.Compact(&b, text)
	return b.Bytes(), err
}

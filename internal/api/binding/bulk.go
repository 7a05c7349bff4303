package binding

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/jsontext"
)

// Bounds of a bulk get. A request of a hundred keys, each character escaped,
// is under 400 KiB; there is room to tell those who ask for more that it is
// too much.
const (
	maxBulkBodyBytes = 4 << 20
	wholeReplyBytes  = 1 << 20 // replies with more value bytes than this are streamed
)

// bulkQuery is the body of a bulk get.
type bulkQuery struct {
	keys         []string
	kind         string // type as given; "" where not
	withMetadata bool
	cacheTTL     string // cacheTtl as given; "" where not
}

// bulkGet answers POST /bulk/get.
func (s *Server) bulkGet(r *request) error {
	q, err := s.readBulk(r)
	if err != nil {
		return err
	}
	opts, err := s.readOptions(r, q.cacheTTL)
	if err != nil {
		return err
	}
	values, err := s.cfg.Service.BulkGet(r.in, r.ns, api.BulkGet{Keys: q.keys, Type: q.kind, Read: opts, Limited: r.principal.Limited()})
	if err != nil {
		return err
	}
	r.revision = values.Served.Revision
	r.cacheStatus(values.Served.Status)
	w := &bulkReply{q: q, values: values, srv: s}
	if w.valueBytes() <= wholeReplyBytes {
		defer func() { _ = values.Close() }()
		buf := s.replies.get()
		*buf = w.appendAll((*buf)[:0])
		s.reply(r, buf)
		return nil
	}
	r.ctx.Response.Header.SetContentTypeBytes(jsonType)
	r.ctx.Response.SetBodyStream(w, w.length())
	return nil
}

// readBulk reads the request's body. Errors: CodeBodyTooLarge,
// CodeInvalidRequest.
func (s *Server) readBulk(r *request) (bulkQuery, error) {
	buf := s.replies.get()
	defer s.replies.put(buf)
	into := bytes.NewBuffer((*buf)[:0])
	_, err := io.Copy(into, io.LimitReader(&r.body, maxBulkBodyBytes+1))
	*buf = into.Bytes()[:0]
	switch {
	case err != nil:
		return bulkQuery{}, err
	case into.Len() > maxBulkBodyBytes:
		return bulkQuery{}, godwit.Errorf(godwit.CodeBodyTooLarge, "Request body exceeds the limit of %d bytes.", maxBulkBodyBytes)
	}
	return parseBulk(into.Bytes())
}

var errBulkUTF8 = godwit.Errorf(godwit.CodeInvalidRequest, "Request body is not UTF-8.")

var errBulkBody = godwit.Errorf(godwit.CodeInvalidRequest, "Request body is not a JSON object with an array of strings as keys.")

// parseBulk reads the body of a bulk get. No more keys are kept than tell that
// there are too many. Unknown members are passed over. Error: CodeInvalidRequest.
func parseBulk(body []byte) (q bulkQuery, err error) {
	if !utf8.Valid(body) { // else another key would be read
		return q, errBulkUTF8
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return q, errBulkBody
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return q, errBulkBody
		}
		if err := q.member(d, name); err != nil {
			return q, err
		}
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return q, errBulkBody
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return q, errBulkBody
	}
	return q, nil
}

// member reads the value of one member.
func (q *bulkQuery) member(d *json.Decoder, name json.Token) (err error) {
	switch name {
	case "keys":
		q.keys, err = readKeys(d)
	case "type":
		q.kind, err = readText(d)
	case "cacheTtl":
		q.cacheTTL, err = readText(d)
	case "withMetadata":
		err = d.Decode(&q.withMetadata)
	default:
		var skip json.RawMessage
		err = d.Decode(&skip)
	}
	if err != nil {
		return errBulkBody
	}
	return nil
}

// readText reads a string, or a number as it is written. What is null or empty
// is not given.
func readText(d *json.Decoder) (string, error) {
	t, err := d.Token()
	if err != nil {
		return "", err
	}
	switch t := t.(type) {
	case nil:
		return "", nil
	case string:
		return t, nil
	case json.Number:
		return t.String(), nil
	}
	return "", errBulkBody
}

func readKeys(d *json.Decoder) ([]string, error) {
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, errBulkBody
	}
	var keys []string
	for d.More() {
		t, err := d.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return nil, errBulkBody
		}
		if len(keys) <= godwit.MaxBulkGetKeys {
			keys = append(keys, key)
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, errBulkBody
	}
	return keys, nil
}

// bulkReply is the reply to a bulk get: an object in the order of the keys
// asked for, each once.
type bulkReply struct {
	q      bulkQuery
	values *api.BulkValues
	srv    *Server
}

// Close implements io.Closer.
func (w *bulkReply) Close() error { return w.values.Close() }

// valueBytes is how long the values are together.
func (w *bulkReply) valueBytes() (n int) {
	for _, e := range w.values.Entries {
		if e != nil {
			n += len(e.Text)
		}
	}
	return n
}

// Read implements io.Reader. Replies are sent by WriteTo.
func (w *bulkReply) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// length is how long the reply is. To encode it twice costs less than to hold
// it, and lets the client tell a reply that was cut off.
func (w *bulkReply) length() int {
	n, _ := w.WriteTo(io.Discard)
	return int(n)
}

// WriteTo implements io.WriterTo: through one chunk, however long the values.
func (w *bulkReply) WriteTo(dst io.Writer) (n int64, err error) {
	buf := w.srv.chunks.get()
	defer w.srv.chunks.put(buf)
	*buf, err = w.encode((*buf)[:0], func(b []byte) ([]byte, error) {
		if len(b) < chunkBytes/2 {
			return b, nil
		}
		m, err := dst.Write(b)
		n += int64(m)
		return b[:0], err
	})
	if err != nil {
		return n, err
	}
	m, err := dst.Write(*buf)
	return n + int64(m), err
}

// appendAll appends the whole reply.
func (w *bulkReply) appendAll(dst []byte) []byte {
	dst, _ = w.encode(dst, func(b []byte) ([]byte, error) { return b, nil })
	return dst
}

// encode appends the reply to dst, handing dst to flush between its parts.
func (w *bulkReply) encode(dst []byte, flush func([]byte) ([]byte, error)) (_ []byte, err error) {
	dst = append(dst, '{')
	seen := make(map[string]struct{}, len(w.q.keys))
	for i, e := range w.values.Entries {
		key := w.q.keys[i]
		if _, again := seen[key]; again {
			continue
		}
		if len(seen) > 0 {
			dst = append(dst, ',')
		}
		seen[key] = struct{}{}
		dst = append(jsontext.Append(dst, key), ':')
		if dst, err = w.encodeEntry(dst, e, flush); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

func (w *bulkReply) encodeEntry(dst []byte, e *api.BulkEntry, flush func([]byte) ([]byte, error)) (_ []byte, err error) {
	if e == nil {
		return append(dst, "null"...), nil
	}
	if w.q.withMetadata {
		dst = append(dst, `{"value":`...)
	}
	text, quoted := e.Text, w.q.kind != "json"
	if quoted {
		dst = append(dst, '"')
	}
	for len(text) > 0 {
		n := jsontext.Cut(text, chunkBytes/8) // escaped, six times as long at most
		if quoted {
			dst = jsontext.AppendEscaped(dst, text[:n])
		} else {
			dst = append(dst, text[:n]...)
		}
		text = text[n:]
		if dst, err = flush(dst); err != nil {
			return dst, err
		}
	}
	if quoted {
		dst = append(dst, '"')
	}
	if w.q.withMetadata {
		dst = append(dst, `,"metadata":`...)
		if e.Metadata == nil {
			dst = append(dst, "null"...)
		} else {
			dst = append(dst, e.Metadata...)
		}
		dst = append(dst, '}')
	}
	return dst, nil
}

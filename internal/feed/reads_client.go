package feed

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/wire"
)

// Entries returns what stands upstream under keys of one namespace, in their
// order, nil for nothing, all from one state, and the state's position. Values
// over the filter's bound come as blobs, and so may those that would make the
// answer too long. At most godwit.MaxBulkGetKeys keys.
func (c *Client) Entries(ctx context.Context, ns godwit.NamespaceID, keys []string, f Filter, opts godwit.ReadOptions) ([]*godwit.Entry, godwit.Served, error) {
	if len(keys) > godwit.MaxBulkGetKeys {
		return nil, godwit.Served{}, godwit.Errorf(godwit.CodeInvalidRequest, "%d keys are over the limit of %d.", len(keys), godwit.MaxBulkGetKeys)
	}
	query := filterQuery(nil, f.MaxValue, nil)
	query.Set("namespace", ns.String())
	req, err := c.passedOn(ctx, http.MethodPost, "/entries", query, bytes.NewReader(appendKeys(nil, keys)))
	if err != nil {
		return nil, godwit.Served{}, err
	}
	setReadOptions(req.Header, opts)
	page, err := c.page(req)
	if err != nil {
		return nil, godwit.Served{}, err
	}
	found := make([]*godwit.Entry, len(keys))
	records := page.Records
	for i, key := range keys {
		if len(records) > 0 && records[0].Key == key {
			found[i] = new(entryOf(&records[0]))
			records = records[1:]
		}
	}
	if len(records) > 0 || page.Heads || !page.Done {
		return nil, godwit.Served{}, broken(fmt.Errorf("%w: entries that were not asked for", wire.ErrMalformed))
	}
	return found, servedBy(page), nil
}

// List returns a page of keys as the upstream sees them.
func (c *Client) List(ctx context.Context, ns godwit.NamespaceID, q godwit.ListQuery, opts godwit.ReadOptions) (*godwit.Page, error) {
	query := url.Values{"namespace": {ns.String()}, "limit": {strconv.Itoa(q.Limit)}}
	if q.Prefix != "" {
		query.Set("prefix", keyText.EncodeToString([]byte(q.Prefix)))
	}
	if q.Cursor != "" {
		query.Set("cursor", q.Cursor)
	}
	if q.Scan != nil {
		setScan(query, q.Scan)
	}
	req, err := c.passedOn(ctx, http.MethodGet, "/list", query, nil)
	if err != nil {
		return nil, err
	}
	setReadOptions(req.Header, opts)
	page, err := c.page(req)
	if err != nil {
		return nil, err
	}
	list := &godwit.Page{
		Entries: make([]godwit.Entry, len(page.Records)), More: !page.Done, Cursor: page.header.Get(headerCursor), Served: servedBy(page),
	}
	for i := range page.Records {
		list.Entries[i] = entryOf(&page.Records[i])
	}
	if !page.Heads || !answers(list, &q, page.header) {
		return nil, broken(fmt.Errorf("%w: no page of a list", wire.ErrMalformed))
	}
	return list, nil
}

// answers tells whether a page may be that which q asks for, and takes over what
// was counted.
func answers(p *godwit.Page, q *godwit.ListQuery, h http.Header) bool {
	switch {
	case len(p.Entries) > q.Limit, p.More && p.Cursor == "":
		return false
	case q.Scan == nil:
		return !p.More || len(p.Entries) > 0
	case q.Scan.Count:
		return len(p.Entries) == 0 && readCount(h, p)
	}
	return true
}

// Value returns the value b that a key had at revision r. Error:
// godwit.ErrReplaced if that is gone. The caller closes it, and compares it with b.
func (c *Client) Value(ctx context.Context, ns godwit.NamespaceID, key string, r godwit.Revision, b godwit.Blob) (io.ReadCloser, error) {
	query := url.Values{"namespace": {ns.String()}, "key": {keyText.EncodeToString([]byte(key))}, "revision": {r.String()}}
	if !b.IsZero() {
		query.Set("blob", formatBlob(b))
	}
	ctx, cancel := context.WithCancel(ctx)
	req, err := c.passedOn(ctx, http.MethodGet, "/value", query, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	resp, err := c.send(req) //nolint:bodyclose // the caller closes the value
	if err != nil {
		cancel()
		return nil, err
	}
	p := newPulse(cancel)
	p.in = resp.Body
	return &value{pulse: p, body: resp.Body}, nil
}

// value is a value on its way. net/http holds it to its length.
type value struct {
	*pulse
	body io.Closer
}

// Read implements io.Reader.
func (v *value) Read(b []byte) (int, error) {
	n, err := v.pulse.Read(b)
	if err != nil && err != io.EOF {
		err = v.explain(broken(err))
	}
	return n, err
}

// Close implements io.Closer.
func (v *value) Close() error {
	defer v.cancel()
	return v.body.Close()
}

func entryOf(r *godwit.Record) godwit.Entry {
	return godwit.Entry{
		Key: r.Key, Revision: r.Revision, Created: r.Created, Modified: r.Modified,
		Expiration: r.Expiration, Metadata: r.Metadata, Value: r.Value,
	}
}

// servedBy tells how a read that was passed on was answered.
func servedBy(p *pageAnswer) godwit.Served {
	s := godwit.Served{Status: godwit.StatusMiss, Revision: p.Revision}
	if p.header.Get(headerStatus) == godwit.StatusStale.String() {
		s.Status = godwit.StatusStale
	}
	return s
}

package feed

import (
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// maxEntriesBytes bounds the values that one answer holds: those beyond it are
// withheld, and are asked for one by one.
const maxEntriesBytes = 16 << 20

// readable is the namespace that a read names, if its token may replicate it. The
// catalog's own is none of them. Errors: CodeInvalidNamespaceID, ErrForbidden, whether
// it is there or not; ErrNamespaceNotFound, also of the catalog's.
func (s *Server) readable(r *http.Request, p *catalog.Principal) (*godwit.Namespace, error) {
	id, err := godwit.ParseNamespaceID(r.URL.Query().Get("namespace"))
	if err != nil {
		return nil, err
	}
	if !mayReplicate(p, id) {
		return nil, godwit.ErrForbidden
	}
	return s.cfg.Catalog().Namespace(r.Context(), id)
}

// serveEntries answers Client.Entries.
func (s *Server) serveEntries(w http.ResponseWriter, r *http.Request, p *catalog.Principal) error {
	ns, err := s.readable(r, p)
	if err != nil {
		return err
	}
	most, err := parseMaxValue(r.URL.Query())
	if err != nil {
		return err
	}
	opts, err := readOptions(r.Header)
	if err != nil {
		return err
	}
	body, err := readBody(w, r, maxKeysBytes)
	if err != nil {
		return err
	}
	keys, err := decodeKeys(body)
	if err != nil {
		return malformed(err)
	}
	entries, served, err := s.cfg.Reader.GetMany(r.Context(), ns.ID, keys, opts)
	if err != nil {
		return err
	}
	page := &Page{Revision: served.Revision, Done: true}
	room := int64(maxEntriesBytes)
	for _, e := range entries {
		if e == nil {
			continue
		}
		rec := recordOf(ns.ID, e)
		n := int64(len(e.Value.Inline))
		if most > 0 && n > most || n > room {
			rec.Value = withheld(&rec)
		} else {
			room -= n
		}
		page.Records = append(page.Records, rec)
	}
	return writePage(w, page, served)
}

// serveList answers Client.List.
func (s *Server) serveList(w http.ResponseWriter, r *http.Request, p *catalog.Principal) error {
	ns, err := s.readable(r, p)
	if err != nil {
		return err
	}
	q, err := parseList(r)
	if err != nil {
		return err
	}
	opts, err := readOptions(r.Header)
	if err != nil {
		return err
	}
	list, err := s.cfg.Reader.List(r.Context(), ns.ID, q, opts)
	if err != nil {
		return err
	}
	page := &Page{Revision: list.Served.Revision, Heads: true, Done: !list.More}
	page.Records = make([]godwit.Record, len(list.Entries))
	for i := range list.Entries {
		page.Records[i] = recordOf(ns.ID, &list.Entries[i])
	}
	if list.More {
		w.Header().Set(headerCursor, list.Cursor)
	}
	if q.Scan != nil && q.Scan.Count {
		setCount(w.Header(), list)
	}
	return writePage(w, page, list.Served)
}

// parseList reads which keys a list is of. Errors: CodeInvalidRequest,
// CodeInvalidLimit, CodeKeyTooLong.
func parseList(r *http.Request) (q godwit.ListQuery, err error) {
	query := r.URL.Query()
	if len(query.Get("prefix")) > keyText.EncodedLen(godwit.MaxKeyBytes) {
		return q, godwit.Errorf(godwit.CodeKeyTooLong, "The prefix is over %d bytes.", godwit.MaxKeyBytes)
	}
	prefix, err := keyText.DecodeString(query.Get("prefix"))
	if err != nil {
		return q, godwit.Errorf(godwit.CodeInvalidRequest, "The prefix is not in base64url.")
	}
	q = godwit.ListQuery{Prefix: string(prefix), Cursor: query.Get("cursor")}
	if q.Scan, err = parseScan(query); err != nil {
		return q, err
	}
	q.Limit, err = strconv.Atoi(query.Get("limit"))
	if err != nil || q.Limit < 1 || q.Limit > q.MaxLimit() {
		return q, godwit.Errorf(godwit.CodeInvalidLimit, "Invalid limit: use 1 to %d.", q.MaxLimit())
	}
	return q, godwit.ValidatePrefix(q.Prefix)
}

// serveValue answers Client.Value.
func (s *Server) serveValue(w http.ResponseWriter, r *http.Request, p *catalog.Principal) error {
	ns, err := s.readable(r, p)
	if err != nil {
		return err
	}
	key, err := parseKey(r.URL.Query())
	if err != nil {
		return err
	}
	rev, err := godwit.ParseRevision(r.URL.Query().Get("revision"))
	if err != nil {
		return err
	}
	e, _, err := s.cfg.Reader.Get(r.Context(), ns.ID, []byte(key), godwit.ReadOptions{MinRevision: rev})
	var value io.ReadCloser
	switch {
	case errors.Is(err, godwit.ErrKeyNotFound), err == nil && e.Revision != rev:
		e, value, err = s.openReplaced(r.URL.Query().Get("blob"), rev, p)
	case err == nil:
		value, err = s.cfg.Reader.OpenValue(r.Context(), ns.ID, e)
	}
	if err != nil {
		return err
	}
	defer value.Close()
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.FormatInt(e.Value.Size(), 10))
	h.Set(headerRevision, e.Revision.String())
	_, _ = io.Copy(w, value) // an answer that ends before its length is cut off
	return nil
}

// openReplaced opens a value that another has taken the place of, for as long as
// its file is still there, so that who stopped following at a revision can have all
// of it. Which namespace it was of nobody knows any more: it is for tokens without
// a limit. Error: godwit.ErrReplaced.
func (s *Server) openReplaced(text string, rev godwit.Revision, p *catalog.Principal) (*godwit.Entry, io.ReadCloser, error) {
	b, ok := parseBlob(text)
	if !ok || scopeOf(p) != nil {
		return nil, nil, godwit.ErrReplaced
	}
	value, err := s.cfg.Store.OpenBlob(b)
	if err != nil {
		return nil, nil, godwit.ErrReplaced
	}
	return &godwit.Entry{Revision: rev, Value: godwit.Value{Blob: b}}, value, nil
}

// writePage answers with one page.
func writePage(w http.ResponseWriter, p *Page, served godwit.Served) error {
	frame, err := AppendFrame(nil, p)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", ContentType)
	h.Set("Content-Length", strconv.Itoa(len(frame)))
	h.Set(headerRevision, served.Revision.String())
	h.Set(headerStatus, served.Status.String())
	_, _ = w.Write(frame) // the client is gone
	return nil
}

func recordOf(ns godwit.NamespaceID, e *godwit.Entry) godwit.Record {
	return godwit.Record{
		Mutation: godwit.Mutation{
			Op: godwit.OpPut, Namespace: ns, Key: e.Key, Value: e.Value, Metadata: e.Metadata, Expiration: e.Expiration,
		},
		Revision: e.Revision, Created: e.Created, Modified: e.Modified,
	}
}

// readBody reads a request's body of at most so many bytes. Error:
// CodeBodyTooLarge, CodeInvalidRequest.
func readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, godwit.Errorf(godwit.CodeBodyTooLarge, "The body is over the limit of %d bytes.", most)
	}
	if err != nil {
		return nil, malformed(err)
	}
	return body, nil
}

// malformed is the error of a request whose body cannot be read; that of a key in
// it stays.
func malformed(err error) error {
	var e *godwit.Error
	if errors.As(err, &e) {
		return err
	}
	return &godwit.Error{Code: godwit.CodeInvalidRequest, Message: "The body is malformed.", Err: err}
}

// parseMaxValue reads the length from which on values are withheld, 0 for none.
// Error: CodeInvalidRequest.
func parseMaxValue(q interface{ Get(string) string }) (int64, error) {
	text := q.Get("max_value")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, godwit.Errorf(godwit.CodeInvalidRequest, "Invalid max_value: use a number of bytes.")
	}
	return n, nil
}

package feed

import (
	"errors"
	"io"
	"net/http"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/store"
)

// placesBytes is about how much the answer to one request for places holds.
const placesBytes = 4 << 20

// servePlaces is POST of the walk: the entries at the places that the body names,
// as one page. If it is not Done, places behind its last entry were not looked at.
func (s *Server) servePlaces(w http.ResponseWriter, r *http.Request, p *catalog.Principal) error {
	q, err := s.newAsk(r, p)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(maxPlacesBytes)))
	if err != nil {
		return godwit.Errorf(godwit.CodeBodyTooLarge, "The list of places broke off, or is over %d bytes.", maxPlacesBytes)
	}
	places, err := decodePlaces(body)
	if err != nil {
		return godwit.Errorf(godwit.CodeInvalidRequest, "The list of places is malformed.")
	}
	if q.refusal != nil {
		return godwit.Errorf(godwit.CodeForbidden, "%s", printable(q.refusal.Message))
	}
	page, err := s.entriesAt(r, q.filter, places)
	if err != nil {
		return err
	}
	frame, err := AppendFrame(nil, page)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", ContentType)
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(s.ring.compress.compress(nil, frame)) // the node is gone
	return nil
}

func (s *Server) entriesAt(r *http.Request, f *filter, places []store.Place) (page *Page, err error) {
	before := s.suspensions()
	view, err := s.view(r.Context())
	if err == nil && (before < 0 || s.suspensions() != before) {
		err = errors.Join(errSuspended, view.Close())
	}
	if err != nil {
		return nil, &godwit.Error{Code: godwit.CodeUnavailable, Message: "This node is no exact copy for now.", Err: err}
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	page = &Page{Revision: view.Revision(), Time: view.Time(), Done: true}
	pace := pace{all: &s.paces}
	pace.begin()
	defer pace.end()
	bytes := 0
	for i := range places {
		pace.record(r.Context())
		record, err := view.Entry(places[i])
		if err != nil {
			return nil, err
		}
		if record == nil || !f.pass(record, s.ring.bounds) {
			continue
		}
		page.Records = append(page.Records, *record)
		if bytes += len(record.Value.Inline) + len(record.Metadata); bytes > placesBytes && i < len(places)-1 {
			page.Done = false
			break
		}
	}
	return page, nil
}

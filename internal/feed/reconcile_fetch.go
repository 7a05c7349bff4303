package feed

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/wire"
)

// fetching is how the entries come that a chunk fetches. What is asked for with
// the chunk may be answered in part, since values may be long: the rest is asked
// for when its turn comes, so that no more than one answer waits in memory.
type fetching struct {
	places  []store.Place // that are not answered yet
	answers chan *answer  // the first
	got     *answer       // being brought in
}

// answer is what stands upstream at the first places that were asked for.
type answer struct {
	state   godwit.Position
	records []godwit.Record
	last    store.Place // all places up to here are answered
}

// known tells whether the answer at hand is about a place.
func (f *fetching) known(p store.Place) bool {
	return f.got != nil && comparePlaces(p, f.got.last) <= 0
}

// wait waits for the next answer, or asks for it.
func (f *fetching) wait(ctx context.Context, w *walk) (err error) {
	if f.got != nil {
		f.got, err = w.fetch(ctx, f.places)
	} else {
		select {
		case f.got = <-f.answers:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return err
}

// take returns the entry at a place, the first that is not answered yet, or nil.
func (f *fetching) take(p store.Place) *godwit.Record {
	f.places = f.places[1:]
	if len(f.got.records) == 0 || placeOf(&f.got.records[0]) != p {
		return nil
	}
	r := &f.got.records[0]
	f.got.records = f.got.records[1:]
	return r
}

// fetch asks for what stands at places.
func (w *walk) fetch(ctx context.Context, places []store.Place) (*answer, error) {
	page, err := w.Client.fetch(ctx, places, filterQuery(w.Namespaces, w.MaxValue, w.Jurisdictions))
	if err != nil {
		return nil, err
	}
	w.fetchedBytes.Add(page.bytes)
	a := &answer{state: w.hello.Lineage.Position(page.Revision), records: page.Records, last: places[len(places)-1]}
	if !page.Done {
		if len(page.Records) == 0 {
			return nil, broken(fmt.Errorf("%w: no entry of those asked for", wire.ErrMalformed))
		}
		a.last = placeOf(&page.Records[len(page.Records)-1])
	}
	return a, cmp.Or(w.checkReach(page.Page), checkAnswer(page.Page, places))
}

// checkAnswer tells whether a page holds entries at some of the places, in order.
func checkAnswer(p *Page, places []store.Place) error {
	for i := range p.Records {
		place := placeOf(&p.Records[i])
		for len(places) > 0 && comparePlaces(places[0], place) < 0 {
			places = places[1:]
		}
		if len(places) == 0 || places[0] != place || p.Records[i].Op != godwit.OpPut || p.Records[i].Swept {
			return broken(fmt.Errorf("%w: an entry that was not asked for", wire.ErrMalformed))
		}
		places = places[1:]
	}
	return nil
}

// fetch asks for what stands upstream at places, which are in order. Places
// without an entry are left out of the answer; one that is not Done ends early.
func (c *Client) fetch(ctx context.Context, places []store.Place, query url.Values) (*pageAnswer, error) {
	body := appendPlaces(nil, places)
	req, err := c.request(ctx, http.MethodPost, "/walk", query, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return c.page(req)
}

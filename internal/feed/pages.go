package feed

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/store"
)

const (
	// viewKeys is how many entries a walk reads of one view.
	viewKeys = 100_000
	// walkPatience is for how long a walk waits for another to end.
	walkPatience = 2 * time.Second
)

// pager sends the entries of the store, page by page.
type pager struct {
	*outgoing
	pace  pace
	heads bool
	after *store.Place // all up to there was read; nil: nothing
	place store.Place  // what after points to
	keys  int          // read of the view
	page  encoded
}

// serveWalk is GET of the walk.
func (s *Server) serveWalk(w http.ResponseWriter, r *http.Request, p *catalog.Principal) error {
	q, err := s.newAsk(r, p)
	if err != nil {
		return err
	}
	after, err := parsePlace(q.query.Get("after"))
	if err != nil {
		return err
	}
	heads := q.query.Get("heads")
	if heads != "" && heads != "0" && heads != "1" {
		return godwit.Errorf(godwit.CodeInvalidRequest, "heads must be 0 or 1.")
	}
	giveTurn, err := s.takeTurn(r.Context(), p)
	if err != nil {
		return err
	}
	defer giveTurn()
	s.stream(w, r, q, &follower{walks: true}, func(ctx context.Context, o *outgoing) error {
		return (&pager{outgoing: o, pace: pace{all: &s.paces}, after: after, heads: heads == "1"}).run(ctx)
	})
	return nil
}

// takeTurn waits until one more node may be copied to, which give ends. One token that is
// limited to namespaces has half of the turns at most. Error: CodeTooManyRequests.
func (s *Server) takeTurn(ctx context.Context, p *catalog.Principal) (give func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, walkPatience)
	defer cancel()
	turn := s.walks.Enter(p.Limited())
	if turn.Take(ctx, 1) != nil {
		turn.Leave()
		return nil, godwit.Errorf(godwit.CodeTooManyRequests, "Too many nodes are being copied to: try again.")
	}
	s.metrics.walks.Inc()
	return func() {
		s.metrics.walks.Dec()
		turn.Leave()
	}, nil
}

// run sends all pages. The error, never nil, says how that ended.
func (p *pager) run(ctx context.Context) error {
	p.pace.begin()
	defer p.pace.end()
	for {
		view, err := p.s.view(ctx)
		if err != nil {
			return err
		}
		done, err := p.sendView(ctx, view)
		if err = errors.Join(err, view.Close()); err != nil {
			return err
		}
		if done {
			return &End{Reason: EndDone}
		}
	}
}

// sendView sends pages of one state for a while, and tells whether there are no
// more.
func (p *pager) sendView(ctx context.Context, view *store.View) (done bool, err error) {
	p.keys = 0
	for opened := time.Now(); time.Since(opened) < viewAge && p.keys < viewKeys; {
		if done, err = p.read(ctx, view); err != nil {
			return false, err
		}
		p.pace.look(ctx)
		if err := p.sendPage(view, done); err != nil || done {
			return done, err
		}
		p.pace.resume()
	}
	return false, nil
}

func (p *pager) sendPage(view *store.View, done bool) error {
	if err := p.renew(); err != nil {
		return err
	}
	err := p.sendLarge(kindPage, func(b []byte) []byte {
		return p.page.appendTo(appendPageHead(b, &Page{
			Revision: view.Revision(), Time: view.Time(), Heads: p.heads, Done: done,
		}))
	})
	if err != nil {
		return err
	}
	return p.flush()
}

// read reads one page, and tells whether there are no more.
func (p *pager) read(ctx context.Context, view *store.View) (done bool, err error) {
	p.page.reset()
	for {
		jump := false
		err := view.Walk(ctx, p.after, !p.heads, func(r *godwit.Record) error {
			if jump = !p.filter.Carries(r.Namespace); jump || p.page.full() {
				if jump {
					p.after = p.next(r.Namespace)
				}
				return errChunk
			}
			p.pace.record(ctx)
			return p.add(view, r)
		})
		switch {
		case err == nil, jump && p.after == nil:
			return true, nil
		case jump:
			continue
		case errors.Is(err, errChunk):
			return false, nil
		case ctx.Err() != nil:
			return false, context.Cause(ctx)
		}
		return false, err
	}
}

// add takes an entry, of which r is valid for the moment.
func (p *pager) add(view *store.View, r *godwit.Record) (err error) {
	p.keys++
	p.place = placeOf(r)
	p.after = &p.place
	if p.heads && p.filter.scope != nil && r.Namespace == godwit.SystemNamespace {
		// Which namespaces a token is for stands in its value.
		if r, err = view.Entry(p.place); err != nil || r == nil {
			return err
		}
	}
	if !p.filter.pass(r, p.s.ring.bounds) {
		return nil
	}
	if p.heads {
		r.Value, r.Metadata = godwit.Value{}, nil
	}
	p.page.add(r)
	return nil
}

// next is the place before all keys of the first namespace behind ns that is
// carried, or nil.
func (p *pager) next(ns godwit.NamespaceID) *store.Place {
	i, _ := slices.BinarySearchFunc(p.filter.Namespaces, ns, compareNamespaces)
	if i == len(p.filter.Namespaces) {
		return nil
	}
	return &store.Place{Namespace: p.filter.Namespaces[i]}
}

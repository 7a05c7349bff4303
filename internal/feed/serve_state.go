package feed

import (
	"context"
	"errors"
	"net/http"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/store"
)

// serveState answers Client.State. All of it is of one state, which is held as
// long as that takes: what a node remembers is ten minutes of requests, and no part
// of it is of use without the rest.
func (s *Server) serveState(w http.ResponseWriter, r *http.Request, p *catalog.Principal) error {
	q, err := s.newAsk(r, p)
	if err != nil {
		return err
	}
	if scopeOf(p) != nil {
		return godwit.ErrForbidden
	}
	if !s.cfg.Shared || s.cfg.Place == nil {
		return godwit.Errorf(godwit.CodeInvalidRequest, "This node shares its log with no other.")
	}
	if j := s.ring.bounds.unmet(&q.filter.Filter); j != "" {
		q.refuse(EndRefused, "the cluster has a namespace of jurisdiction "+j+": each of its members is started with --jurisdiction "+j)
	}
	giveTurn, err := s.takeTurn(r.Context(), p)
	if err != nil {
		return err
	}
	defer giveTurn()
	s.stream(w, r, q, &follower{walks: true}, func(ctx context.Context, o *outgoing) (err error) {
		view, err := s.view(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, view.Close()) }()
		return (&stater{outgoing: o, view: view, numbers: q.query.Get("numbers") == "1"}).run(ctx)
	})
	return nil
}

// stater sends a state.
type stater struct {
	*outgoing
	numbers bool // the other side knows of adds: of numbers that were swept, and of sums
	view    *store.View
	known   Known
	sums    int // in known
	swept   encoded
}

// mostSums is how many one frame has, or those of one transaction more.
const mostSums = 1 << 12

// run sends all there is. The error, never nil, says how that ended.
func (t *stater) run(ctx context.Context) error {
	place, err := t.s.cfg.Place(t.view)
	if err != nil {
		return &End{EndSuspended, godwit.MessageOf(err)}
	}
	err = t.send(&State{Position: t.s.cfg.Store.Lineage().Position(t.view.Revision()), Time: t.view.Time(), Place: place})
	if err == nil {
		err = t.flush()
	}
	if err == nil {
		err = t.sendKnown(ctx)
	}
	if err == nil {
		err = t.sendSwept(ctx)
	}
	switch {
	case err == nil:
		return &End{Reason: EndDone}
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return err
}

func (t *stater) sendKnown(ctx context.Context) error {
	err := t.view.Proposers(ctx, func(p store.KnownProposer) error {
		t.known.Proposers = append(t.known.Proposers, p)
		return t.sendIf(t.known.full())
	})
	if err == nil {
		err = t.view.Requests(ctx, func(r store.KnownRequest) error {
			if !t.numbers {
				r.Sums = nil
			}
			t.known.Requests = append(t.known.Requests, r)
			t.sums += len(r.Sums)
			return t.sendIf(t.known.full() || t.sums >= mostSums)
		})
	}
	if err == nil {
		err = t.sendIf(!t.known.empty())
	}
	return err
}

// sendIf sends what was gathered of what is known, if it is time to.
func (t *stater) sendIf(now bool) error {
	if !now {
		return nil
	}
	defer func() { t.known.reset(); t.sums = 0 }()
	err := t.sendLarge(kindKnown, func(b []byte) []byte { return appendKnown(b, &t.known) })
	if err != nil {
		return err
	}
	return t.flush()
}

func (t *stater) sendSwept(ctx context.Context) error {
	err := t.view.SweptAhead(ctx, t.s.cfg.Now().Unix(), func(r *godwit.Record) error {
		if !t.numbers {
			r.Value = godwit.Value{}
		}
		t.swept.add(r)
		if !t.swept.full() {
			return nil
		}
		return t.sendPage()
	})
	if err == nil && t.swept.records > 0 {
		err = t.sendPage()
	}
	return err
}

func (t *stater) sendPage() error {
	defer t.swept.reset()
	err := t.sendLarge(kindPage, func(b []byte) []byte {
		return t.swept.appendTo(appendPageHead(b, &Page{Revision: t.view.Revision(), Time: t.view.Time()}))
	})
	if err != nil {
		return err
	}
	return t.flush()
}

package native

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/watch"
)

// Bounds of watches.
const (
	maxWatches      = 1024
	maxTokenWatches = 128
	// watchCheck is how often a watch's token is looked at.
	watchCheck = time.Second
)

// watch tells of a namespace's changes for as long as the client listens.
func (h *Handler) watch(w http.ResponseWriter, r *request) error {
	ns, err := h.resolve(r, godwit.PermissionRead)
	if err != nil {
		return err
	}
	q, err := watchRequest(r.Request, ns.ID)
	if err != nil {
		return err
	}
	token := r.principal.Token.ID
	if err := h.watches.enter(token); err != nil {
		return err
	}
	defer h.watches.leave(token)
	if h.cfg.PassUncarried != nil {
		if passed, err := h.cfg.PassUncarried(w, r.Request, ns.ID); passed || err != nil {
			return err
		}
	}
	if r.Method == http.MethodHead {
		return newEventStream(w).open()
	}
	h.tellChanges(w, r, ns, q)
	return nil
}

// watchRequest reads what is to be watched. The header says where to go on from
// where both do: it is what a client sends by itself when it comes back.
func watchRequest(r *http.Request, ns godwit.NamespaceID) (watch.Request, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil { // else what cannot be read would be left out, and all keys be told
		return watch.Request{}, godwit.Errorf(godwit.CodeInvalidRequest, "The query is malformed.")
	}
	q := watch.Request{Namespace: ns, Prefix: query.Get("prefix"), After: r.Header.Get("Last-Event-ID")}
	if q.After == "" {
		q.After = query.Get("after")
	}
	if q.Values, err = parseFlag(query, "values"); err != nil {
		return q, err
	}
	if q.After != "" {
		if err := watch.ValidateID(q.After); err != nil {
			return q, err
		}
	}
	return q, godwit.ValidatePrefix(q.Prefix)
}

// tellChanges writes events until the client is gone or too slow, its token is
// no longer good, or the watch ends; of the latter two it is told.
func (h *Handler) tellChanges(w http.ResponseWriter, r *request, ns *godwit.Namespace, q watch.Request) {
	ctx, end := context.WithCancelCause(r.Context())
	defer end(nil)
	var checks sync.WaitGroup
	defer checks.Wait()
	defer end(nil)
	checks.Go(func() { h.checkToken(ctx, end, ns) })

	s := newEventStream(w)
	if s.open() != nil {
		return
	}
	for e, err := range h.cfg.Watch.Watch(ctx, q) {
		if err != nil {
			s.fail(err)
			return
		}
		if s.tell(e) != nil {
			return // the client is gone
		}
	}
	if err := context.Cause(ctx); err != nil && r.Context().Err() == nil {
		s.fail(err)
	}
}

// checkToken ends a watch whose token is no longer good for it.
func (h *Handler) checkToken(ctx context.Context, end context.CancelCauseFunc, ns *godwit.Namespace) {
	tick := time.NewTicker(watchCheck)
	defer tick.Stop()
	secret := []byte(godwit.CredentialOf(ctx))
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p, err := h.cfg.Service.Catalog().Authenticate(ctx, secret)
		if err == nil {
			err = catalog.Authorize(p, godwit.PermissionRead, ns)
		}
		switch godwit.CodeOf(err) {
		case godwit.CodeUnauthenticated, godwit.CodeForbidden:
			end(err)
			return
		}
	}
}

// watches counts those that are open. The zero value counts none.
type watches struct {
	mu    sync.Mutex
	all   int
	token map[string]int
}

// enter counts one in. Error: CodeTooManyRequests.
func (w *watches) enter(token string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.all >= maxWatches:
		return godwit.Errorf(godwit.CodeTooManyRequests, "This node has %d watches, which is the limit.", w.all)
	case w.token[token] >= maxTokenWatches:
		return godwit.Errorf(godwit.CodeTooManyRequests, "The token has %d watches at this node, which is the limit.", w.token[token])
	}
	if w.token == nil {
		w.token = make(map[string]int)
	}
	w.all++
	w.token[token]++
	return nil
}

func (w *watches) leave(token string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all--
	if w.token[token]--; w.token[token] == 0 {
		delete(w.token, token)
	}
}

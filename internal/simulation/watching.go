package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/pause"
)

// watcher is a client that watches a part of a namespace, at one node after
// another, and makes of the events what the log holds.
type watcher struct {
	world   *world
	name    string
	rng     *rand.Rand
	space   godwit.NamespaceID
	prefix  string
	port    *port
	id      string // of the last event
	known   bool   // entries is what the log held at some Ready, with what was told since
	entries map[keyID]found
}

func newWatcher(w *world, name string) *watcher {
	rng := w.plan.rng("watcher", name)
	return &watcher{
		world: w, name: name, rng: rng, port: w.network.start(name),
		space: w.spaces[rng.IntN(len(w.spaces))], prefix: []string{"", "k", "k0", "pair"}[rng.IntN(4)],
	}
}

func (w *watcher) note(format string, args ...any) { w.world.trace.note(w.name, format, args...) }

// work watches until ctx ends or a promise is broken.
func (w *watcher) work(ctx context.Context) error {
	for pause.For(ctx, between(w.rng, time.Millisecond, 300*time.Millisecond)) {
		if w.world.failed() {
			return errStop
		}
		if err := w.visit(ctx, w.world.order[w.rng.IntN(len(w.world.order))]); err != nil {
			w.world.report(w.name, err)
			return errStop
		}
	}
	return nil
}

// visit watches at one node for a while, or for as long as that goes well.
func (w *watcher) visit(ctx context.Context, m *machine) error {
	ctx, cancel := context.WithTimeout(ctx, between(w.rng, 100*time.Millisecond, 15*time.Second))
	defer cancel()
	transport := &http.Transport{DialContext: w.port.dial}
	defer transport.CloseIdleConnections()
	c, err := client.New(m.url(), w.world.write, client.WithAccount(account),
		client.WithHTTPClient(&http.Client{Transport: transport}), client.WithAttempts(1))
	if err != nil {
		return err
	}
	w.note("watches %q at %s after %q", w.prefix, m.plan.name, w.id)
	for e, err := range c.KV(w.space.String()).Watch(ctx, client.WatchOptions{Prefix: w.prefix, After: w.id}) {
		switch {
		case errors.Is(err, client.ErrReset):
			w.note("reset at %s", e.ID)
			w.id, w.known = e.ID, false
			return nil
		case err != nil:
			w.note("the watch at %s ends: %v", m.plan.name, err)
			return w.excuse(err)
		}
		w.note("%s %s %s of %s, up to %s", e.Kind, e.Key, e.Metadata, e.Revision, e.ID)
		if err := w.take(m, &e); err != nil {
			return err
		}
	}
	return nil
}

// excuse tells which ends of a watch are none of ours.
func (w *watcher) excuse(err error) error {
	for _, fine := range []error{client.ErrUnavailable, context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, fine) {
			return nil
		}
	}
	return broken(promiseAnswer, "a watch ended: %v", err)
}

// take applies an event.
func (w *watcher) take(m *machine, e *client.Event) error {
	w.id = e.ID
	k := keyID{w.space, e.Key}
	revision, _ := godwit.ParseRevision(e.Revision)
	switch e.Kind {
	case client.EventReady:
		return w.ready(m, e.ID)
	case client.EventDelete:
		delete(w.entries, k)
	case client.EventExpire:
		if now := m.expired(); e.Expiration.Unix() > now {
			return broken(promiseExpired, "%s of revision %d is said to have expired, at %d of %d", e.Key, revision, now, e.Expiration.Unix())
		}
		if w.entries[k].revision <= revision { // what was written and has expired meanwhile is told as expired alone
			delete(w.entries, k)
		}
	case client.EventPut:
		f := found{revision: revision, expiration: notTold}
		_ = json.Unmarshal(e.Metadata, &f.tag)
		if w.known {
			w.entries[k] = f
		}
		return w.world.model.told(k, f)
	}
	return nil
}

// told tells whether what an event says was written.
func (m *model) told(k keyID, f found) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.given[f.revision]; r == nil || r.keyID != k || r.tag != f.tag {
		return broken(promiseReal, "a watch tells of %q under %s at revision %d, where there is %+v", f.tag, k.key, f.revision, r)
	}
	return nil
}

// ready holds what the events have made against the log.
func (w *watcher) ready(m *machine, id string) error {
	text, _, _ := strings.Cut(id, ".")
	revision, err := godwit.ParseRevision(text)
	if err != nil {
		return broken(promiseAnswer, "the id of an event: %v", err)
	}
	model := w.world.model
	model.mu.Lock()
	defer model.mu.Unlock()
	h := model.of(revision)
	if !w.known {
		w.known, w.entries = true, make(map[keyID]found)
		for _, k := range w.keys(h) {
			if r := h.at(k, revision); r != nil && r.op == godwit.OpPut {
				w.entries[k] = found{r.tag, r.revision, notTold}
			}
		}
		return nil
	}
	for _, k := range w.keys(h) {
		f, has := w.entries[k]
		r := h.at(k, revision)
		switch {
		case has && (r == nil || r.revision != f.revision):
			return broken(promiseWatch, "ready up to %d at %s: %s is %+v by its events, and in the log %+v", revision, m.plan.name, k.key, f, r)
		case !has && r.live(w.world.latest()): // by any node's clock: another may have told of it
			return broken(promiseWatch, "ready up to %d at %s: %s is absent by its events, and in the log %+v", revision, m.plan.name, k.key, r)
		}
	}
	return nil
}

// keys are those that are watched.
func (w *watcher) keys(h *history) (keys []keyID) {
	for _, k := range h.within(w.space) {
		if strings.HasPrefix(k.key, w.prefix) {
			keys = append(keys, k)
		}
	}
	return keys
}

// of is the history that a revision is of: one that was lost is never given
// again. The caller holds the lock.
func (m *model) of(r godwit.Revision) *history {
	for i := len(m.histories) - 1; i > 0; i-- {
		if h := m.histories[i]; r <= h.fork || r > m.histories[i-1].end {
			return h
		}
	}
	return m.histories[0]
}

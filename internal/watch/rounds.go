package watch

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/store"
)

const (
	// roundRows bounds the rows that one round looks at: it keeps the database
	// from forgetting what was replaced since.
	roundRows = 1 << 16
	// aheadWait is for how long a watch waits for the store to reach its position.
	aheadWait = 10 * time.Second
)

// rounds is where a watch stands that is told what the store holds. A round tells
// first what has expired of the entries up to the position, and then, up to the
// same second, what has changed behind it. It reads a bounded part from one state
// of the store and tells that once it has let go of the state.
type rounds struct {
	timed   bool         // expired is set
	expired store.Expiry // up to here expiries have been told
	waited  time.Time    // for the store to reach the position, since; zero: not yet
	// owed: of a live watch that was resumed, up to which second the store has to tell
	// what has expired before the ring goes on; 0: it need not.
	owed  int64
	part  []Event
	bytes int
}

func (w *watcher) startRounds() { w.rounds = rounds{} }

// errEnough ends the reading of a round for now.
var errEnough = errors.New("enough for now")

// round does one round, or what it needs before one.
func (w *watcher) round() error {
	select {
	case w.h.rounds <- struct{}{}:
	case <-w.ctx.Done():
		return errStopped
	case <-w.h.closed:
		return errClosed()
	}
	if !w.live {
		w.h.metrics.rounds.Inc()
	}
	joined, err := w.read()
	<-w.h.rounds
	var wait errAhead
	switch {
	case errors.As(err, &wait):
		return w.awaitPosition(wait)
	case errors.Is(err, errTooOld):
		w.part, w.bytes, w.anew = nil, 0, Reset
		return nil
	case err != nil:
		return w.stopped(err)
	}
	return w.tellRound(joined)
}

func (w *watcher) tellRound(joined bool) error {
	part := w.part
	w.part, w.bytes = nil, 0
	for i, e := range part {
		e.More = joined || i+1 < len(part)
		if err := w.send(e); err != nil {
			return err
		}
	}
	if joined {
		return w.tellReady()
	}
	if time.Since(w.last) >= heartbeatEvery {
		return w.beat()
	}
	return nil
}

// errTooOld tells that what came behind a position is not known any more.
var errTooOld = errors.New("the position is too old")

// errAhead tells of a position that the store has yet to reach.
type errAhead struct{ rev godwit.Revision }

// Error implements error.
func (errAhead) Error() string { return "the position is ahead of the store" }

// mark is where the ring ends when a state of the store is looked at: what comes
// behind is not in the state, or is told twice.
type mark struct {
	seq    uint64
	states uint64
	sec    int64 // all that has expired up to here has, in the state
}

// look opens a state of the store that is an exact prefix of the log, nil if
// there is none just now. Error: ErrNamespaceNotFound.
func (w *watcher) look() (*store.View, mark, error) {
	m, ok := w.mark()
	if !ok {
		return nil, m, nil
	}
	v, err := w.h.cfg.Store.View(w.ctx)
	if err != nil {
		return nil, m, w.stopped(err)
	}
	again, ok := w.mark()
	if !ok || again.states != m.states {
		return nil, m, v.Close()
	}
	m.sec = again.sec
	ns, err := v.Entry(store.Place{Namespace: godwit.SystemNamespace, Key: catalog.NamespaceKey(w.q.Namespace)})
	if err == nil && ns == nil {
		err = godwit.ErrNamespaceNotFound
	}
	if err != nil {
		return nil, m, errors.Join(err, v.Close())
	}
	return v, m, nil
}

// mark is where the ring ends now, and false if the store is mixed.
func (w *watcher) mark() (mark, bool) {
	h := w.h
	h.mu.Lock()
	defer h.mu.Unlock()
	return mark{w.topic.end(), h.states, h.second()}, !h.isMixed()
}

// stopped is err, or that no more is wanted, if that is why.
func (w *watcher) stopped(err error) error {
	if w.ctx.Err() != nil {
		return errStopped
	}
	return err
}

// read gathers a part of a round. joined tells that it was the last: the ring
// holds what comes behind it. Errors: errTooOld, errAhead, ErrNamespaceNotFound.
func (w *watcher) read() (joined bool, err error) {
	v, m, err := w.look()
	if v == nil {
		return false, err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	if err := w.checkPosition(v, m.sec); err != nil {
		return false, err
	}
	if w.live {
		err = w.readOwed(v, m.sec)
	} else if err = w.readExpired(v, m.sec); err == nil {
		err = w.readChanges(v, m.sec)
	}
	switch {
	case errors.Is(err, errEnough):
		return false, nil
	case err != nil || w.live:
		return false, err
	}
	return w.join(v, m), nil
}

// readOwed gathers what has expired of the entries up to the position of a watch that
// was resumed, and came at this node before what the ring tells it.
func (w *watcher) readOwed(v *store.View, now int64) error {
	err := w.readExpired(v, min(w.owed, now))
	if err == nil {
		w.owed = 0
	}
	return err
}

// checkPosition looks whether what came behind the position can be told from a
// state of the store, and from which second on expiries are.
func (w *watcher) checkPosition(v *store.View, now int64) error {
	switch {
	case w.at.rev > v.Revision() && w.h.cfg.Follower:
		return errAhead{w.at.rev}
	case w.at.rev > v.Revision(), w.at.rev < v.Purged(), lost(w.h.cfg.Store.Lineage(), w.at.rev):
		return errTooOld
	case !w.timed:
		sec := w.at.sec
		if sec == 0 {
			var err error
			if sec, err = writtenBy(w.ctx, v, w.h.cfg.Store.Lineage(), w.at.rev); err != nil {
				return err
			}
		}
		w.timed, w.expired = true, store.Expiry{At: w.h.since(min(sec, now))}
	}
	if w.expired.At <= now-int64(w.h.cfg.Store.Retention()/time.Second) {
		return errTooOld
	}
	return nil
}

// lost tells that the log does not hold r any more, or never has: it was put back
// to an earlier state, or is not the one that r is of.
func lost(l godwit.Lineage, r godwit.Revision) bool {
	i := len(l) - 1
	for i >= 0 && l[i].First > r {
		i--
	}
	return len(l) > 0 && (i < 0 || r > l.End(i))
}

// writtenBy is a second, not long before it if possible, by which revision r had
// not yet been written.
func writtenBy(ctx context.Context, v *store.View, lineage godwit.Lineage, r godwit.Revision) (sec int64, err error) {
	const (
		widest = 1 << 20 // revisions looked back
		enough = 1 << 12 // records looked at
	)
	for width := godwit.Revision(1); width <= widest; width *= 16 {
		rows := 0
		err := v.Changes(ctx, r-min(width, r), r, func(c *godwit.Record) error {
			if c.Op == godwit.OpPut {
				sec = max(sec, c.Modified/1000)
			}
			if rows++; sec > 0 && rows >= enough {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return 0, err
		}
		if sec > 0 {
			return sec, nil
		}
	}
	// Nothing of then stands any more; but an epoch's first revision is the time
	// in microseconds.
	e, _ := lineage.At(r)
	return int64(e.First / 1e6), nil
}

// readExpired gathers what has expired, up to a second, of the entries up to the
// position.
func (w *watcher) readExpired(v *store.View, upTo int64) error {
	err := v.Expirations(w.ctx, w.q.Namespace, w.q.Prefix, w.expired, upTo, func(e store.Expired) error {
		w.expired = store.Expiry{At: e.At, Key: e.Key}
		if e.Revision > w.at.rev {
			return nil // its turn comes
		}
		return w.gather(Event{
			Kind: Expired, ID: position{w.at.rev, e.At}.String(), Key: e.Key, Revision: e.Revision, Expiration: e.At,
		})
	})
	if err == nil {
		w.expired = store.Expiry{At: max(w.expired.At, upTo+1)}
		w.at.sec = max(w.at.sec, upTo)
	}
	return err
}

// readChanges gathers what stands of the changes behind the position.
func (w *watcher) readChanges(v *store.View, now int64) error {
	rows := 0
	err := v.Changes(w.ctx, w.at.rev, v.Revision(), func(r *godwit.Record) error {
		if w.cleared(r) {
			return errTooOld // the keys that are gone are not known
		}
		w.at.rev = r.Revision
		if r.Namespace == w.q.Namespace && strings.HasPrefix(r.Key, w.q.Prefix) {
			e := eventOf(r, now, w.q.Values)
			at := position{rev: r.Revision}
			if e.Kind == Expired {
				at.sec = min(e.Expiration, now)
			}
			e.ID = at.String()
			return w.gather(e)
		}
		if rows++; rows == roundRows {
			return errEnough
		}
		return nil
	})
	if err == nil {
		w.at.rev = v.Revision()
	}
	return err
}

// cleared tells whether a record has cleared keys that are watched.
func (w *watcher) cleared(r *godwit.Record) bool {
	if r.Namespace != godwit.SystemNamespace || r.Op != godwit.OpPut {
		return false
	}
	ns, prefix, ok := godwit.ClearedKeys(r.Key)
	return ok && ns == w.q.Namespace && (strings.HasPrefix(prefix, w.q.Prefix) || strings.HasPrefix(w.q.Prefix, prefix))
}

// gather keeps an event until the state of the store is let go of.
func (w *watcher) gather(e Event) error {
	w.part = append(w.part, e)
	if w.bytes += (&change{Event: e}).bytes(); w.bytes >= burst {
		return errEnough
	}
	return nil
}

// join goes over to the ring, if that holds all that came behind a state.
func (w *watcher) join(v *store.View, m mark) bool {
	h := w.h
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.states != m.states || m.seq < w.topic.first || w.q.Values && m.seq < w.topic.valued {
		return false
	}
	w.live, w.seq, w.upTo = true, m.seq, position{v.Revision(), m.sec}
	h.time = max(h.time, v.Time())
	return true
}

// restart begins at what the store holds now, and tells where that is.
func (w *watcher) restart() error {
	v, m, err := w.look()
	if v == nil {
		return err // or it is mixed just now
	}
	w.at = position{v.Revision(), m.sec}
	id := w.at.id(v.Time())
	w.startRounds()
	w.live = w.join(v, m)
	if err := v.Close(); err != nil {
		return err
	}
	kind := w.anew
	w.anew, w.ready = "", false
	return w.send(Event{Kind: kind, ID: id, Revision: w.at.rev})
}

// awaitPosition waits for a while until the store reaches the position: another
// node was ahead of this one.
func (w *watcher) awaitPosition(wait errAhead) error {
	if w.waited.IsZero() {
		w.waited = time.Now()
	}
	left := aheadWait - time.Since(w.waited)
	if left <= 0 {
		w.anew = Reset
		return nil
	}
	ctx, cancel := context.WithTimeout(w.ctx, left)
	defer cancel()
	err := w.h.cfg.Store.WaitRevision(ctx, wait.rev)
	if err == nil || ctx.Err() != nil && w.ctx.Err() == nil {
		return nil
	}
	return w.stopped(err)
}

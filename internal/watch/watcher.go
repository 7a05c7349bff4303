package watch

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/godwitkv/godwit"
)

// watcher is one watch on its way. It is for one goroutine.
type watcher struct {
	h     *Hub
	ctx   context.Context
	q     Request
	yield func(Event, error) bool
	topic *topic

	at   position  // all up to here has been told
	last time.Time // when something was yielded last
	told time.Time // when an ID was

	// live: the next change is number seq of the topic, but for those that rounds
	// up to a position have told. Otherwise rounds tell of what comes behind at.
	live bool
	seq  uint64
	upTo position

	waiter  *waiter // nil: it does not wait
	forgets int     // the topic's, when it began to

	ready bool   // a Ready is due
	anew  Kind   // Ready or Reset: to begin at what the store holds now; "": not
	life  uint64 // the hub's, when the watch began
	rounds
}

// open makes a watcher and has its namespace's changes kept from now on.
func (h *Hub) open(ctx context.Context, q Request, yield func(Event, error) bool) (*watcher, error) {
	if err := godwit.ValidatePrefix(q.Prefix); err != nil {
		return nil, err
	}
	if q.Namespace == godwit.SystemNamespace {
		return nil, godwit.ErrNamespaceNotFound
	}
	now := time.Now()
	w := &watcher{h: h, ctx: ctx, q: q, yield: yield, last: now, told: now}
	if q.After == "" {
		w.anew = Ready
	} else {
		var err error
		if w.at, err = parseID(q.After); err != nil {
			return nil, err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	w.topic, w.life = h.topic(q.Namespace), h.life
	w.topic.watchers++
	if q.Values {
		w.topic.keepValues()
	}
	if w.anew == "" && w.at.rev <= h.rev && !h.isMixed() && !lost(h.cfg.Store.Lineage(), w.at.rev) {
		w.seq, w.owed, w.live = w.topic.find(w.at, q.Values)
		w.ready = w.live
	}
	h.metrics.watches.Inc()
	return w, nil
}

func (w *watcher) close() {
	w.h.mu.Lock()
	defer w.h.mu.Unlock()
	w.caughtUp()
	w.topic.watchers--
	w.topic.left = time.Now()
	w.h.metrics.watches.Dec()
}

// run tells what there is to tell, until there is an error.
func (w *watcher) run() error {
	for {
		n := w.next()
		var err error
		switch {
		case n.err != nil:
			return n.err
		case n.anew:
			err = w.restart()
		case n.behind:
			err = w.round()
		case len(n.changes) > 0:
			err = w.tell(n.changes)
		case w.ready:
			err = w.tellReady()
		default:
			err = w.wait(n.grown)
		}
		if err != nil {
			return err
		}
	}
}

// step is what a watch does next.
type step struct {
	changes []*change
	grown   <-chan struct{} // nothing to tell: closed when there is
	behind  bool            // the ring does not go back far enough, or not for expiries
	anew    bool            // to begin at what the store holds now
	err     error
}

func (w *watcher) next() step {
	h, t := w.h, w.topic
	if w.ctx.Err() != nil {
		return step{err: errStopped}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	w.caughtUp()
	select {
	case <-h.closed:
		return step{err: errClosed()}
	default:
	}
	switch {
	case h.isMixed():
		return step{grown: w.await()}
	case w.life != h.life:
		w.life = h.life
		if w.anew == "" {
			w.anew = Reset
		}
		return step{anew: true}
	case w.anew != "":
		return step{anew: true}
	case w.live && (w.seq < t.first || w.q.Values && w.seq < t.valued):
		w.live = false
		w.startRounds()
	}
	switch {
	case !w.live || w.owed > 0:
		return step{behind: true}
	case w.seq < t.end():
		return step{changes: t.take(w.seq)}
	case t.gone:
		return step{err: godwit.ErrNamespaceNotFound}
	}
	w.toldAll()
	return step{grown: w.await()}
}

// toldAll notes that all there is has been told. The caller holds the hub's lock.
func (w *watcher) toldAll() {
	w.at = position{max(w.at.rev, w.h.rev), max(w.at.sec, w.h.cfg.Now().Unix())}
}

// await returns what is closed when there may be something to tell. The caller holds
// the hub's lock.
func (w *watcher) await() <-chan struct{} {
	w.waiter, w.forgets = w.topic.waiting.add(w.q.Prefix), w.topic.forgets
	return w.waiter.grown
}

// caughtUp ends waiting: what came meanwhile, and woke nobody who watches what it
// does, is as good as told. The caller holds the hub's lock.
func (w *watcher) caughtUp() {
	if w.waiter == nil {
		return
	}
	seq := w.waiter.seq
	if !w.waiter.woken {
		w.topic.waiting.remove(w.waiter)
		seq = w.topic.end()
	}
	if w.forgets != w.topic.forgets {
		seq = 0 // it has fallen out of the ring
	}
	if w.waiter = nil; w.live {
		w.seq = seq
	}
}

func errClosed() error {
	return godwit.Errorf(godwit.CodeUnavailable, "The node is stopping: watch on at another, or later.")
}

// tell tells those of changes from the ring that are asked for.
func (w *watcher) tell(changes []*change) error {
	last := changes[len(changes)-1].at.rev
	w.seq += uint64(len(changes))
	wanted := slices.DeleteFunc(changes, func(c *change) bool { return !w.wants(c) })
	for i, c := range wanted {
		e := c.Event
		e.More = i+1 < len(wanted)
		if !w.q.Values {
			e.Value = nil
		}
		if c.at.rev < w.at.rev { // rounds were ahead of the hub
			e.ID = position{w.at.rev, c.at.sec}.String()
		}
		w.at.rev = max(w.at.rev, c.at.rev)
		if err := w.send(e); err != nil {
			return err
		}
	}
	w.at.rev = max(w.at.rev, last)
	return nil
}

// wants tells whether a change is asked for and not yet told. What expired before
// the last commit that rounds have told of, they have told, and maybe of a put
// since; what expired after it, they may not have.
//
// The store shows a commit before the hub is told of it: a key may expire between the
// two, at the hub's revision, which is before the commit's. Rounds do not know of it if
// its second comes after theirs. The sweeper then came to it after their state of the
// store, and to the entry that stood: they cannot have told of a put since.
func (w *watcher) wants(c *change) bool {
	before := c.at.rev < w.upTo.rev || c.at.rev == w.upTo.rev && c.Kind != Expired
	since := c.swept && c.at.sec > w.upTo.sec
	return (since || !before) && strings.HasPrefix(c.Key, w.q.Prefix)
}

// send yields an event.
func (w *watcher) send(e Event) error {
	if !w.yield(e, nil) {
		return errStopped
	}
	w.h.metrics.events[e.Kind].Inc()
	w.last = time.Now()
	if e.Kind != Heartbeat {
		w.told = w.last
	}
	return nil
}

// tellReady tells that all up to here has been told. A log that has been silent
// for long says little of the time by its revision: the second goes with it.
func (w *watcher) tellReady() error {
	w.ready = false
	w.h.mu.Lock()
	logTime := w.h.time
	w.h.mu.Unlock()
	return w.send(Event{Kind: Ready, ID: w.at.id(logTime), Revision: w.at.rev})
}

// id is the position's ID, with the second only if the log was not written to
// within a minute of it. logTime is unix milliseconds.
func (p position) id(logTime int64) string {
	if p.sec-logTime/1000 <= int64(time.Minute/time.Second) {
		p.sec = 0
	}
	return p.String()
}

// wait waits until there may be something to tell, and tells that there is not
// when it takes long.
func (w *watcher) wait(grown <-chan struct{}) error {
	timer := time.NewTimer(max(heartbeatEvery-time.Since(w.last), 0))
	defer timer.Stop()
	select {
	case <-grown:
		return nil
	case <-w.ctx.Done():
		return errStopped
	case <-w.h.closed:
		return errClosed()
	case <-timer.C:
	}
	if w.live && time.Since(w.told) >= idleReady && w.stillWaits() {
		return w.send(Event{Kind: Ready, ID: w.at.String(), Revision: w.at.rev})
	}
	return w.beat()
}

// stillWaits tells whether nothing has come that is to be told, and notes that all
// there is has been.
func (w *watcher) stillWaits() bool {
	w.h.mu.Lock()
	defer w.h.mu.Unlock()
	if w.waiter.woken || w.forgets != w.topic.forgets || w.h.isMixed() {
		return false
	}
	w.toldAll()
	return true
}

func (w *watcher) beat() error { return w.send(Event{Kind: Heartbeat}) }

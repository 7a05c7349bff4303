package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
)

// Log keys.
const (
	logError     = "error"
	logNamespace = "namespace"
	logNext      = "next"
	logOffset    = "offset"
	logReason    = "reason"
	logRevision  = "revision"
	logUpstream  = "upstream"
)

// Status is how the edge stands to its upstream.
type Status struct {
	Upstream  string        // URL followed now, or last
	Connected bool          // its feed is open and its heartbeats come
	Exact     bool          // the store has been an exact prefix since the start
	Staleness time.Duration // for how long the copy may have missed a write; below 0: unknown
	Lag       int64         // revisions behind the upstream, as last heard
	Progress  string        // of a reconcile, "" outside of one
	Missing   int           // values still to be fetched
	NoRoom    bool          // the last of those found no room on the disk
	DiskFull  bool          // it does not follow as the disk had no room for what comes
	Problem   string        // why it does not follow, "" if it does
	Refused   error         // that an upstream does not take the token; nil since one is followed
}

// Status returns how the edge stands.
func (e *Edge) Status() Status {
	s := e.status.get()
	s.Exact = e.follow.exact()
	s.Staleness = -1
	if d, ok := e.follow.staleness(); ok {
		s.Staleness = d
	}
	s.Missing, s.NoRoom = e.values.missing(), e.values.noRoom.Load()
	return s
}

// repeatEvery is how often a problem that goes on is logged again.
const repeatEvery = time.Minute

// board is what the loops of an edge write down for whoever asks how it is.
type board struct {
	log *slog.Logger

	mu   sync.Mutex
	now  Status
	told map[string]time.Time // when what was logged
}

func newBoard(log *slog.Logger) *board { return &board{log: log, told: make(map[string]time.Time)} }

func (b *board) get() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

// connected notes that an upstream's feed is open, and tells whether it is
// another than the one before.
func (b *board) connected(url string) (moved bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	moved = b.now.Upstream != "" && b.now.Upstream != url
	b.now.Upstream, b.now.Connected, b.now.Refused = url, true, nil
	return moved
}

// following notes that all is well, and tells whether that is to be logged: once a
// minute, as long as no problem with the upstream was logged meanwhile.
func (b *board) following(url string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now.Problem, b.now.DiskFull = "", false
	return b.tell(url)
}

// steady notes that a stream was in order for a while: problems from now on are new
// ones.
func (b *board) steady() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.told)
}

// tell tells whether to log what is to be logged once a minute. It needs the lock.
func (b *board) tell(what string) bool {
	if last, ok := b.told[what]; ok && time.Since(last) < repeatEvery {
		return false
	}
	b.told[what] = time.Now()
	return true
}

func (b *board) lag(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now.Lag = n
}

// interrupted notes that nothing is followed for a moment, as is in order.
func (b *board) interrupted() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now.Connected = false
}

// lost notes why an upstream is not followed. It logs that once a minute, as
// long as it stays the same. That this node stops, or is held, is no reason.
func (b *board) lost(url string, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, errHeld) {
		b.interrupted()
		return
	}
	b.mu.Lock()
	b.now.Connected = false
	b.now.Problem = url + ": " + err.Error()
	b.now.DiskFull = errors.Is(err, errDiskFull)
	if unwelcome(err) {
		b.now.Refused = err
	}
	again := b.tell(url + " " + kindOf(err))
	if again {
		delete(b.told, url) // that it is followed again is news
	}
	b.mu.Unlock()
	if again {
		b.log.Warn("not following upstream", logUpstream, url, logError, err.Error())
	}
}

func (b *board) progress(reason string, p feed.Progress) {
	text := fmt.Sprintf("%s: %d keys compared, %d taken, %d dropped, %d MiB received, at namespace %s",
		reason, p.Keys, p.Taken, p.Dropped, p.Bytes>>20, p.Place.Namespace)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now.Progress = text
}

// walked notes that no reconcile is under way.
func (b *board) walked() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now.Progress = ""
}

// Ready tells whether reads can be served: a first copy was completed, by this
// process or by one before it.
func (e *Edge) Ready() bool { return e.copied.Load() }

// Exact tells whether the store is an exact prefix of the log, as an upstream has
// said since the start: nobody may follow this node before.
func (e *Edge) Exact() bool { return e.follow.exact() }

// Carries is what of the upstream's data the edge holds.
func (e *Edge) Carries() feed.Filter {
	if f := e.follow.carried.Load(); f != nil {
		return *f
	}
	return feed.Filter{Namespaces: []godwit.NamespaceID{}, MaxValue: e.cfg.MaxValue}
}

// HoldsNamespace tells whether the copy holds a namespace. Before a first copy is
// complete it holds none.
func (e *Edge) HoldsNamespace(ns godwit.NamespaceID) bool { return e.follow.carries(ns) }

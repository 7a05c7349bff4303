package edge

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// never is follower.heard before an upstream was heard.
const never = math.MinInt64

// follower keeps how the copy stands to its upstream. Reads ask it on their way:
// what they need takes no lock and allocates nothing. The loop in follow.go
// keeps it up to date.
type follower struct {
	store   *store.Store
	start   time.Time     // the origin of heard
	isExact atomic.Bool   // an exact prefix of the log, as an upstream of this process has said
	mixes   atomic.Uint64 // how often that ended: a read during which it grew may be of no one state
	heard   atomic.Int64  // nanoseconds since start: all written before then is here; or never
	applied signal        // told of every commit that moved the position

	linking sync.Mutex                  // held to change link
	link    atomic.Pointer[link]        // nil: no upstream is known to answer
	linked  signal                      // told when an upstream answers again
	carried atomic.Pointer[feed.Filter] // what the copy holds; nil: there is none yet
	catalog *catalog.Catalog            // nil: there is none
	suspect chan struct{}               // told that a request found nobody, for the probe
}

// link is an upstream that answers.
type link struct {
	client *feed.Client
	ctx    context.Context // ends once it is known to answer no more
	end    context.CancelCauseFunc
}

func newFollower(s *store.Store, c *catalog.Catalog) *follower {
	f := &follower{store: s, start: time.Now(), catalog: c, suspect: make(chan struct{}, 1)}
	f.heard.Store(never)
	return f
}

// exact tells whether the copy is a prefix of the log, and an upstream has said
// so since the start.
func (f *follower) exact() bool { return f.isExact.Load() }

// mix notes that the copy is about to be no prefix of the log, before that is so.
// In this order: who saw mixes, and then that the copy is exact, sees mixes grow
// before anything of it changes.
func (f *follower) mix() {
	f.isExact.Store(false)
	f.mixes.Add(1)
}

// age is staleness while the copy is exact, and false while it is not.
func (f *follower) age() (time.Duration, bool) {
	d, ok := f.staleness()
	return d, ok && f.isExact.Load()
}

// staleness is for how long the copy may have missed a write, and false if that
// is not known.
func (f *follower) staleness() (time.Duration, bool) {
	heard := f.heard.Load()
	if heard == never {
		return 0, false
	}
	return time.Since(f.start) - time.Duration(heard), true
}

// hear notes that all that was written before at is here.
func (f *follower) hear(at time.Time) {
	next := int64(at.Sub(f.start))
	for {
		old := f.heard.Load()
		if old >= next || f.heard.CompareAndSwap(old, next) {
			return
		}
	}
}

// upstream is the client of an upstream that answers, nil if there is none:
// whoever wants something of it is told so at once.
func (f *follower) upstream() *feed.Client {
	if l := f.link.Load(); l != nil {
		return l.client
	}
	return nil
}

// bind returns a context that ends with ctx, and once c is known to answer no
// more: requests to it need not be waited for.
func (f *follower) bind(ctx context.Context, c *feed.Client) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	l := f.link.Load()
	if l == nil || l.client != c {
		cancel(nil)
		return ctx, func() {}
	}
	stop := context.AfterFunc(l.ctx, func() { cancel(context.Cause(l.ctx)) })
	return ctx, func() { stop(); cancel(nil) }
}

// forget makes as if no upstream had been heard: the store is to become another.
func (f *follower) forget() { f.heard.Store(never) }

// lost is told that a request to c failed. If no connection could be made, c is
// away until the probe reaches it again; any other failure is left to the
// heartbeats.
func (f *follower) lost(c *feed.Client, err error) {
	if !isDial(err) {
		return
	}
	f.setUpstream(c, nil)
	select {
	case f.suspect <- struct{}{}:
	default: // the probe knows already
	}
}

// setUpstream makes to the upstream, nil for none. With from it does so only
// while that is the upstream.
func (f *follower) setUpstream(from, to *feed.Client) { f.exchange(from, to, nil) }

// giveUp makes from no upstream any more, if it is the upstream. Requests to it
// end for the reason why.
func (f *follower) giveUp(from *feed.Client, why error) { f.exchange(from, nil, why) }

func (f *follower) exchange(from, to *feed.Client, why error) {
	f.linking.Lock()
	defer f.linking.Unlock()
	old := f.upstream()
	if old == to || from != nil && old != from {
		return
	}
	var next *link
	if to != nil {
		next = &link{client: to}
		next.ctx, next.end = context.WithCancelCause(context.Background())
	}
	if was := f.link.Swap(next); was != nil {
		was.end(why)
	}
	f.linked.tell()
}

// carries tells whether the copy holds namespace ns.
func (f *follower) carries(ns godwit.NamespaceID) bool {
	c := f.carried.Load()
	if c == nil || !c.Carries(ns) {
		return false
	}
	return f.catalog == nil || ns == godwit.SystemNamespace || c.Admits(f.catalog.Jurisdiction(ns))
}

// carry notes what the copy holds; nil: nothing yet.
func (f *follower) carry(filter *feed.Filter) { f.carried.Store(filter) }

// waitRevision returns once the copy is exact and holds r. Error: the context's.
func (f *follower) waitRevision(ctx context.Context, r godwit.Revision) error {
	return f.applied.wait(ctx, func() bool { return f.isExact.Load() && f.store.Revision() >= r })
}

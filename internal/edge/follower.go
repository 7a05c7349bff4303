package edge

import (
	"context"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/godwitkv/godwit"
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
	start   time.Time    // the origin of heard
	isExact atomic.Bool  // an exact prefix of the log, as an upstream of this process has said
	heard   atomic.Int64 // nanoseconds since start: all written before then is here; or never
	applied signal       // told of every commit that moved the position

	link    atomic.Pointer[link] // nil: no upstream is known to answer
	carried atomic.Pointer[carried]
	owner   atomic.Pointer[string] // the account's id
	suspect chan *feed.Client      // clients whose requests failed, for the probe
}

// link is an upstream that answers.
type link struct {
	client *feed.Client
	gone   chan struct{} // closed once it is known to answer no more
}

// carried is what of the upstream's data the copy holds.
type carried struct {
	filter feed.Filter
}

func newFollower(s *store.Store) *follower {
	f := &follower{store: s, start: time.Now(), suspect: make(chan *feed.Client, 1)}
	f.heard.Store(never)
	f.owner.Store(new(string))
	return f
}

// fresh tells whether the copy has missed nothing for longer than most.
func (f *follower) fresh(most time.Duration) bool {
	heard := f.heard.Load()
	return heard != never && f.isExact.Load() && time.Since(f.start)-time.Duration(heard) <= most
}

// exact tells whether the copy is a prefix of the log, and an upstream has said
// so since the start.
func (f *follower) exact() bool { return f.isExact.Load() }

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

// gone is closed once c is known to answer no more: requests to it need not be
// waited for.
func (f *follower) gone(c *feed.Client) <-chan struct{} {
	if l := f.link.Load(); l != nil && l.client == c {
		return l.gone
	}
	return closed
}

var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// lost is told that a request to c failed. If no connection could be made, c is
// away until the probe reaches it again; any other failure is left to the
// heartbeats.
func (f *follower) lost(c *feed.Client, err error) {
	if !isDial(err) {
		return
	}
	f.setUpstream(c, nil)
	select {
	case f.suspect <- c:
	default: // the probe knows already
	}
}

// setUpstream makes to the upstream, nil for none. With from it does so only
// while that is the upstream.
func (f *follower) setUpstream(from, to *feed.Client) {
	for {
		old := f.link.Load()
		switch {
		case from != nil && (old == nil || old.client != from):
			return
		case old == nil && to == nil, old != nil && old.client == to:
			return
		}
		var next *link
		if to != nil {
			next = &link{client: to, gone: make(chan struct{})}
		}
		if f.link.CompareAndSwap(old, next) {
			if old != nil {
				close(old.gone)
			}
			return
		}
	}
}

// carries tells whether the copy holds namespace ns.
func (f *follower) carries(ns godwit.NamespaceID) bool {
	c := f.carried.Load()
	if c == nil {
		return false
	}
	if c.filter.Namespaces == nil || ns == godwit.SystemNamespace {
		return true
	}
	_, ok := slices.BinarySearchFunc(c.filter.Namespaces, ns, compareNamespaces)
	return ok
}

// waitRevision returns once the copy is exact and holds r. Error: the context's.
func (f *follower) waitRevision(ctx context.Context, r godwit.Revision) error {
	return f.applied.wait(ctx, func() bool { return f.isExact.Load() && f.store.Revision() >= r })
}

// account is the account's id, "" before an upstream has said.
func (f *follower) account() string { return *f.owner.Load() }

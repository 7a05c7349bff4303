package feed

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

const (
	beatEvery   = time.Second
	gatherBytes = 256 << 10 // of batches between two looks around
)

// follower is one stream that goes on for as long as someone follows. One
// goroutine reads the ring at the follower's own pace; what the follower has not
// taken in waits in the ring, or else comes in rounds.
type follower struct {
	*outgoing
	pace  pace
	walks bool // it is being copied to, and does not follow yet: only what it reports counts
	start godwit.Position
	url   string          // where others reach it; "": nowhere, or it does not say
	at    godwit.Revision // all up to there was sent
	ready bool            // a Ready was sent

	beat    time.Time // the last heartbeat
	echoed  uint64    // the ping in it
	ping    atomic.Uint64
	pinged  chan struct{}        // holds one when a ping came
	sent    atomic.Uint64        // at, for the tree
	told    atomic.Pointer[Node] // the last report; nil: none was kept
	size    int                  // of told; needs s.mu held
	batches []*batch             // scratch
}

// serveFeed is GET of the feed itself.
func (s *Server) serveFeed(w http.ResponseWriter, r *http.Request, p *catalog.Principal) error {
	q, err := s.newAsk(r, p)
	if err != nil {
		return err
	}
	f := &follower{pace: pace{all: &s.paces}, url: clipText(q.query.Get("url")), pinged: make(chan struct{}, 1)}
	if f.start, err = parsePosition(q.query.Get("after")); err != nil {
		return err
	}
	s.stream(w, r, q, f, func(ctx context.Context, _ *outgoing) error { return f.run(ctx) })
	return nil
}

// run sends what is new until ctx ends. The error, never nil, says why it ended.
func (f *follower) run(ctx context.Context) error {
	f.s.ring.attach()
	defer f.s.ring.detach()
	if end := f.s.judge(f.start); end != nil {
		return end
	}
	f.moved(f.start.Revision)
	timer := time.NewTimer(beatEvery)
	defer timer.Stop()
	for {
		grown, err := f.step(ctx)
		if err != nil {
			return err
		}
		if grown == nil {
			continue
		}
		timer.Reset(time.Until(f.beat.Add(beatEvery)))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-grown:
		case <-f.pinged:
		case <-timer.C:
		}
	}
}

// judge tells whether a follower can go on from a position, or why not. What this
// node has not heard of yet the log has lost only if nobody else has the log too.
func (s *Server) judge(p godwit.Position) *End {
	own, lineage := s.ring.position(), s.cfg.Store.Lineage()
	first := s.cfg.Owner && !s.cfg.Shared // to hold what there is
	i := slices.IndexFunc(lineage, func(e godwit.Epoch) bool { return e.ID == p.Epoch })
	switch {
	case p == godwit.Position{}:
		return &End{EndTooOld, "there is no position to go on from"}
	case i < 0 && p.Revision > own && !first:
		return &End{EndAhead, "the follower is ahead of this node"}
	case i < 0 || p.Revision < lineage[i].First:
		return &End{EndTooOld, "the position is of no epoch that is known here"}
	case p.Revision > lineage.End(i):
		return &End{EndDiverged, "the follower has what the log has lost: it was taken back"}
	case p.Revision > own && first:
		return &End{EndDiverged, "the follower has what the log has not: the log was taken back"}
	case p.Revision > own:
		return &End{EndAhead, "the follower is ahead of this node"}
	case p.Revision < s.cfg.Store.Purged():
		return &End{EndTooOld, "deletions since the position are forgotten"}
	}
	return nil
}

// step sends what is there, and returns a channel to wait for if that was all.
func (f *follower) step(ctx context.Context) (grown <-chan struct{}, err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	// Before looking for what is new: what a heartbeat says must hold of what was
	// sent before it.
	ping, age := f.ping.Load(), f.s.age()
	n := f.s.ring.after(f.at, f.batches, gatherBytes)
	f.batches = n.batches
	if n.ok {
		err = f.sendBatches()
	}
	switch {
	case !n.ok, errors.Is(err, errFrameTooLarge):
		return nil, f.round(ctx)
	case err != nil:
		return nil, err
	case f.at < n.tail:
		return nil, f.beatIfDue(0, age)
	}
	if !f.ready {
		err = f.sendReady(&Ready{Revision: f.at, Time: n.time, Purged: f.s.cfg.Store.Purged()})
	}
	if err == nil {
		err = f.beatIfDue(ping, age)
	}
	if err == nil {
		err = f.flush()
	}
	return n.grown, err
}

// sendBatches sends the batches gathered. What they are is not kept: memory is
// the ring's.
func (f *follower) sendBatches() error {
	defer func() { clear(f.batches) }()
	for _, b := range f.batches {
		if err := f.renew(); err != nil {
			return err
		}
		frame, err := f.s.ring.frame(b, f.filter)
		if err != nil {
			return err
		}
		if err := f.write(frame); err != nil {
			return err
		}
		f.moved(b.revision)
	}
	return nil
}

func (f *follower) moved(to godwit.Revision) {
	f.at = to
	f.sent.Store(uint64(to))
}

func (f *follower) sendReady(r *Ready) error {
	f.ready = true
	return f.send(r)
}

// beatIfDue sends a heartbeat if it is time for one, or a ping is to be echoed. A
// ping of 0 is none: there is more to send.
func (f *follower) beatIfDue(ping uint64, age time.Duration) error {
	if (ping == 0 || ping == f.echoed) && time.Since(f.beat) < beatEvery {
		return nil
	}
	f.beat = time.Now()
	if ping != 0 {
		f.echoed = ping
	}
	return f.send(&Heartbeat{Revision: f.at, Age: age, Ping: ping, Clock: f.s.clock()})
}

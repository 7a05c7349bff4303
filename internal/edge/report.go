package edge

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/planted"
)

const (
	reportEvery   = time.Second
	reportTimeout = 2 * time.Second
)

// reporter tells the upstream every second how this node is. The heartbeat that
// answers is what staleness is counted from, and that the upstream is there at
// all is what brings it back after a request that found nobody. It has a goroutine
// of its own: an upstream that is slow to answer holds nothing up.
type reporter struct {
	*Edge
	now  chan struct{}
	ping atomic.Uint64
}

func newReporter(e *Edge) *reporter { return &reporter{Edge: e, now: make(chan struct{}, 1)} }

// soon asks for a report at once.
func (r *reporter) soon() {
	select {
	case r.now <- struct{}{}:
	default:
	}
}

func (r *reporter) run(ctx context.Context) error {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-r.now:
		case <-r.follow.suspect:
		}
		if s := r.session.Load(); s != nil {
			r.report(ctx, s)
		}
	}
}

func (r *reporter) report(ctx context.Context, s *session) {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	rep := feed.Report{Session: s.id, Ping: r.ping.Add(1), Follower: r.self()}
	if r.cfg.Followers != nil {
		rep.Followers = r.cfg.Followers()
	}
	s.pings.add(rep.Ping, time.Now())
	if err := s.client.Report(ctx, rep); err != nil {
		if isDial(err) { // and the next second tells: what is lost must not ask for the probe that has just failed
			r.follow.setUpstream(s.client, nil)
		}
		return
	}
	s.revive(r.follow)
}

// self is this node's account of itself.
func (e *Edge) self() (n feed.NodeInfo) {
	if e.cfg.Self != nil {
		n = e.cfg.Self()
	}
	s := e.Status()
	n.Revision = e.store.Revision().String()
	n.Ready = e.Ready()
	n.Lag = s.Lag
	n.StalenessMS = -1
	if s.Staleness >= 0 {
		n.StalenessMS = s.Staleness.Milliseconds()
	}
	n.Progress = s.Progress
	return n
}

// url is where others reach this node, "" if they do not.
func (e *Edge) url() string {
	if e.cfg.Self == nil {
		return ""
	}
	return e.cfg.Self().URL
}

// pings remembers when the last reports were sent.
type pings struct {
	mu   sync.Mutex
	sent [32]struct {
		ping uint64
		at   time.Time
	}
}

func (p *pings) add(ping uint64, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	slot := &p.sent[ping%uint64(len(p.sent))]
	slot.ping, slot.at = ping, at
}

// at is when a report was sent on this stream, and false if it was not, or long
// ago.
func (p *pings) at(ping uint64) (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	slot := &p.sent[ping%uint64(len(p.sent))]
	return slot.at, ping != 0 && slot.ping == ping
}

// heartbeat takes what an upstream says of its own freshness. What it says holds
// for all that it had when the ping came, which is in the store by now, unless the
// store is mixed. Two clocks are never compared: an age is a duration, and what
// passed since the ping is measured here.
func (l *loop) heartbeat(s *session, h *feed.Heartbeat) error {
	if l.full {
		l.inOrder(s)
	}
	l.lag(s, h.Revision)
	if planted.TrustRelay {
		h.Age = 0
	}
	if sent, ok := s.pings.at(h.Ping); ok {
		if h.Age < neverHeard && h.Revision <= l.apply.position && l.follow.exact() {
			l.follow.hear(sent.Add(-h.Age))
		}
		if err := l.correct(h.Clock, time.Since(sent)); err != nil {
			return err
		}
	}
	if len(l.clients) > 1 && l.patience.over(h.Age, time.Now()) {
		return errStale
	}
	return nil
}

// lag notes how far the store is behind what the upstream was heard to hold.
func (l *loop) lag(s *session, upstream godwit.Revision) {
	s.head = max(s.head, upstream)
	l.status.lag(max(0, int64(s.head)-int64(l.apply.position)))
}

// neverHeard is the age of a copy that has not heard of an upstream, so long that
// whoever follows it knows as little.
const neverHeard = 10 * 365 * 24 * time.Hour

// Age is for how long the copy may have missed a write, and very long while that
// is not known: what this node's heartbeats tell those behind it.
func (e *Edge) Age() time.Duration {
	d, ok := e.follow.staleness()
	if !ok || !e.follow.exact() {
		return neverHeard
	}
	return min(d, neverHeard)
}

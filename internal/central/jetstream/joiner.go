package jetstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit/internal/edge"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// FollowSecret is under which the registry keeps the token by which members follow
// each other.
const FollowSecret = "follow"

// JoinerConfig is what a Joiner needs. Store, Clock and Registry are required.
type JoinerConfig struct {
	Store    *store.Store // the member's
	Clock    *edge.Clock  // the store's: a peer's time is taken for as long as a join lasts
	Registry Registry

	Jurisdictions []string // that the member was started with

	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	TLS  *tls.Config
	Self func() feed.NodeInfo // for the tree

	// Mixed and Exact are those of edge.Config: a store that becomes a copy is no
	// prefix of the log for a while.
	Mixed func()
	Exact func(reset bool)

	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

// Joiner makes a member's store a copy of a peer's. Its methods may be called from
// many goroutines, Join from one at a time.
type Joiner struct {
	cfg JoinerConfig
	log *slog.Logger

	mu    sync.Mutex
	turn  int        // how many joins were begun
	edge  *edge.Edge // of the one under way; nil: none is
	stage string     // of it, behind its entries
}

// NewJoiner returns a joiner, which does nothing until Join.
func NewJoiner(cfg JoinerConfig) *Joiner {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Joiner{cfg: cfg, log: cfg.Logger}
}

// Join implements Config.Join. The entries come as those of an edge do. Then, with
// the copy held at the end of one message, the peer is asked for what no feed tells.
//
// What comes beside the entries goes in place of what was there in several
// transactions, however much it is, and the place with the last one of them.
func (j *Joiner) Join(ctx context.Context, peers []MemberInfo) (Place, error) {
	token, err := j.cfg.Registry.Secret(ctx, FollowSecret)
	if err != nil {
		return Place{}, fmt.Errorf("look for the token to follow peers with: %w", err)
	}
	if token == "" {
		return Place{}, errors.New("the cluster has no token yet to follow peers with")
	}
	defer j.cfg.Clock.Correct(j.cfg.Clock.Offset())
	e, err := j.open(ctx, token, peers)
	if err != nil {
		return Place{}, err
	}
	defer j.done()
	ctx, release := whileWell(ctx, e)
	defer release()
	h, err := j.meet(ctx, e)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err = errors.Join(err, e.Close()); err != nil {
		h.close()
		return Place{}, err
	}
	defer h.close()
	j.at("taking over what the peer remembers of requests")
	return h.takeOver(j.cfg.Store)
}

// whileWell returns a context that ends, with why, once an edge has failed.
func whileWell(ctx context.Context, e *edge.Edge) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case err := <-e.Failed():
			cancel(err)
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel(nil)
		watching.Wait()
	}
}

// open starts to follow a peer: another one with each join, since whatever ended
// the one before may be the peer's.
func (j *Joiner) open(ctx context.Context, token string, peers []MemberInfo) (*edge.Edge, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	at := j.turn % len(peers)
	j.turn++
	var urls []string
	for _, p := range slices.Concat(peers[at:], peers[:at]) {
		urls = append(urls, p.URL)
	}
	e, err := edge.Open(ctx, edge.Config{
		Store: j.cfg.Store, Clock: j.cfg.Clock, Upstreams: urls, Token: token, Jurisdictions: j.cfg.Jurisdictions, Dial: j.cfg.Dial, TLS: j.cfg.TLS,
		Self: j.cfg.Self, Mixed: j.cfg.Mixed, Exact: j.cfg.Exact, Logger: j.log, Metrics: j.cfg.Metrics,
	})
	if err != nil {
		return nil, fmt.Errorf("follow a peer: %w", err)
	}
	j.edge, j.stage = e, ""
	return e, nil
}

func (j *Joiner) done() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.edge = nil
}

func (j *Joiner) at(stage string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stage = stage
}

// Progress is how far a join is, "" while there is none.
func (j *Joiner) Progress() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.edge == nil {
		return ""
	}
	st := j.edge.Status()
	switch {
	case st.Progress != "":
		return st.Progress
	case st.Problem != "":
		return "looking for a peer to become a copy of: " + st.Problem
	case j.stage != "":
		return j.stage
	case st.Missing > 0:
		return fmt.Sprintf("%d values still to be fetched", st.Missing)
	}
	return fmt.Sprintf("%d revisions behind %s", st.Lag, st.Upstream)
}

// Package backup takes a node's data out while it runs, puts it back as a new
// centre's, and makes a centre's of any whole copy.
//
// A backup is a store that follows the node as an edge does, until it is a whole
// state of the log, and is then closed: it goes on from there the next time. It must
// not import a node.
package backup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/edge"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// Config is what a backup needs. Dir, URL and Token are required.
type Config struct {
	Dir   string
	URL   string // of the node's API port
	Token string // it may replicate everything
	// Keys are what the backup is encrypted with, whatever the node is. Default: it is
	// not.
	Keys *store.Keys
	// Patience is for how long the node may be away in the middle. Default: a
	// minute.
	Patience time.Duration
	Logger   *slog.Logger     // default: none
	Progress func(Progress)   // told several times a second; default: nobody
	Now      func() time.Time // default: time.Now

	// reserve is what is left free of the directory's disk. Default: the store's.
	reserve int64

	// whole is shown the backup, still open, once it is whole.
	whole func(*store.Store, *edge.Clock) error
}

func (c *Config) setDefaults() {
	if c.Patience <= 0 {
		c.Patience = time.Minute
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Progress == nil {
		c.Progress = func(Progress) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}

// Progress is how far a backup has come.
type Progress struct {
	Stage   string // what is being done
	Keys    int64  // that are here
	Missing int    // large values still to be fetched
}

// Result is what a directory holds in the end.
type Result struct {
	Dir        string          `json:"dir"`
	Cluster    string          `json:"cluster_id"`
	Revision   godwit.Revision `json:"revision"`
	Generation uint64          `json:"generation"`
	Keys       int64           `json:"keys"`
	Bytes      int64           `json:"bytes"`
}

// Run makes cfg.Dir a backup of the node at cfg.URL, or brings the one that is
// there up to date: a state of the log at or after the moment of the call, with all
// values, checked in every index and every value. A directory that is something else
// stays as it is. What a run that ends early has brought in is kept for the next.
// Errors: those of asking the node, *godwit.Error with its code; the directory's.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	cfg.setDefaults()
	if err := cfg.bring(ctx, func(*feed.Hello) error { return nil }); err != nil {
		return nil, err
	}
	cfg.Progress(Progress{Stage: "checking"})
	return check(ctx, cfg.store())
}

// bring has the directory hold a state of the node's, unless mayBe refuses that.
func (c *Config) bring(ctx context.Context, mayBe func(*feed.Hello) error) error {
	client, err := feed.NewClient(feed.ClientConfig{URL: c.URL, Token: c.Token, Agent: "godwit-backup"})
	if err != nil {
		return err
	}
	defer client.Close()
	source, err := ask(ctx, client)
	if err != nil {
		return err
	}
	if err := mayBe(source.hello); err != nil {
		return err
	}
	if err := c.prepare(ctx, source.hello); err != nil {
		return err
	}
	return c.follow(ctx, source)
}

// source is the node that is copied.
type source struct {
	hello *feed.Hello
	least godwit.Revision // all that was acknowledged before is at or below it
}

// ask asks the node who it is, and whether it may be copied with this token.
func ask(ctx context.Context, c *feed.Client) (*source, error) {
	st, err := c.Follow(ctx, feed.FollowRequest{Jurisdictions: feed.AllJurisdictions()})
	if err != nil {
		return nil, err
	}
	defer st.Close()
	f, err := st.Next()
	if err != nil {
		return nil, err
	}
	h, ok := f.(*feed.Hello)
	if !ok {
		return nil, fmt.Errorf("the node begins with a %T", f)
	}
	if h.Carries.Namespaces != nil {
		return nil, godwit.Errorf(godwit.CodeForbidden, "The token is limited to namespaces, and a backup is of all of them.")
	}
	if f, err = st.Next(); err != nil {
		return nil, err
	}
	if end, ok := f.(*feed.End); ok && end.Reason != feed.EndTooOld {
		return nil, refused(end)
	}
	s := &source{hello: h, least: h.Revision}
	r, err := c.Barrier(ctx)
	if err == nil {
		s.least = max(s.least, r)
	} else if h.Owner { // an edge whose centre is gone is copied as it is
		return nil, err
	}
	return s, nil
}

// refused is the error of a stream that was ended before it began. What is so for a
// while only is worth another attempt.
func refused(end *feed.End) error {
	if end.Reason == feed.EndRefused {
		return fmt.Errorf("the node refuses to be copied: %s", end.Message)
	}
	return godwit.Errorf(godwit.CodeUnavailable, "%s", end.Error())
}

// What a store keeps in memory here. Nothing is read twice, so that caches as large as a
// node's would be memory and no more.
const (
	cacheBytes = 64 << 20
	hotBytes   = 1 << 20
)

func storeIn(dir string, keys *store.Keys) store.Config {
	return store.Config{Dir: dir, Keys: keys, CacheBytes: cacheBytes, HotBytes: hotBytes}
}

// store is the backup as a store.
func (c *Config) store() store.Config {
	cfg := storeIn(c.Dir, c.Keys)
	cfg.Follower, cfg.Backup = true, true
	return cfg
}

// prepare makes sure that a directory is a backup of the node, or may become one.
func (c *Config) prepare(ctx context.Context, h *feed.Hello) error {
	dir := c.Dir
	empty, err := store.Empty(store.Disk(), dir)
	if err != nil {
		return fmt.Errorf("look at %s: %w", dir, err)
	}
	if empty {
		return store.MarkBackup(c.store(), h.Cluster)
	}
	cluster, is, err := store.BackupOf(c.store())
	switch {
	case err != nil:
		return err
	case !is:
		return fmt.Errorf("%s is neither empty nor a backup", dir)
	case cluster != h.Cluster:
		return fmt.Errorf("%s is a backup of cluster %s, and the node is of cluster %s", dir, cluster, h.Cluster)
	}
	return c.compareGeneration(ctx, h)
}

// compareGeneration refuses to take a backup back to a centre that was replaced.
func (c *Config) compareGeneration(ctx context.Context, h *feed.Hello) error {
	if begun, err := store.Begun(store.Disk(), c.Dir); err != nil || !begun {
		return err
	}
	return store.Look(ctx, c.store(), func(_ context.Context, s *store.Store) error {
		if g, own := h.Lineage.Generation(), s.Generation(); g < own {
			return fmt.Errorf("%s is of generation %d of the cluster, and the node is of generation %d: it was replaced", c.Dir, own, g)
		}
		return nil
	})
}

// follow follows the node until the directory holds all of it.
func (c *Config) follow(ctx context.Context, source *source) (err error) {
	clock := edge.NewClock(c.Now)
	sc := c.store()
	sc.Now, sc.Sure, sc.Logger, sc.DiskReserve = clock.Now, clock.Sure, c.Logger, c.reserve
	s, err := store.Open(ctx, sc)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	e, err := edge.Open(ctx, edge.Config{
		Store: s, Clock: clock, Upstreams: []string{c.URL}, Token: c.Token, Logger: c.Logger,
		Jurisdictions: feed.AllJurisdictions(),
		Self:          func() feed.NodeInfo { return feed.NodeInfo{ID: "backup", Role: "backup"} },
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	if err := c.complete(ctx, s, e, source.least); err != nil || c.whole == nil {
		return err
	}
	return c.whole(s, clock)
}

// progressEvery is how often it is told how far a backup has come.
const progressEvery = 200 * time.Millisecond

// fullFor is for how long the disk may be full before it is taken to stay so.
const fullFor = 5 * time.Second

func (c *Config) full() error {
	return fmt.Errorf("%s: the disk is full: make room, and run it again, which goes on from here", c.Dir)
}

// complete waits until the edge has all, fails, has been without its upstream for too
// long, or has no room.
func (c *Config) complete(ctx context.Context, s *store.Store, e *edge.Edge, least godwit.Revision) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- e.Complete(ctx, least) }()
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	heard, roomy := time.Now(), time.Now()
	for {
		select {
		case err := <-done:
			if err != nil && ctx.Err() == nil && e.Status().NoRoom {
				return c.full() // which is why it did not come to its end
			}
			return err
		case err := <-e.Failed():
			cancel()
			return errors.Join(err, ended(<-done))
		case <-tick.C:
		}
		status, stats := e.Status(), s.Stats()
		c.Progress(Progress{Stage: "copying", Keys: stats.Keys, Missing: status.Missing})
		if status.Problem == "" || status.Connected || status.Progress != "" {
			heard = time.Now()
		}
		if !s.DiskExhausted() && (!status.DiskFull || !s.DiskFull()) && (!status.NoRoom || status.Missing == 0) {
			roomy = time.Now()
		}
		if time.Since(roomy) > fullFor {
			cancel()
			return errors.Join(c.full(), ended(<-done))
		}
		if time.Since(heard) > c.Patience {
			cancel()
			return errors.Join(godwit.Errorf(godwit.CodeUnavailable, "The node was not to be followed for %s: %s", c.Patience, status.Problem), ended(<-done))
		}
	}
}

// ended is the error of what was told to end, unless it is just that.
func ended(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/bench/load"
	"github.com/godwitkv/godwit/internal/feed"
)

const followerCount = 300

// followers measures what 300 streams cost the centre while nothing is written,
// and how long 100 writes a second take to all of them. They are godwit's own
// client in this process: 300 nodes would measure this machine.
func followers(ctx context.Context, l *lab) ([]row, error) {
	t, err := l.newTree(ctx, "followers")
	if err != nil {
		return nil, err
	}
	defer t.stop()
	id, err := t.centre.fill(ctx, "followers", hotKeys)
	if err != nil {
		return nil, err
	}
	before, err := t.centre.memory("VmRSS")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &sightings{acked: make(map[string]time.Time), early: make(map[string][]time.Time)}
	failed := make(chan error, followerCount)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	var open sync.WaitGroup
	for range followerCount {
		open.Add(1)
		all.Go(func() {
			if err := follow(ctx, t.centre.api, sync.OnceFunc(open.Done), s); err != nil && ctx.Err() == nil {
				failed <- err
			}
		})
	}
	open.Wait()
	after, err := t.centre.memory("VmRSS")
	if err != nil {
		return nil, err
	}
	if err := t.writes(ctx, id, 100, propagationTime, s.wrote); err != nil {
		return nil, err
	}
	h, err := s.settle(ctx, followerCount, failed)
	if err != nil {
		return nil, err
	}
	return []row{
		{Name: "300 idle followers, memory of the centre", Unit: "MiB", Value: (after - before) / mebibyte, Target: 200, AtMost: true},
		millisRow("300 followers, 100 writes/s, p50", h, 0.5, 0),
		millisRow("300 followers, 100 writes/s, p99", h, 0.99, 250),
	}, nil
}

// follow reads a feed from its tail on and tells of each revision.
func follow(ctx context.Context, api string, opened func(), s *sightings) error {
	defer opened()
	c, err := feed.NewClient(feed.ClientConfig{URL: "http://" + api, Token: rootToken, Agent: "bench"})
	if err != nil {
		return err
	}
	defer c.Close()
	at, err := tail(ctx, c)
	if err != nil {
		return err
	}
	stream, err := c.Follow(ctx, feed.FollowRequest{After: at})
	if err != nil {
		return fmt.Errorf("follow: %w", err)
	}
	defer func() { _ = stream.Close() }()
	for {
		frame, err := stream.Next()
		if err != nil {
			return fmt.Errorf("follow: %w", err)
		}
		switch f := frame.(type) {
		case *feed.Ready:
			opened()
		case *feed.End:
			return fmt.Errorf("the stream ended for reason %d: %s", f.Reason, f.Message)
		case *feed.Records:
			for i := range f.Records {
				s.saw(f.Records[i].Revision.String())
			}
		}
	}
}

// tail asks for a stream from nothing, which is refused, for the sake of what
// comes before the refusal: where the log is.
func tail(ctx context.Context, c *feed.Client) (godwit.Position, error) {
	stream, err := c.Follow(ctx, feed.FollowRequest{})
	if err != nil {
		return godwit.Position{}, fmt.Errorf("ask for the position: %w", err)
	}
	defer func() { _ = stream.Close() }()
	frame, err := stream.Next()
	if err != nil {
		return godwit.Position{}, fmt.Errorf("ask for the position: %w", err)
	}
	hello, ok := frame.(*feed.Hello)
	if !ok {
		return godwit.Position{}, fmt.Errorf("the stream began with %T", frame)
	}
	epoch, ok := hello.Lineage.At(hello.Revision)
	if !ok {
		return godwit.Position{}, errors.New("the lineage does not reach back to the position")
	}
	return godwit.Position{Epoch: epoch.ID, Revision: hello.Revision}, nil
}

// firstCopy measures how fast an edge becomes a copy: of an idle centre, and of
// one that answers reads at half the rate that it can. The second edge has the
// load's core for what the load leaves of it: the load sleeps between requests, with
// the edge and without, and the edge runs only while it does.
func firstCopy(ctx context.Context, l *lab) ([]row, error) {
	t, err := l.newTree(ctx, "copy")
	if err != nil {
		return nil, err
	}
	defer t.stop()
	id, err := t.centre.fill(ctx, "copied", l.keys)
	if err != nil {
		return nil, err
	}
	n, err := t.start(ctx, "idle", l.loadOn, "--upstream", "http://"+t.centre.api, "--upstream-token", rootToken)
	if err != nil {
		return nil, err
	}
	rows := []row{{
		Name: "first copy, centre idle", Unit: "keys/s", Value: float64(l.keys) / n.opened.Seconds(), Target: 200_000,
		Note: fmt.Sprintf("%d keys in %s s, the start of the process counted", l.keys, number(n.opened.Seconds())),
	}}
	if err := n.stop(); err != nil {
		return rows, err
	}
	reads := t.centre.get(id, clients, load.Random(hotKeys, 1))
	peak, err := l.turn(ctx, reads, t.centre.process)
	if err != nil {
		return rows, err
	}
	reads.Rate = peak.perSecond / 2
	besides, err := t.besideCopies(ctx, reads)
	if err != nil {
		return rows, err
	}
	rows = append(rows, besides...)
	alone, err := t.readsUntil(ctx, reads, nil)
	if err != nil {
		return rows, err
	}
	meanwhile, copied, err := t.copyMeanwhile(ctx, reads)
	if err != nil {
		return rows, err
	}
	slower := compare(row{Name: "GET at half load during a first copy, p99", Unit: "us", Against: "without one", Target: 2, AtMost: true},
		p99micros, []measure{meanwhile}, []measure{alone})
	slower.Note = fmt.Sprintf("%s reads a second, median %s us without a copy and %s us during one", number(alone.perSecond), number(p50micros(alone)), number(p50micros(meanwhile)))
	return append(rows, slower, row{Name: "first copy at half load", Unit: "keys/s", Value: float64(l.keys) / copied.Seconds()}), nil
}

// besideCopies tells what a copy costs reads at its centre from what it costs this
// machine: the node that becomes a copy has no core of its own here, and whatever runs
// on that of the load holds the load up.
func (t *tree) besideCopies(ctx context.Context, reads load.Stream) ([]row, error) {
	all, err := t.lab.rounds(ctx,
		func(ctx context.Context) (measure, error) { return t.readsUntil(ctx, reads, nil) },
		func(ctx context.Context) (measure, error) { return t.readsBeside(ctx, asideSpin, reads) },
		func(ctx context.Context) (measure, error) { return t.readsBeside(ctx, asideWalk, reads) })
	if err != nil {
		return nil, err
	}
	return []row{
		compare(row{Name: "GET at half load beside a loop that does nothing, p99", Unit: "us", Against: "without one"}, p99micros, all[1], all[0]),
		compare(row{Name: "GET at half load while a copy is received and thrown away, p99", Unit: "us", Against: "without one"}, p99micros, all[2], all[0]),
	}, nil
}

// copyMeanwhile measures reads while an edge becomes a copy, for as long as that
// takes.
func (t *tree) copyMeanwhile(ctx context.Context, reads load.Stream) (m measure, took time.Duration, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	copied := make(chan struct{})
	var failed error
	go func() {
		defer close(copied)
		var n *node
		n, failed = t.startBy(ctx, []string{"chrt", "--idle", "0"}, "busy", t.lab.loadOn, "--upstream", "http://"+t.centre.api, "--upstream-token", rootToken)
		if failed == nil {
			took = n.opened
		}
	}()
	m, err = t.readsUntil(ctx, reads, copied)
	if err != nil {
		cancel()
	}
	<-copied
	return m, took, errors.Join(err, failed)
}

// readsUntil measures reads for a window, or until a channel is closed.
func (t *tree) readsUntil(ctx context.Context, reads load.Stream, until <-chan struct{}) (measure, error) {
	l := t.lab
	opts := load.Options{CPU: l.loadOn, Warmup: l.warmup, Duration: l.window, Until: until, Sleep: true}
	results, cpu, err := l.driveBy(ctx, opts, []*process{t.centre.process}, reads)
	if err != nil {
		return measure{}, fmt.Errorf("load %s: %w", t.centre.name, err)
	}
	return measureOf(results[0], cpu), nil
}

// edgeGet compares reads at an edge with reads at the centre, and with reads at
// an edge that applies 5,000 records a second.
func edgeGet(ctx context.Context, l *lab) ([]row, error) {
	t, err := l.newTree(ctx, "reads")
	if err != nil {
		return nil, err
	}
	defer t.stop()
	id, err := t.centre.fill(ctx, "reads", hotKeys)
	if err != nil {
		return nil, err
	}
	edge, err := t.start(ctx, "edge", l.serverOn, "--upstream", "http://"+t.centre.api, "--upstream-token", rootToken)
	if err != nil {
		return nil, err
	}
	stream := func(n *node) load.Stream { return n.get(id, clients, load.Random(hotKeys, 1)) }
	applying := func(ctx context.Context) (measure, error) {
		ctx, cancel := context.WithCancel(ctx)
		var writer sync.WaitGroup
		var failed error
		writer.Go(func() { failed = t.bulkWrites(ctx, id, 5_000) })
		m, err := l.turn(ctx, stream(edge), edge.process)
		cancel()
		writer.Wait()
		return m, errors.Join(err, failed)
	}
	all, err := l.rounds(ctx,
		l.loaded(stream(edge), edge.process),
		l.loaded(stream(t.centre), t.centre.process),
		applying)
	if err != nil {
		return nil, err
	}
	return []row{
		compare(row{Name: "GET hot at an edge", Unit: cpuUnit, Against: "at the centre", Target: 0.95}, perCPU, all[0], all[1]),
		compare(row{Name: "GET hot at an edge that applies 5,000/s", Unit: "req/s", Against: "the same edge idle", Target: 0.7}, perSecond, all[2], all[0]),
	}, nil
}

// bulkWrites puts keys at the centre at a rate, a fiftieth of a second's at once,
// until ctx ends.
func (t *tree) bulkWrites(ctx context.Context, id string, rate int64) error {
	vals := load.RandomValues(valueBytes, 11)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := int64(0); ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		body := appendBulk(nil, i*rate/50%hotKeys, rate/50, vals)
		if err := t.centre.bulk(ctx, id, body); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

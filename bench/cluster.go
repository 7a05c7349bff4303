//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/godwitkv/godwit/bench/load"
)

const members = 3

// clusterClients are connections to all members together, each with one write in
// flight, as many as there are writers in the benchmark without HTTP.
const clusterClients = 256

// cluster is a central store of three members, on both cores by turns, and the
// load beside them: what three machines do, on one.
type cluster struct {
	lab   *lab
	name  string
	args  [members][]string
	nodes [members]*node
}

func (l *lab) newCluster(ctx context.Context, name string) (*cluster, error) {
	c := &cluster{lab: l, name: name}
	var peers []string
	for i := range members {
		addr, err := freeAddr()
		if err != nil {
			return nil, err
		}
		peers = append(peers, fmt.Sprintf("n%d=%s", i+1, addr))
	}
	for i := range members {
		_, listen, _ := strings.Cut(peers[i], "=")
		c.args[i] = []string{
			"--cluster", name, "--node", fmt.Sprintf("n%d", i+1), "--cluster-listen", listen,
			"--cluster-peers", strings.Join(peers, ","), "--cache-bytes", "64MiB",
		}
	}
	for i := range members {
		n, err := l.launchNode(name+"-"+fmt.Sprint(i+1), i%2, c.args[i]...)
		if err != nil {
			return nil, errors.Join(err, c.stop())
		}
		c.nodes[i] = n
	}
	for _, n := range c.nodes {
		if err := n.until(ctx, n.isReady(ctx)); err != nil {
			return nil, errors.Join(err, c.stop())
		}
	}
	return c, nil
}

// stop ends all members and removes their data.
func (c *cluster) stop() (err error) {
	for _, n := range c.nodes {
		if n != nil {
			err = errors.Join(err, n.stop(), os.RemoveAll(filepath.Join(c.lab.dir, n.name)))
		}
	}
	return err
}

// clusterPut measures durable puts of new keys and at random through the binding
// ports of all three, beside three etcd.
func clusterPut(ctx context.Context, l *lab) ([]row, error) {
	c, err := l.newCluster(ctx, "put")
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.stop() }()
	id, err := c.nodes[0].fill(ctx, "put", l.keys/10)
	if err != nil {
		return nil, err
	}
	etcd, stopEtcd, err := l.etcdCluster(ctx, clusterClients)
	if err != nil {
		return nil, err
	}
	defer stopEtcd()
	random := func() load.Pick { return load.Random(l.keys/10, 5) }
	few := func(ctx context.Context) (measure, error) { return l.turns(ctx, c.puts(id, clients, random)...) }
	over := func(ctx context.Context) (measure, error) { return l.turns(ctx, c.puts(id, clusterClients, random)...) }
	next := l.keys
	fresh := func(ctx context.Context) (measure, error) {
		return l.turns(ctx, c.puts(id, clusterClients, func() load.Pick {
			next += 10_000_000
			return load.Sequence(next)
		})...)
	}
	all, err := l.rounds(ctx, few, over, fresh, etcd)
	if err != nil {
		return nil, err
	}
	p99 := func(m measure) float64 { return micros(m.latency.Quantile(0.99)) / 1000 }
	return []row{
		{Name: "64 connections, PUT over", Unit: "req/s", Value: median(values(perSecond, all[0])), Target: 8000},
		{Name: "64 connections, PUT over, p99", Unit: "ms", Value: median(values(p99, all[0])), Target: 25, AtMost: true},
		{Name: "256 connections, PUT new", Unit: "req/s", Value: median(values(perSecond, all[2])), Target: 8000},
		{Name: "256 connections, PUT over, p99", Unit: "ms", Value: median(values(p99, all[1]))},
		compare(row{Name: "256 connections, PUT over", Unit: "req/s", Against: "three etcd (its own client)", Target: 3}, perSecond, all[1], all[3]),
	}, nil
}

// puts are a stream of writes to each member, by so many connections in all.
func (c *cluster) puts(id string, connections int, pick func() load.Pick) (streams []load.Stream) {
	for _, n := range c.nodes {
		streams = append(streams, n.put(id, connections/members, pick()))
	}
	return streams
}

// turns runs streams side by side and adds up what they gave.
func (l *lab) turns(ctx context.Context, streams ...load.Stream) (measure, error) {
	results, err := load.Run(ctx, load.Options{CPU: -1, Warmup: l.warmup, Duration: l.window}, streams...)
	if err != nil {
		return measure{}, err
	}
	m := measure{latency: new(load.Histogram)}
	for _, r := range results {
		if r.Failed > 0 || r.Requests == 0 {
			return measure{}, fmt.Errorf("%d of %d requests were answered with an error", r.Failed, r.Requests)
		}
		m.perSecond += r.PerSecond()
		m.latency.Merge(&r.Latency)
	}
	return m, nil
}

// clusterFailover measures for how long no write is acknowledged when the log's
// leader is killed, and when it stops in order.
func clusterFailover(ctx context.Context, l *lab) ([]row, error) {
	c, err := l.newCluster(ctx, "failover")
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.stop() }()
	id, err := c.nodes[0].createNamespace(ctx, "failover")
	if err != nil {
		return nil, err
	}
	const times = 7
	var killed, stopped []float64
	for range times {
		pause, err := c.pause(ctx, id, (*process).kill)
		if err != nil {
			return nil, err
		}
		killed = append(killed, pause.Seconds())
		if pause, err = c.pause(ctx, id, (*process).stop); err != nil {
			return nil, err
		}
		stopped = append(stopped, pause.Seconds())
	}
	return []row{
		{Name: "pause of writes, leader killed, median", Unit: "s", Value: median(killed), Target: 6, AtMost: true},
		{Name: "pause of writes, leader killed, longest", Unit: "s", Value: most(killed), Target: 10, AtMost: true},
		{Name: "pause of writes, leader stopped, median", Unit: "s", Value: median(stopped), Target: 1, AtMost: true},
		{Name: "pause of writes, leader stopped, longest", Unit: "s", Value: most(stopped)},
	}, nil
}

func most(v []float64) (out float64) {
	for _, x := range v {
		out = max(out, x)
	}
	return out
}

// pause ends the leader and returns how long it took until another member
// acknowledged a write, from the last one before.
func (c *cluster) pause(ctx context.Context, id string, end func(*process) error) (time.Duration, error) {
	leader, err := c.leader(ctx)
	if err != nil {
		return 0, err
	}
	other := c.nodes[(leader+1)%members]
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	put := func() bool {
		try, cancel := context.WithTimeout(ctx, 2500*time.Millisecond)
		defer cancel()
		status, err := other.call(try, http.MethodPut, namespaces+"/"+id+"/values/k", []byte("v"), nil)
		return err == nil && status == http.StatusOK
	}
	if !put() {
		return 0, errors.New("a write failed before anything was done")
	}
	last := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- end(c.nodes[leader].process) }()
	var pause time.Duration
	for deadline := time.Now().Add(4 * time.Second); time.Now().Before(deadline) || pause == 0; {
		if ctx.Err() != nil {
			return 0, errors.New("writes do not go on")
		}
		if put() {
			pause = max(pause, time.Since(last))
			last = time.Now()
		}
	}
	if err := <-ended; err != nil {
		return 0, err
	}
	return pause, c.restart(ctx, leader)
}

// restart starts a member again on its data.
func (c *cluster) restart(ctx context.Context, i int) error {
	old := c.nodes[i]
	n, err := c.lab.launchNodeAt(old.name, i%2, old.api, old.binding, c.args[i]...)
	if err != nil {
		return err
	}
	c.nodes[i] = n
	return n.until(ctx, n.isReady(ctx))
}

// leader is the member that leads the log.
func (c *cluster) leader(ctx context.Context) (int, error) {
	for range 200 {
		for _, n := range c.nodes {
			var s struct{ Leader string }
			if err := n.native(ctx, "cluster", &s); err != nil {
				continue
			}
			for i := range members {
				if s.Leader == fmt.Sprintf("n%d", i+1) {
					return i, nil
				}
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return 0, errors.New("the cluster has no leader")
}

// clusterJoin measures how long a member with an empty disk takes to hold all keys,
// and what members take of memory then.
func clusterJoin(ctx context.Context, l *lab) ([]row, error) {
	c, err := l.newCluster(ctx, "join")
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.stop() }()
	if _, err := c.nodes[0].fill(ctx, "join", l.keys); err != nil {
		return nil, err
	}
	leader, err := c.leader(ctx)
	if err != nil {
		return nil, err
	}
	gone := (leader + 1) % members
	name := fmt.Sprintf("n%d", gone+1)
	if err := errors.Join(c.nodes[gone].stop(), os.RemoveAll(filepath.Join(l.dir, c.nodes[gone].name))); err != nil {
		return nil, err
	}
	status, err := c.nodes[leader].do(ctx, http.MethodDelete, "/godwit/v1/cluster/members/"+name)
	if err != nil || status != http.StatusOK {
		return nil, fmt.Errorf("remove member: status %d: %w", status, err)
	}
	began := time.Now()
	if err := c.restart(ctx, gone); err != nil {
		return nil, err
	}
	took := time.Since(began).Seconds()
	var memory float64
	for _, n := range c.nodes {
		now, err := n.memory("VmRSS")
		if err != nil {
			return nil, err
		}
		memory = max(memory, now)
	}
	return []row{
		{Name: fmt.Sprintf("a new member with %d keys, until it is ready", l.keys), Unit: "s", Value: took, Target: 15, AtMost: true},
		{Name: "memory of a member, the largest", Unit: "MiB", Value: memory / mebibyte, Target: 400, AtMost: true},
	}, nil
}

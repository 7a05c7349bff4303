//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/godwitkv/godwit/bench/load"
)

const cpuUnit = "req/CPU-s"

// getHot compares reads of few keys with nginx, Redis and a handler that does
// nothing.
func getHot(ctx context.Context, l *lab) ([]row, error) {
	n, err := l.shared(ctx)
	if err != nil {
		return nil, err
	}
	web, err := l.nginx(ctx)
	if err != nil {
		return nil, err
	}
	redis, err := l.redis(ctx, "redis-memory", hotKeys, false)
	if err != nil {
		return nil, err
	}
	defer func() { _ = redis.stop() }()
	empty, err := l.ceiling(ctx, serveEmptyCommand)
	if err != nil {
		return nil, err
	}
	defer func() { _ = empty.stop() }()
	bare, err := l.ceiling(ctx, serveBareCommand)
	if err != nil {
		return nil, err
	}
	defer func() { _ = bare.stop() }()
	redisGet := redisStream(redis.addr, clients, load.RedisCommand("GET", load.Random(hotKeys, 1), nil))
	pages := load.HTTPRequest("GET", "/", load.Random(hotKeys, 1), "", nil, nil)
	all, err := l.rounds(ctx,
		l.loaded(n.get(n.hot, clients, load.Random(hotKeys, 1)), n.process),
		l.loaded(file(web), web.process),
		l.loaded(redisGet, redis.process),
		l.loaded(httpStream(empty.addr, clients, pages), empty.process),
		l.loaded(httpStream(bare.addr, clients, pages), bare.process))
	if err != nil {
		return nil, err
	}
	l.peak = median(values(perSecond, all[0]))
	allocated, err := l.allocations(ctx, n)
	if err != nil {
		return nil, err
	}
	return []row{
		compare(row{Name: "GET hot", Unit: cpuUnit, Against: "nginx, cached file", Target: 0.9}, perCPU, all[0], all[1]),
		compare(row{Name: "GET hot", Unit: cpuUnit, Against: "Redis GET", Target: 1.4}, perCPU, all[0], all[2]),
		compare(row{Name: "GET hot", Unit: cpuUnit, Against: "empty fasthttp handler"}, perCPU, all[0], all[3]),
		compare(row{Name: "(a bare epoll loop)", Unit: cpuUnit, Against: "Redis GET"}, perCPU, all[4], all[2]),
		compare(row{Name: "GET hot", Unit: "req/s", Against: "nginx, cached file"}, perSecond, all[0], all[1]),
		{Name: "GET hot, allocations", Unit: "per request", Value: allocated, Target: 0.01, AtMost: true},
	}, nil
}

// allocations measures how many objects the node allocates for a hot read, once
// the connections are open. What reading the count allocates is measured first
// and taken off.
func (l *lab) allocations(ctx context.Context, n *node) (float64, error) {
	var counts []float64
	var failed error
	count := func() {
		c, err := n.mallocs(ctx)
		counts, failed = append(counts, c), errors.Join(failed, err)
	}
	opts := load.Options{CPU: l.loadOn, Warmup: l.warmup, Duration: l.window, Begin: func() { count(); count() }, End: count}
	results, err := load.Run(ctx, opts, n.get(n.hot, clients, load.Random(hotKeys, 1)))
	if err := errors.Join(err, failed); err != nil {
		return 0, fmt.Errorf("count allocations: %w", err)
	}
	return max(0, counts[2]-counts[1]-(counts[1]-counts[0])) / float64(results[0].Requests), nil
}

// getRandom compares reads of very many keys with nginx, whose one file stays
// where it is.
func getRandom(ctx context.Context, l *lab) ([]row, error) {
	n, err := l.filled(ctx)
	if err != nil {
		return nil, err
	}
	web, err := l.nginx(ctx)
	if err != nil {
		return nil, err
	}
	all, err := l.rounds(ctx,
		l.loaded(n.get(n.large, clients, load.Random(l.keys, 1)), n.process),
		l.loaded(file(web), web.process))
	if err != nil {
		return nil, err
	}
	return []row{
		compare(row{Name: "GET random", Unit: cpuUnit, Against: "nginx, cached file", Target: 0.75}, perCPU, all[0], all[1]),
		compare(row{Name: "GET random", Unit: "req/s", Against: "nginx, cached file"}, perSecond, all[0], all[1]),
	}, nil
}

// latency measures reads at half the rate that the node can answer, and the
// same while writes come in at a fixed rate and compactions follow from them.
func latency(ctx context.Context, l *lab) ([]row, error) {
	const writeRate, writers = 2000, 16
	n, err := l.filled(ctx)
	if err != nil {
		return nil, err
	}
	if l.peak == 0 {
		m, err := l.turn(ctx, n.get(n.hot, clients, load.Random(hotKeys, 1)), n.process)
		if err != nil {
			return nil, err
		}
		l.peak = m.perSecond
	}
	reads := n.get(n.hot, clients, load.Random(hotKeys, 1))
	reads.Rate = l.peak / 2
	writes := n.put(n.large, writers, load.Random(l.keys, 4))
	writes.Rate = writeRate
	idle, _, err := l.drive(ctx, []*process{n.process}, reads)
	if err != nil {
		return nil, err
	}
	mixed, _, err := l.drive(ctx, []*process{n.process}, reads, writes)
	if err != nil {
		return nil, err
	}
	rows := quantiles("GET at half load", reads, idle[0])
	rows = append(rows, quantiles("GET at half load, 2,000 PUT/s", reads, mixed[0])...)
	return append(rows, quantiles("those PUTs", writes, mixed[1])...), nil
}

// quantiles are the rows of a stream at a fixed rate, the first of which says
// what that was and how much of it was answered: less than all means that the
// latencies are those of a queue.
func quantiles(name string, s load.Stream, r *load.Result) []row {
	h := &r.Latency
	return []row{
		{Name: name + ", answered", Unit: "req/s", Value: r.PerSecond(), Note: fmt.Sprintf("%.0f were sent", s.Rate)},
		{Name: name + ", p50", Unit: "us", Value: micros(h.Quantile(0.5))},
		{Name: name + ", p99", Unit: "us", Value: micros(h.Quantile(0.99))},
		{Name: name + ", p99.9", Unit: "us", Value: micros(h.Quantile(0.999))},
	}
}

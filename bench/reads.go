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

// latency measures reads at half the rate that the node can answer, beside nginx
// at the same rate, and the same while writes come in at a fixed rate and
// compactions follow from them.
func latency(ctx context.Context, l *lab) ([]row, error) {
	const writeRate, writers = 2000, 16
	n, err := l.filled(ctx)
	if err != nil {
		return nil, err
	}
	web, err := l.nginx(ctx)
	if err != nil {
		return nil, err
	}
	reads := n.get(n.hot, clients, load.Random(hotKeys, 1))
	if l.peak == 0 {
		m, err := l.turn(ctx, reads, n.process)
		if err != nil {
			return nil, err
		}
		l.peak = m.perSecond
	}
	files, writes := file(web), n.put(n.large, writers, load.Random(l.keys, 4))
	reads.Rate, files.Rate, writes.Rate = l.peak/2, l.peak/2, writeRate
	var puts []measure
	mixed := func(ctx context.Context) (measure, error) {
		results, _, err := l.drive(ctx, []*process{n.process}, reads, writes)
		if err != nil {
			return measure{}, fmt.Errorf("load %s: %w", n.name, err)
		}
		puts = append(puts, measure{perSecond: results[1].PerSecond(), latency: &results[1].Latency})
		return measure{perSecond: results[0].PerSecond(), latency: &results[0].Latency}, nil
	}
	all, err := l.rounds(ctx, l.loaded(reads, n.process), l.loaded(files, web.process), mixed)
	if err != nil {
		return nil, err
	}
	rows := quantiles("GET at half load", reads.Rate, all[0], all[1])
	rows = append(rows, quantiles("GET at half load, 2,000 PUT/s", reads.Rate, all[2], all[1])...)
	return append(rows, quantiles("those PUTs", writeRate, puts, nil)...), nil
}

// quantiles are the rows of turns at a fixed rate, beside those of nginx where
// there are any. The first says how much was answered: less than was sent means
// that the latencies are those of a queue.
func quantiles(name string, rate float64, ours, nginx []measure) []row {
	rows := []row{{
		Name: name + ", answered", Unit: "req/s", Value: median(values(perSecond, ours)), Note: fmt.Sprintf("%.0f were sent", rate),
	}}
	for _, q := range []struct {
		name string
		of   float64
	}{{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}} {
		of := func(m measure) float64 { return micros(m.latency.Quantile(q.of)) }
		r := row{Name: name + ", " + q.name, Unit: "us", Value: median(values(of, ours))}
		if nginx != nil {
			r.Against = "nginx at that rate, no writes"
			r = compare(r, of, ours, nginx)
		}
		rows = append(rows, r)
	}
	return rows
}

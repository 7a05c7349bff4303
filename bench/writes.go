//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/godwitkv/godwit/bench/load"
)

// putOver compares durable writes to keys that exist.
func putOver(ctx context.Context, l *lab) ([]row, error) {
	n, err := l.filled(ctx)
	if err != nil {
		return nil, err
	}
	redis, err := l.redis(ctx, "redis-durable", l.keys, true)
	if err != nil {
		return nil, err
	}
	defer func() { _ = redis.stop() }()
	etcd, err := l.etcdPutter(ctx)
	if err != nil {
		return nil, err
	}
	set := load.RedisCommand("SET", load.Random(l.keys, 5), load.RandomValues(valueBytes, 6))
	all, err := l.rounds(ctx,
		l.loaded(n.put(n.large, clients, load.Random(l.keys, 5)), n.process),
		l.loaded(redisStream(redis.addr, clients, set), redis.process),
		etcd)
	if err != nil {
		return nil, err
	}
	return []row{
		compare(row{Name: "PUT over", Unit: "req/s", Against: "Redis appendfsync always", Target: 0.7}, perSecond, all[0], all[1]),
		compare(row{Name: "PUT over", Unit: "req/s", Against: "etcd put (its own client)", Target: 3}, perSecond, all[0], all[2]),
		compare(row{Name: "PUT over", Unit: cpuUnit, Against: "Redis appendfsync always"}, perCPU, all[0], all[1]),
		compare(row{Name: "PUT over, p50", Unit: "us", Against: "Redis appendfsync always"}, p50micros, all[0], all[1]),
	}, nil
}

// putNew compares durable writes of keys that do not exist yet.
func putNew(ctx context.Context, l *lab) ([]row, error) {
	n, err := l.filled(ctx)
	if err != nil {
		return nil, err
	}
	redis, err := l.redis(ctx, "redis-new", l.keys, true)
	if err != nil {
		return nil, err
	}
	defer func() { _ = redis.stop() }()
	set := load.RedisCommand("SET", load.Sequence(l.keys), load.RandomValues(valueBytes, 6))
	all, err := l.rounds(ctx,
		l.loaded(n.put(n.large, clients, load.Sequence(l.keys)), n.process),
		l.loaded(redisStream(redis.addr, clients, set), redis.process))
	if err != nil {
		return nil, err
	}
	return []row{
		compare(row{Name: "PUT new", Unit: "req/s", Against: "Redis appendfsync always"}, perSecond, all[0], all[1]),
	}, nil
}

// slackMicros is what a write of one connection may take beyond the disk and the
// network.
const slackMicros = 40

// putOne compares a write that nobody shares a sync with, with what it cannot
// do without: one append made durable, and one round trip.
func putOne(ctx context.Context, l *lab) ([]row, error) {
	n, err := l.filled(ctx)
	if err != nil {
		return nil, err
	}
	syncs := func(ctx context.Context) (measure, error) { return l.bareSyncs(ctx, false) }
	inPlace := func(ctx context.Context) (measure, error) { return l.bareSyncs(ctx, true) }
	all, err := l.rounds(ctx,
		l.loaded(n.put(n.large, 1, load.Random(l.keys, 5)), n.process),
		l.loaded(n.get(n.hot, 1, load.Random(hotKeys, 1)), n.process),
		syncs, inPlace)
	if err != nil {
		return nil, err
	}
	var beyond []float64
	for i := range all[0] {
		beyond = append(beyond, p50micros(all[0][i])-p50micros(all[1][i])-p50micros(all[2][i]))
	}
	figure := func(name string, turns []measure) row {
		return row{Name: name, Unit: "us", Value: median(values(p50micros, turns))}
	}
	return []row{
		{
			Name: "PUT one connection, beyond fsync and round trip", Unit: "us", Value: median(beyond), Target: slackMicros, AtMost: true,
			Note: fmt.Sprintf("the range over the rounds is %s to %s us", number(slices.Min(beyond)), number(slices.Max(beyond))),
		},
		figure("PUT one connection, p50", all[0]),
		figure("GET one connection, p50", all[1]),
		figure("fsync of a 4 KiB append, p50", all[2]),
		figure("fdatasync of 4 KiB in place, p50", all[3]),
	}, nil
}

// bareSyncs makes 4 KiB durable again and again: appending to a file that grows,
// or in place, where no size changes and so the file system has less to do.
func (l *lab) bareSyncs(ctx context.Context, inPlace bool) (measure, error) {
	f, err := os.Create(filepath.Join(l.dir, "sync"))
	if err != nil {
		return measure{}, fmt.Errorf("create file: %w", err)
	}
	defer func() { _ = f.Close() }()
	sync := f.Sync
	if inPlace {
		if _, err := f.Write(make([]byte, 64<<20)); err != nil {
			return measure{}, fmt.Errorf("write file: %w", err)
		}
		if err := f.Sync(); err != nil {
			return measure{}, fmt.Errorf("sync file: %w", err)
		}
		sync = func() error { return unix.Fdatasync(int(f.Fd())) }
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var h load.Histogram
	block := make([]byte, 4<<10)
	began := time.Now()
	for offset := int64(0); time.Since(began) < l.window/3 && ctx.Err() == nil; offset += int64(len(block)) {
		from := time.Now()
		if _, err := f.WriteAt(block, offset); err != nil {
			return measure{}, fmt.Errorf("write file: %w", err)
		}
		if err := sync(); err != nil {
			return measure{}, fmt.Errorf("sync file: %w", err)
		}
		h.Record(time.Since(from))
	}
	return measure{latency: &h}, ctx.Err()
}

// bulkPut measures one bulk write through the REST API, by turns of new keys and
// of the same keys again.
func bulkPut(ctx context.Context, l *lab) ([]row, error) {
	n, err := l.shared(ctx)
	if err != nil {
		return nil, err
	}
	id, err := n.createNamespace(ctx, "bulk")
	if err != nil {
		return nil, err
	}
	var took []float64
	vals := load.RandomValues(valueBytes, 7)
	for i := range max(l.options.rounds, 5) {
		body := appendBulk(nil, int64(i/2)*bulkItems, bulkItems, vals)
		began := time.Now()
		if err := n.bulk(ctx, id, body); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began).Seconds())
	}
	return []row{{
		Name: "bulk put of 10,000 keys", Unit: "s", Value: median(took), Target: 0.5, AtMost: true,
		Note: fmt.Sprintf("the range over the rounds, half of them of new keys, is %s to %s s", number(slices.Min(took)), number(slices.Max(took))),
	}}, nil
}

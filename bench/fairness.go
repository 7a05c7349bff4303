//go:build linux

package main

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit/bench/load"
)

// floods is how many bulk writes of bulkItems keys go on at once: with a chunk of each
// waiting, the log's queue is several batches long.
const floods = 32

// fairness measures durable writes of one connection while bulk writes go on: into
// another namespace, whose queue is not its own, and into the same one, where whatever
// came before it is before it.
func fairness(ctx context.Context, l *lab) ([]row, error) {
	n, err := l.shared(ctx)
	if err != nil {
		return nil, err
	}
	quiet, err := n.createNamespace(ctx, "quiet")
	if err != nil {
		return nil, err
	}
	flooded, err := n.createNamespace(ctx, "flooded")
	if err != nil {
		return nil, err
	}
	one := func(id string, seed uint64) load.Stream { return n.put(id, 1, load.Random(hotKeys, seed)) }
	all, err := l.rounds(ctx,
		l.loaded(one(quiet, 5), n.process),
		l.flooded(n, flooded, one(quiet, 6)),
		l.flooded(n, flooded, one(flooded, 7)))
	if err != nil {
		return nil, err
	}
	const name = "PUT of one connection, 32 bulk writes into another namespace"
	return []row{
		compare(row{Name: name + ", p50", Unit: "us", Against: "into the same"}, p50micros, all[1], all[2]),
		compare(row{Name: name + ", p99", Unit: "us", Against: "into the same"}, p99micros, all[1], all[2]),
		compare(row{Name: name + ", p50", Unit: "us", Against: "alone"}, p50micros, all[1], all[0]),
		compare(row{Name: name + ", p99", Unit: "us", Against: "alone"}, p99micros, all[1], all[0]),
	}, nil
}

// flooded is the contestant that runs a stream while bulk writes go into a namespace
// without a pause.
func (l *lab) flooded(n *node, id string, s load.Stream) contestant {
	return func(ctx context.Context) (measure, error) {
		flooding, stop := context.WithCancel(ctx)
		defer stop()
		var flood errgroup.Group
		for i := range floods {
			body := appendBulk(nil, int64(i)*bulkItems, bulkItems, load.RandomValues(valueBytes, uint64(i)))
			flood.Go(func() error {
				for flooding.Err() == nil {
					if err := n.bulk(flooding, id, body); err != nil && flooding.Err() == nil {
						return err
					}
				}
				return nil
			})
		}
		m, err := l.turn(ctx, s, n.process)
		stop()
		return m, errors.Join(err, flood.Wait())
	}
}

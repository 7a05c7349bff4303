//go:build linux

package main

import (
	"context"
	"fmt"

	"github.com/godwitkv/godwit/bench/load"
)

// floodConns is how many connections flood a namespace.
const floodConns = 256

// fairness measures durable writes of one connection to a namespace of its own,
// alone and while another namespace is flooded.
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
	one := n.put(quiet, 1, load.Random(hotKeys, 5))
	all, err := l.rounds(ctx,
		l.loaded(one, n.process),
		l.beside(one, n.put(flooded, floodConns, load.Random(hotKeys, 6)), n.process))
	if err != nil {
		return nil, err
	}
	const name = "PUT of one connection while 256 write to another namespace"
	return []row{
		compare(row{Name: name + ", p50", Unit: "us", Against: "alone"}, p50micros, all[1], all[0]),
		compare(row{Name: name + ", p99", Unit: "us", Against: "alone"}, p99micros, all[1], all[0]),
	}, nil
}

// beside is the contestant that runs a stream while another one runs.
func (l *lab) beside(s, other load.Stream, processes ...*process) contestant {
	return func(ctx context.Context) (measure, error) {
		results, cpu, err := l.drive(ctx, processes, s, other)
		if err != nil {
			return measure{}, fmt.Errorf("load %s: %w", processes[0].name, err)
		}
		return measureOf(results[0], cpu), nil
	}
}

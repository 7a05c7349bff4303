//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/godwitkv/godwit/bench/load"
)

const manyKeys = 10_000_000

// largeNamespace fills a namespace with ten million keys, compares reads among
// them with reads of few, and kills and opens the node.
func largeNamespace(ctx context.Context, l *lab) ([]row, error) {
	n, err := l.startNode(ctx, "godwit-large")
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if n.large, err = n.fill(ctx, "large", manyKeys); err != nil {
		return nil, err
	}
	took := time.Since(began)
	rows := []row{{Name: "bulk puts until compacted", Unit: "keys/s", Value: manyKeys / took.Seconds()}}
	all, err := l.rounds(ctx,
		l.loaded(n.get(n.large, clients, load.Random(hotKeys, 1)), n.process),
		l.loaded(n.get(n.large, clients, load.Random(manyKeys, 2)), n.process))
	if err != nil {
		return rows, err
	}
	few := compare(row{Name: "GET among 10 thousand", Unit: cpuUnit, Against: "GET among 10 million", Target: 1.5, AtMost: true}, perCPU, all[0], all[1])
	memory, err := n.memoryRows()
	if err != nil {
		return rows, err
	}
	rows = append(append(rows, few), memory...)
	if err := n.kill(); err != nil {
		return rows, err
	}
	again, err := l.startNode(ctx, "godwit-large")
	if err != nil {
		return rows, err
	}
	again.large = n.large
	rows = append(rows, row{Name: "open after a kill", Unit: "s", Value: again.opened.Seconds(), Target: 2, AtMost: true})
	if _, err := l.turn(ctx, again.get(again.large, clients, load.Random(manyKeys, 3)), again.process); err != nil {
		return rows, fmt.Errorf("read after the kill: %w", err)
	}
	return rows, again.stop()
}

func (n *node) memoryRows() ([]row, error) {
	now, err := n.memory("VmRSS")
	if err != nil {
		return nil, err
	}
	most, err := n.memory("VmHWM")
	if err != nil {
		return nil, err
	}
	return []row{
		{Name: "resident after the reads", Unit: "MiB", Value: now / mebibyte},
		{Name: "resident, most ever", Unit: "MiB", Value: most / mebibyte, Target: 1024, AtMost: true},
	}, nil
}

//go:build linux

package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
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
	disk, err := diskOf(filepath.Join(l.dir, n.name))
	if err != nil {
		return rows, err
	}
	rows = append(rows, row{Name: "disk of a key with a value of 288 bytes", Unit: "bytes", Value: disk / manyKeys})
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

// diskOf is how many bytes the files of a directory take.
func diskOf(dir string) (total float64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += float64(info.Size())
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("measure %s: %w", dir, err)
	}
	return total, nil
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

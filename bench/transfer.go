//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// transferNode is a node with all keys that has both cores, as has what runs beside
// it: so are the two on a machine of their own.
func (l *lab) transferNode(ctx context.Context) (*node, string, error) {
	both := []string{"taskset", "-c", fmt.Sprintf("%d,%d", l.serverOn, l.loadOn)}
	n, err := l.startNodeBy(ctx, both, l.serverOn, "godwit-transfer-"+strconv.Itoa(len(l.processes)))
	if err != nil {
		return nil, "", err
	}
	id, err := n.fill(ctx, "from", l.keys)
	return n, id, err
}

// command runs godwit as a client of the node and returns how long that took.
func (n *node) command(ctx context.Context, l *lab, args ...string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, l.godwit, append(args, "--quiet", "--url", "http://"+n.api, "--token", rootToken)...)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("run %s: %w: %s", args[0], err, out)
	}
	return time.Since(began), nil
}

// rate is the row of what some runs took for all keys.
func (l *lab) rate(name string, took []time.Duration, target float64) row {
	var rates []float64
	for _, d := range took {
		rates = append(rates, float64(l.keys)/d.Seconds())
	}
	return row{
		Name: name, Unit: "keys/s", Value: median(rates), Target: target,
		Note: fmt.Sprintf("%d keys; the range over the rounds is %s to %s", l.keys, number(slices.Min(rates)), number(slices.Max(rates))),
	}
}

// exportAll writes all keys into a file, the start of the process counted.
func exportAll(ctx context.Context, l *lab) (rows []row, err error) {
	n, id, err := l.transferNode(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, n.stop()) }()
	file := filepath.Join(l.dir, "export.ndjson")
	var took []time.Duration
	for range l.options.rounds {
		d, err := n.command(ctx, l, "export", id, "--output", file)
		if err != nil {
			return nil, err
		}
		if err := os.Remove(file); err != nil {
			return nil, fmt.Errorf("remove export: %w", err)
		}
		took = append(took, d)
	}
	return []row{l.rate("export into a file", took, 300_000)}, nil
}

// importAll writes all keys out of a file into an empty namespace.
func importAll(ctx context.Context, l *lab) (rows []row, err error) {
	n, id, err := l.transferNode(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, n.stop()) }()
	file := filepath.Join(l.dir, "import.ndjson")
	if _, err := n.command(ctx, l, "export", id, "--output", file); err != nil {
		return nil, err
	}
	var took []time.Duration
	for i := range l.options.rounds {
		d, err := n.command(ctx, l, "import", fmt.Sprintf("to-%d", i), file)
		if err != nil {
			return nil, err
		}
		took = append(took, d)
	}
	return []row{l.rate("import of a file", took, 50_000)}, nil
}

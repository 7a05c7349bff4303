//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/godwitkv/godwit/bench/load"
)

// What is backed up: values of a realistic size.
const (
	backupValue = 16 << 10
	backupKeys  = 32_000
	backupBatch = 1000
	backupBytes = backupValue * backupKeys
)

// backups measures whole backups of a node at rest, the start of the process counted:
// into a directory, into a repository, encrypted, after one key in a hundred has changed,
// and back again.
func backups(ctx context.Context, l *lab) (rows []row, err error) {
	b := &backupRuns{lab: l, took: make(map[string][]time.Duration), most: make(map[string]int64)}
	both := []string{"taskset", "-c", fmt.Sprintf("%d,%d", l.serverOn, l.loadOn)}
	if b.node, err = l.startNodeBy(ctx, both, l.serverOn, "godwit-backup"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.node.stop(), os.RemoveAll(b.dir(""))) }()
	if b.id, err = b.node.createNamespace(ctx, "values"); err != nil {
		return nil, err
	}
	if err := errors.Join(b.put(ctx, 1, backupKeys), b.node.settle(ctx)); err != nil {
		return nil, err
	}
	for range l.options.rounds {
		if err := b.round(ctx); err != nil {
			return nil, err
		}
	}
	for _, name := range b.order {
		rows = append(rows, b.row(name))
	}
	return rows, nil
}

type backupRuns struct {
	lab   *lab
	node  *node
	id    string
	took  map[string][]time.Duration
	most  map[string]int64 // bytes of memory
	order []string
}

func (b *backupRuns) dir(name string) string { return filepath.Join(b.lab.dir, "backups", name) }

// put puts the values of keys up to count, others for each seed.
func (b *backupRuns) put(ctx context.Context, seed uint64, count int64) error {
	vals := freshValues(backupValue, seed)
	var body []byte
	for first := int64(0); first < count; first += backupBatch {
		body = appendBulk(body[:0], first, min(backupBatch, count-first), vals)
		if err := b.node.bulk(ctx, b.id, body); err != nil {
			return err
		}
	}
	return nil
}

// freshValues are letters and digits of which none come again, as they do in
// load.RandomValues: what has come before within a chunk is compressed to nothing.
func freshValues(size int, seed uint64) *load.Values {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	rng := rand.NewChaCha8([32]byte{byte(seed)})
	random := make([]byte, size)
	return &load.Values{Size: size, Append: func(dst []byte) []byte {
		_, _ = rng.Read(random) // never fails
		for _, b := range random {
			dst = append(dst, letters[b%64])
		}
		return dst
	}}
}

// round makes each backup once, from nothing.
func (b *backupRuns) round(ctx context.Context) error {
	if err := os.RemoveAll(b.dir("")); err != nil {
		return fmt.Errorf("remove backups: %w", err)
	}
	cache := []string{"--cache-dir", b.dir("cache")}
	recipient := []string{"--age-recipient", "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p", "--cache-dir", b.dir("cache")}
	repository := "file://" + b.dir("repository")
	for _, step := range []struct {
		name string
		args []string
	}{
		{"backup into a directory", b.from("backup", b.dir("directory"))},
		{"the same again, nothing changed", b.from("backup", b.dir("directory"))},
		{"backup into a repository", append(b.from("backup", repository), cache...)},
		{"the same, encrypted, the copy there", append(b.from("backup", "file://"+b.dir("encrypted")), recipient...)},
		{"restore from a repository", []string{"restore", repository, b.dir("restored")}},
	} {
		if err := b.run(ctx, step.name, step.args); err != nil {
			return err
		}
	}
	if err := b.put(ctx, 2, backupKeys/100); err != nil {
		return err
	}
	return b.run(ctx, "backup after 1 % has changed", append(b.from("backup", repository), cache...))
}

// from is a command's arguments with the node's address behind them.
func (b *backupRuns) from(args ...string) []string {
	return append(args, "--url", "http://"+b.node.api, "--token", rootToken)
}

func (b *backupRuns) run(ctx context.Context, name string, args []string) error {
	began := time.Now()
	cmd := exec.CommandContext(ctx, b.lab.godwit, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("run %s: %w: %s", args[0], err, out)
	}
	if b.took[name] == nil {
		b.order = append(b.order, name)
	}
	b.took[name] = append(b.took[name], time.Since(began))
	if used, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		b.most[name] = max(b.most[name], used.Maxrss<<10)
	}
	return nil
}

// row is what a backup took for all values.
func (b *backupRuns) row(name string) row {
	var rates []float64
	for _, d := range b.took[name] {
		rates = append(rates, backupBytes/1e6/d.Seconds())
	}
	return row{
		Name: name, Unit: "MB/s", Value: median(rates), Target: 200,
		Note: fmt.Sprintf("of %d values of 16 KiB, %d MiB of memory; the range over the rounds is %s to %s",
			backupKeys, b.most[name]>>20, number(slices.Min(rates)), number(slices.Max(rates))),
	}
}

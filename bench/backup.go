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

// held is what is backed up: about 500 MB.
type held struct {
	name      string
	value     int // bytes
	keys      int64
	scattered bool // the keys are written in no order
}

func (h *held) bytes() float64 { return float64(h.keys) * float64(h.value) }

// batch is how many values are put at once.
func (h *held) batch() int64 { return min(max(16<<20/int64(h.value), 1), 10_000) }

// key is the number of the key that is put as the i-th.
func (h *held) key(i int64) int64 {
	if !h.scattered {
		return i
	}
	return i * 1_000_003 % h.keys // a prime, and no factor of any number of keys
}

// backups measures whole backups of a node at rest, the start of the process counted:
// into a directory, into a repository, encrypted, after one key in a hundred has changed,
// and back again.
func backups(ctx context.Context, l *lab) ([]row, error) {
	return backupsOf(ctx, l, held{value: 16 << 10, keys: 32_000}, (*backupRuns).round)
}

// backupShapes measures the first of them for other data.
func backupShapes(ctx context.Context, l *lab) (all []row, err error) {
	for _, h := range []held{
		{name: "values of 288 bytes", value: 288, keys: 1_800_000},
		{name: "values of 25 MiB", value: 25 << 20, keys: 20},
		{name: "values of 16 KiB, keys written in no order", value: 16 << 10, keys: 32_000, scattered: true},
	} {
		rows, err := backupsOf(ctx, l, h, (*backupRuns).short)
		if err != nil {
			return all, fmt.Errorf("%s: %w", h.name, err)
		}
		for _, r := range rows {
			r.Name += ", " + h.name
			all = append(all, r)
		}
	}
	return all, nil
}

// backupsOf fills a node and measures rounds of backups.
func backupsOf(ctx context.Context, l *lab, h held, round func(*backupRuns, context.Context) error) (rows []row, err error) {
	b := &backupRuns{lab: l, held: h, took: make(map[string][]time.Duration), most: make(map[string]int64)}
	both := []string{"taskset", "-c", fmt.Sprintf("%d,%d", l.serverOn, l.loadOn)}
	name := fmt.Sprintf("godwit-backup-%d-%t", h.value, h.scattered)
	if b.node, err = l.startNodeBy(ctx, both, l.serverOn, name); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.node.stop(), os.RemoveAll(b.dir(""))) }()
	if b.id, err = b.node.createNamespace(ctx, "values"); err != nil {
		return nil, err
	}
	if err := errors.Join(b.put(ctx, 1, h.keys), b.node.settle(ctx)); err != nil {
		return nil, err
	}
	for range l.options.rounds {
		if err := round(b, ctx); err != nil {
			return nil, err
		}
	}
	for _, name := range b.order {
		rows = append(rows, b.row(name))
	}
	return rows, nil
}

type backupRuns struct {
	held
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
	vals := freshValues(b.value, seed)
	var body []byte
	for first := int64(0); first < count; first += b.batch() {
		body = appendBulkOf(body[:0], first, min(b.batch(), count-first), b.key, vals)
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
	if err := b.put(ctx, 2, b.keys/100); err != nil {
		return err
	}
	return b.run(ctx, "backup after 1 % has changed", append(b.from("backup", repository), cache...))
}

// short makes a backup into a directory and one into a repository, and restores that.
func (b *backupRuns) short(ctx context.Context) error {
	if err := os.RemoveAll(b.dir("")); err != nil {
		return fmt.Errorf("remove backups: %w", err)
	}
	repository := "file://" + b.dir("repository")
	return errors.Join(
		b.run(ctx, "backup into a directory", b.from("backup", b.dir("directory"))),
		b.run(ctx, "backup into a repository", b.from("backup", repository, "--cache-dir", b.dir("cache"))),
		b.run(ctx, "restore from a repository", []string{"restore", repository, b.dir("restored")}))
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
		rates = append(rates, b.bytes()/1e6/d.Seconds())
	}
	return row{
		Name: name, Unit: "MB/s", Value: median(rates), Target: 200,
		Note: fmt.Sprintf("of %d values of %d bytes, %d MiB of memory; the range over the rounds is %s to %s",
			b.keys, b.value, b.most[name]>>20, number(slices.Min(rates)), number(slices.Max(rates))),
	}
}

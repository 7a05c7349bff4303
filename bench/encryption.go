//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/godwitkv/godwit/bench/load"
)

// smallCache is so little that most reads at random go to the files.
const smallCache = "32MiB"

// encryption compares a node with an encrypted disk to one with a plain disk, by
// turns: reads at random with all of the default memory and with little of it,
// durable writes, and first copies of an edge with such a disk.
func encryption(ctx context.Context, l *lab) ([]row, error) {
	e := &encrypted{lab: l, keyFile: filepath.Join(l.dir, "encryption-key")}
	defer e.clean()
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	if err := os.WriteFile(e.keyFile, []byte(hex.EncodeToString(secret)+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("write key file: %w", err)
	}
	plain, secured, err := e.pair(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range []*node{plain, secured} {
		if n.large, err = n.fill(ctx, "large", l.keys); err != nil {
			return nil, err
		}
	}
	rows, err := e.load(ctx, plain, secured)
	if err != nil {
		return rows, err
	}
	copied, err := e.copies(ctx, plain, secured)
	rows = append(rows, copied...)
	if err = errors.Join(err, plain.stop(), secured.stop()); err != nil {
		return rows, err
	}
	small, err := e.smallReads(ctx, plain.large, secured.large)
	return append(rows, small...), err
}

// encrypted is what the scenario has made.
type encrypted struct {
	lab     *lab
	keyFile string
	made    []*node
}

const plainDisk = "a plain disk"

// start starts a node, with a key or without.
func (e *encrypted) start(ctx context.Context, name string, key bool, flags ...string) (*node, error) {
	if key {
		flags = append(flags, "--encryption-key-file", e.keyFile)
	}
	n, err := e.lab.startNodeOn(ctx, e.lab.serverOn, name, flags...)
	if n != nil {
		e.made = append(e.made, n)
	}
	return n, err
}

// pair starts the two nodes.
func (e *encrypted) pair(ctx context.Context, flags ...string) (plain, secured *node, err error) {
	if plain, err = e.start(ctx, "disk-plain", false, flags...); err != nil {
		return nil, nil, err
	}
	secured, err = e.start(ctx, "disk-encrypted", true, flags...)
	return plain, secured, err
}

// load measures reads and writes.
func (e *encrypted) load(ctx context.Context, plain, secured *node) ([]row, error) {
	l := e.lab
	reads, err := e.reads(ctx, plain, secured, "GET random")
	if err != nil {
		return nil, err
	}
	puts, err := l.rounds(ctx,
		l.loaded(secured.put(secured.large, clients, load.Random(l.keys, 5)), secured.process),
		l.loaded(plain.put(plain.large, clients, load.Random(l.keys, 5)), plain.process))
	if err != nil {
		return nil, err
	}
	return append(reads,
		compare(row{Name: "PUT over", Unit: "req/s", Against: plainDisk, Target: 0.85}, perSecond, puts[0], puts[1]),
		compare(row{Name: "PUT over", Unit: cpuUnit, Against: plainDisk}, perCPU, puts[0], puts[1])), nil
}

func (e *encrypted) reads(ctx context.Context, plain, secured *node, name string) ([]row, error) {
	l := e.lab
	all, err := l.rounds(ctx,
		l.loaded(secured.get(secured.large, clients, load.Random(l.keys, 1)), secured.process),
		l.loaded(plain.get(plain.large, clients, load.Random(l.keys, 1)), plain.process))
	if err != nil {
		return nil, err
	}
	return []row{compare(row{Name: name, Unit: cpuUnit, Against: plainDisk, Target: 0.85}, perCPU, all[0], all[1])}, nil
}

// smallReads measures reads of which most are of files, from the kernel's memory.
func (e *encrypted) smallReads(ctx context.Context, plainID, securedID string) ([]row, error) {
	plain, secured, err := e.pair(ctx, "--cache-bytes", smallCache)
	if err != nil {
		return nil, err
	}
	plain.large, secured.large = plainID, securedID
	rows, err := e.reads(ctx, plain, secured, "GET random, --cache-bytes "+smallCache)
	return rows, errors.Join(err, plain.stop(), secured.stop())
}

// copies measures first copies: of the encrypted centre by an encrypted edge, and of
// the plain one by a plain one.
func (e *encrypted) copies(ctx context.Context, plain, secured *node) ([]row, error) {
	one := func(centre *node, key bool) contestant {
		return func(ctx context.Context) (measure, error) {
			n, err := e.start(ctx, "disk-edge", key, "--upstream", "http://"+centre.api, "--upstream-token", rootToken)
			if err != nil {
				return measure{}, err
			}
			m := measure{perSecond: float64(e.lab.keys) / n.opened.Seconds()}
			return m, errors.Join(n.stop(), os.RemoveAll(filepath.Join(e.lab.dir, n.name)))
		}
	}
	all, err := e.lab.rounds(ctx, one(secured, true), one(plain, false))
	if err != nil {
		return nil, err
	}
	return []row{compare(row{Name: "first copy", Unit: "keys/s", Against: plainDisk}, perSecond, all[0], all[1])}, nil
}

// clean ends what is left and removes the data.
func (e *encrypted) clean() {
	var err error
	for _, n := range e.made {
		err = errors.Join(err, n.stop(), os.RemoveAll(filepath.Join(e.lab.dir, n.name)))
	}
	if err = errors.Join(err, os.Remove(e.keyFile)); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}

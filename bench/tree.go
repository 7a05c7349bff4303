//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// tree is a centre and the edges that follow it, on both cores by turns: what is
// measured is how they work together.
type tree struct {
	lab    *lab
	name   string
	centre *node
	keys   int // that writes go over
	edges  []*node
	all    []*node
}

func (l *lab) newTree(ctx context.Context, name string) (*tree, error) {
	t := &tree{lab: l, name: name, keys: hotKeys}
	var err error
	t.centre, err = t.start(ctx, "centre", l.serverOn)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// edge starts a node that follows upstream, host:port, and waits until it has
// its first copy.
func (t *tree) edge(ctx context.Context, name, upstream string) (*node, error) {
	cpu := t.lab.serverOn
	if len(t.all)%2 == 1 {
		cpu = t.lab.loadOn
	}
	n, err := t.start(ctx, name, cpu, "--upstream", "http://"+upstream, "--upstream-token", rootToken)
	if err != nil {
		return nil, err
	}
	t.edges = append(t.edges, n)
	return n, nil
}

func (t *tree) start(ctx context.Context, name string, cpu int, args ...string) (*node, error) {
	return t.startBy(ctx, nil, name, cpu, args...)
}

func (t *tree) startBy(ctx context.Context, by []string, name string, cpu int, args ...string) (*node, error) {
	n, err := t.lab.startNodeBy(ctx, by, cpu, t.name+"-"+name, append(args, "--cache-bytes", "64MiB")...)
	if err != nil {
		return nil, err
	}
	t.all = append(t.all, n)
	return n, nil
}

// stop ends all nodes, the last first, and removes their data.
func (t *tree) stop() {
	for i := len(t.all) - 1; i >= 0; i-- {
		n := t.all[i]
		if err := errors.Join(n.stop(), os.RemoveAll(filepath.Join(t.lab.dir, n.name))); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
}

// namespace makes a namespace at the centre and waits until all of the nodes
// know it.
func (t *tree) namespace(ctx context.Context, nodes []*node) (string, error) {
	id, err := t.centre.createNamespace(ctx, t.name)
	if err != nil {
		return "", err
	}
	for _, n := range nodes {
		for status := 0; status != http.StatusOK; {
			if status, err = n.call(ctx, http.MethodGet, namespaces+"/"+id, nil, nil); err != nil {
				return "", err
			}
			select {
			case <-ctx.Done():
				return "", ctx.Err()
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	return id, nil
}

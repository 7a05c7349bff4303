package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/godwitkv/godwit/examples/process"
	"github.com/godwitkv/godwit/internal/delay"
)

// The world's root token guards nothing: its nodes listen on this machine alone,
// for as long as the demonstration runs.
const rootToken = "world-demonstration-root-token"

// node is a process of godwit in a city.
type node struct {
	city
	process.Node
	link *delay.Proxy // to the upstream; nil: none
}

// world is all nodes, upstreams first.
type world struct {
	godwit string
	dir    string
	nodes  []*node
}

// start starts every city, each behind the link to its upstream.
func start(ctx context.Context, godwit, dir string) (*world, error) {
	w := &world{godwit: godwit, dir: dir}
	for _, c := range cities() {
		n := &node{city: c, Node: process.Node{Dir: filepath.Join(dir, c.name)}}
		w.nodes = append(w.nodes, n)
		err := w.prepare(n)
		if err == nil {
			err = n.Start(ctx, godwit)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("start %s: %w", c.place, err), w.stop())
		}
	}
	return w, nil
}

// prepare makes a node's link and its command line.
func (w *world) prepare(n *node) error {
	n.Args = []string{
		"--data", filepath.Join(n.Dir, "data"), "--location", n.name, "--root-token", rootToken,
		"--listen", "127.0.0.1:0", "--binding-listen", "127.0.0.1:0", "--cache-bytes", "16MiB", "--min-expiration-ttl", "1s",
	}
	if n.via == "" {
		return nil
	}
	var err error
	if n.link, err = delay.Listen("127.0.0.1:0", w.find(n.via).API, n.oneWay); err != nil {
		return err
	}
	n.Args = append(n.Args, "--upstream", "http://"+n.link.Addr(), "--upstream-token", rootToken)
	return nil
}

func (w *world) find(name string) *node {
	for _, n := range w.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

// stop ends all nodes, the edges first, and their links.
func (w *world) stop() (err error) {
	for i := len(w.nodes) - 1; i >= 0; i-- {
		w.nodes[i].Stop()
		if link := w.nodes[i].link; link != nil {
			err = errors.Join(err, link.Close())
		}
	}
	return err
}

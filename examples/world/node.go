package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/godwitkv/godwit/internal/delay"
)

// The world's root token guards nothing: its nodes listen on this machine alone,
// for as long as the demonstration runs.
const rootToken = "world-demonstration-root-token"

// node is a process of godwit in a city.
type node struct {
	city
	args []string
	dir  string
	api  string // host:port
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	link *delay.Proxy  // to the upstream; nil: none
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
		n := &node{city: c, dir: filepath.Join(dir, c.name)}
		w.nodes = append(w.nodes, n)
		if err := w.startNode(ctx, n); err != nil {
			return nil, errors.Join(fmt.Errorf("start %s: %w", c.place, err), w.stop())
		}
	}
	return w, nil
}

// startNode starts a node on the data of its directory, new or old.
func (w *world) startNode(ctx context.Context, n *node) (err error) {
	if n.args == nil {
		if err := w.prepare(n); err != nil {
			return err
		}
	}
	ready := filepath.Join(n.dir, "ready")
	if err := os.Remove(ready); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	log, err := os.OpenFile(filepath.Join(n.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	n.cmd = exec.Command(w.godwit, append(n.args, "--ready-file", ready)...)
	n.cmd.Stdout, n.cmd.Stderr = log, log
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the demonstration, which ends its nodes
	if err := n.cmd.Start(); err != nil {
		return err
	}
	n.done = make(chan struct{})
	go func() {
		defer close(n.done)
		_ = n.cmd.Wait() // what it said is in its log
	}()
	return n.await(ctx, ready)
}

// prepare makes a node's directory, its link and its command line.
func (w *world) prepare(n *node) error {
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		return err
	}
	n.args = []string{
		"serve", "--data", filepath.Join(n.dir, "data"), "--location", n.name, "--root-token", rootToken,
		"--listen", "127.0.0.1:0", "--binding-listen", "127.0.0.1:0", "--cache-bytes", "16MiB", "--min-expiration-ttl", "1s",
	}
	if n.via == "" {
		return nil
	}
	var err error
	if n.link, err = delay.Listen("127.0.0.1:0", w.find(n.via).api, n.oneWay); err != nil {
		return err
	}
	n.args = append(n.args, "--upstream", "http://"+n.link.Addr(), "--upstream-token", rootToken)
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

const startTimeout = 30 * time.Second

// await waits until the node has told its addresses and serves reads. From then
// on it keeps them, so that it can be started again behind the same links.
func (n *node) await(ctx context.Context, ready string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for !n.isReady(ctx, ready) {
		select {
		case <-n.done:
			return fmt.Errorf("it ended: see %s", filepath.Join(n.dir, "log"))
		case <-ctx.Done():
			return fmt.Errorf("it is not ready: see %s: %w", filepath.Join(n.dir, "log"), ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
	for i := range n.args {
		if n.args[i] == "--listen" {
			n.args[i+1] = n.api
		}
	}
	return nil
}

func (n *node) isReady(ctx context.Context, file string) bool {
	text, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	var told struct{ API string }
	if json.Unmarshal(text, &told) != nil {
		return false
	}
	n.api = told.API[len("http://"):]
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, told.API+"/readyz", nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// kill ends a node as a power cut would.
func (n *node) kill() {
	_ = n.cmd.Process.Kill()
	<-n.done
}

// stop ends all nodes, the edges first, and their links.
func (w *world) stop() (err error) {
	for i := len(w.nodes) - 1; i >= 0; i-- {
		n := w.nodes[i]
		if n.cmd != nil && n.cmd.Process != nil && n.done != nil {
			_ = n.cmd.Process.Signal(syscall.SIGTERM)
			select {
			case <-n.done:
			case <-time.After(10 * time.Second):
				n.kill()
			}
		}
		if n.link != nil {
			err = errors.Join(err, n.link.Close())
		}
	}
	return err
}

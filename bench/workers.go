//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit/bench/load"
)

// workerd's configuration: the Worker, its KV binding at godwit.
const workerdConfig = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "kv", external = (address = "%s", http = (injectRequestHeaders = [
      (name = "Authorization", value = "Bearer %s"), (name = "Godwit-Namespace", value = "%s")]))),
  ],
  sockets = [(name = "http", address = "%s", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.mjs")],
  compatibilityDate = "2026-07-01",
  bindings = [(name = "KV", kvNamespace = "kv")],
);
`

// errNoClients tells how to get the real clients of Workers KV.
var errNoClients = errors.New("workerd and miniflare are missing: run npm ci in e2e")

// workers are the same Worker on two stores. What a request costs is the
// processor time of everything behind it: of workerd and godwit, of miniflare
// with its own workerd.
type workers struct {
	godwit    server // workerd
	store     *node
	miniflare server
	modules   string // of npm
}

// bothWorkers starts both once, each with hotKeys keys written through the
// Worker.
func (l *lab) bothWorkers(ctx context.Context) (*workers, error) {
	if l.workers != nil {
		return l.workers, nil
	}
	modules, err := filepath.Abs(filepath.Join("e2e", "node_modules"))
	if err != nil {
		return nil, fmt.Errorf("find node_modules: %w", err)
	}
	if _, err := os.Stat(filepath.Join(modules, "miniflare")); err != nil {
		return nil, errNoClients
	}
	w := &workers{modules: modules}
	if w.store, err = l.shared(ctx); err != nil {
		return nil, err
	}
	if w.godwit, err = l.workerd(ctx, modules, w.store); err != nil {
		return nil, err
	}
	if w.miniflare, err = l.miniflare(ctx, modules); err != nil {
		return nil, err
	}
	for _, s := range []server{w.godwit, w.miniflare} {
		if err := l.fillWorker(ctx, s); err != nil {
			return nil, err
		}
	}
	l.workers = w
	return w, nil
}

func (l *lab) workerd(ctx context.Context, modules string, n *node) (server, error) {
	id, err := n.createNamespace(ctx, "worker")
	if err != nil {
		return server{}, err
	}
	return l.workerdOn(ctx, "workerd", modules, n.binding, id)
}

// workerdOn starts workerd with the Worker, its KV binding at an address.
func (l *lab) workerdOn(ctx context.Context, name, modules, binding, id string) (server, error) {
	addr, err := freeAddr()
	if err != nil {
		return server{}, err
	}
	script, err := os.ReadFile(filepath.Join("bench", "worker", "worker.mjs"))
	if err != nil {
		return server{}, fmt.Errorf("read the Worker: %w", err)
	}
	if err := os.WriteFile(filepath.Join(l.dir, "worker.mjs"), script, 0o644); err != nil {
		return server{}, fmt.Errorf("write the Worker: %w", err)
	}
	config := filepath.Join(l.dir, name+".capnp")
	text := fmt.Sprintf(workerdConfig, binding, rootToken, id, addr)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return server{}, fmt.Errorf("write workerd's configuration: %w", err)
	}
	p, err := l.start(ctx, name, accepts(addr), nil, workerdPath(modules), "serve", config)
	return server{p, addr}, err
}

// workerdPath is workerd's binary itself: what npm links is a script around it.
func workerdPath(modules string) string {
	found, _ := filepath.Glob(filepath.Join(modules, "@cloudflare", "workerd-*", "bin", "workerd"))
	if len(found) > 0 {
		return found[0]
	}
	return filepath.Join(modules, ".bin", "workerd")
}

func (l *lab) miniflare(ctx context.Context, modules string) (server, error) {
	addr, err := freeAddr()
	if err != nil {
		return server{}, err
	}
	_, port, _ := net.SplitHostPort(addr)
	script, err := filepath.Abs(filepath.Join("bench", "worker", "miniflare.mjs"))
	if err != nil {
		return server{}, fmt.Errorf("find miniflare.mjs: %w", err)
	}
	node := filepath.Join(modules, ".bin", "node")
	if _, err := exec.LookPath(node); err != nil {
		node = "node"
	}
	// The same workerd on both sides.
	env := []string{"MINIFLARE_WORKERD_PATH=" + workerdPath(modules)}
	p, err := l.start(ctx, "miniflare", accepts(addr), env, node, script, modules, filepath.Join(l.dir, "miniflare-kv"), port)
	return server{p, addr}, err
}

// fillWorker puts hotKeys keys through the Worker.
func (l *lab) fillWorker(ctx context.Context, s server) error {
	values := load.RandomValues(valueBytes, 8)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(clients)
	for i := range int64(hotKeys) {
		value := values.Append(nil)
		group.Go(func() error { return putThrough(ctx, s, string(load.AppendKey(nil, i)), value) })
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("fill through %s: %w; it said: %s", s.name, err, s.said())
	}
	return nil
}

func putThrough(ctx context.Context, s server, key string, value []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+s.addr+"/put/"+key, bytes.NewReader(value))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("put %s: %s", key, res.Status)
	}
	return nil
}

// compareWorkers loads both with the same path and compares what it costs.
func (l *lab) compareWorkers(ctx context.Context, r row, path string, pick load.Pick) ([]row, error) {
	w, err := l.bothWorkers(ctx)
	if err != nil {
		return nil, err
	}
	stream := func(s server) load.Stream {
		return httpStream(s.addr, clients, load.HTTPRequest("GET", path, pick, "", nil, nil))
	}
	store, both := w.store.cpu(), w.store.cpu()+w.godwit.cpu()
	all, err := l.rounds(ctx,
		l.loaded(stream(w.godwit), w.godwit.process, w.store.process),
		l.loaded(stream(w.miniflare), w.miniflare.process))
	if err != nil {
		return nil, err
	}
	store, both = w.store.cpu()-store, w.store.cpu()+w.godwit.cpu()-both
	r.Against, r.Unit = "miniflare's local KV", "req/s"
	bySecond := compare(r, perSecond, all[0], all[1])
	r.Unit, r.Target = cpuUnit, 0
	byCPU := compare(r, perCPU, all[0], all[1])
	byCPU.Note = fmt.Sprintf("of the processor time godwit itself took %.0f %%, workerd the rest", 100*store.Seconds()/both.Seconds())
	return []row{bySecond, byCPU}, nil
}

func workerGet(ctx context.Context, l *lab) ([]row, error) {
	r := row{Name: "Worker get", Target: 2}
	return l.compareWorkers(ctx, r, "/get/", load.Random(hotKeys, 1))
}

func workerList(ctx context.Context, l *lab) ([]row, error) {
	r := row{Name: "Worker list of 1,000", Target: 3}
	return l.compareWorkers(ctx, r, "/list", nil)
}

//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/godwitkv/godwit/bench/load"
)

// workerConfig is the project of the Worker that godwit worker runs.
const workerConfig = `{
  "name": "bench",
  "main": "worker.mjs",
  "compatibility_date": "2026-07-01",
  "kv_namespaces": [{ "binding": "KV", "id": "worker" }],
}
`

// workerCommand runs bench/worker/worker.mjs by godwit worker, on the shared node.
func (l *lab) workerCommand(ctx context.Context) (server, string, error) {
	w, err := l.bothWorkers(ctx) // the namespace, filled, and workerd
	if err != nil {
		return server{}, "", err
	}
	dir := filepath.Join(l.dir, "project")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return server{}, "", fmt.Errorf("make the project: %w", err)
	}
	script, err := os.ReadFile(filepath.Join("bench", "worker", "worker.mjs"))
	if err != nil {
		return server{}, "", fmt.Errorf("read the Worker: %w", err)
	}
	source := filepath.Join(dir, "worker.mjs")
	for path, text := range map[string]string{source: string(script), filepath.Join(dir, "wrangler.jsonc"): workerConfig} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return server{}, "", fmt.Errorf("write the project: %w", err)
		}
	}
	addr, err := freeAddr()
	if err != nil {
		return server{}, "", err
	}
	modules, err := filepath.Abs(filepath.Join("e2e", "node_modules"))
	if err != nil {
		return server{}, "", fmt.Errorf("find node_modules: %w", err)
	}
	ready := filepath.Join(l.dir, "worker-ready")
	there := func() bool { _, err := os.Stat(ready); return err == nil }
	p, err := l.start(ctx, "godwit worker", there, nil, l.godwit, "worker", dir, "--listen", addr,
		"--url", "http://"+w.store.api, "--token", rootToken, "--workerd", workerdPath(modules), "--ready-file", ready)
	return server{p, addr}, source, err
}

// workerCommandGet compares what stands in front of a Worker that people run: the proxy
// of godwit worker counts here.
func workerCommandGet(ctx context.Context, l *lab) ([]row, error) {
	s, _, err := l.workerCommand(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.stop() }()
	stream := func(s server) load.Stream {
		return httpStream(s.addr, clients, load.HTTPRequest("GET", "/get/", load.Random(hotKeys, 1), "", nil, nil))
	}
	all, err := l.rounds(ctx,
		l.loaded(stream(s), s.process, l.workers.store.process),
		l.loaded(stream(l.workers.miniflare), l.workers.miniflare.process))
	if err != nil {
		return nil, err
	}
	r := row{Name: "godwit worker, a Worker's get", Against: "miniflare's local KV", Unit: "req/s"}
	byCPU := r
	byCPU.Unit = cpuUnit
	return []row{compare(r, perSecond, all[0], all[1]), compare(byCPU, perCPU, all[0], all[1])}, nil
}

// reloads is how often the source is changed.
const reloads = 20

// workerReload measures how long a change of the source takes until it answers.
func workerReload(ctx context.Context, l *lab) ([]row, error) {
	s, source, err := l.workerCommand(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.stop() }()
	script, err := os.ReadFile(source)
	if err != nil {
		return nil, fmt.Errorf("read the Worker: %w", err)
	}
	var took []float64
	for i := range reloads {
		version := fmt.Sprintf("version %d", i)
		began := time.Now()
		if err := replace(source, strings.Replace(string(script), `"ready"`, `"`+version+`"`, 1)); err != nil {
			return nil, err
		}
		if err := s.until(ctx, func() bool { return body("http://"+s.addr+"/") == version }); err != nil {
			return nil, err
		}
		took = append(took, float64(time.Since(began))/float64(time.Millisecond))
	}
	return []row{{Name: "godwit worker, until changed code answers", Unit: "ms", Value: median(took), Target: 300, AtMost: true}}, nil
}

// replace writes a file as an editor does.
func replace(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		return fmt.Errorf("write the Worker: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("replace the Worker: %w", err)
	}
	return nil
}

func body(url string) string {
	res, err := http.Get(url)
	if err != nil {
		return ""
	}
	defer func() { _ = res.Body.Close() }()
	text, _ := io.ReadAll(res.Body)
	return string(text)
}

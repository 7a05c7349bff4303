//go:build linux

package main

import (
	"context"

	"github.com/godwitkv/godwit/bench/load"
)

// workerCeilings measures what a Worker on workerd reaches whatever is behind it: one
// that answers by itself, and one whose get is answered by a bare epoll loop with a
// constant. Beside both stands miniflare's get, as in worker-command: no server behind
// the binding, and no proxy in front, can be better than these.
func workerCeilings(ctx context.Context, l *lab) ([]row, error) {
	w, err := l.bothWorkers(ctx)
	if err != nil {
		return nil, err
	}
	bare, err := l.ceiling(ctx, serveBareCommand)
	if err != nil {
		return nil, err
	}
	defer func() { _ = bare.stop() }()
	onBare, err := l.workerdOn(ctx, "workerd on a bare epoll loop", w.modules, bare.addr, "none")
	if err != nil {
		return nil, err
	}
	defer func() { _ = onBare.stop() }()
	get := load.HTTPRequest("GET", "/get/", load.Random(hotKeys, 1), "", nil, nil)
	all, err := l.rounds(ctx,
		l.loaded(httpStream(w.godwit.addr, clients, load.HTTPRequest("GET", "/", nil, "", nil, nil)), w.godwit.process),
		l.loaded(httpStream(onBare.addr, clients, get), onBare.process, bare.process),
		l.loaded(httpStream(w.miniflare.addr, clients, get), w.miniflare.process))
	if err != nil {
		return nil, err
	}
	var rows []row
	for i, name := range []string{"(a Worker without a get)", "(a get from a bare epoll loop)"} {
		r := row{Name: name, Against: "miniflare's local KV, a get", Unit: "req/s"}
		byCPU := r
		byCPU.Unit = cpuUnit
		rows = append(rows, compare(r, perSecond, all[i], all[2]), compare(byCPU, perCPU, all[i], all[2]))
	}
	return rows, nil
}

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	watcherCount = 1000
	watchersEach = 100 // of one token
)

// watchers measures how long writes take to 1,000 watches at one node: each of a part
// of the keys, and all of everything, which is a thousand events for each write.
func watchers(ctx context.Context, l *lab) ([]row, error) {
	parts, err := l.watched(ctx, "watch-parts", watcherCount, 1000, func(i int) string { return fmt.Sprintf("key-%04d", i) })
	if err != nil {
		return nil, err
	}
	all, err := l.watched(ctx, "watch-all", 1, 50, func(int) string { return "" })
	if err != nil {
		return nil, err
	}
	parts[1].Target, parts[1].AtMost = 50, true
	return append(name(parts, "1,000 watchers of a key each, 1,000 writes/s"), name(all, "1,000 watchers of all keys, 50 writes/s")...), nil
}

func name(rows []row, what string) []row {
	for i := range rows {
		rows[i].Name = what + ", " + rows[i].Name
	}
	return rows
}

// watched writes at a rate under the eyes of watchers, each of whom sees what begins
// with its prefix: one in so many of the writes.
func (l *lab) watched(ctx context.Context, title string, oneIn int, rate float64, prefix func(i int) string) ([]row, error) {
	t, err := l.newTree(ctx, title)
	if err != nil {
		return nil, err
	}
	defer t.stop()
	t.keys = watcherCount
	id, err := t.centre.createNamespace(ctx, "watched")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &sightings{acked: make(map[string]time.Time), early: make(map[string][]time.Time)}
	failed := make(chan error, watcherCount)
	var all, open sync.WaitGroup
	defer all.Wait()
	defer cancel()
	token := ""
	for i := range watcherCount {
		if i%watchersEach == 0 {
			if token, err = t.centre.createToken(ctx); err != nil {
				return nil, err
			}
		}
		open.Add(1)
		w := watch{namespace: id, prefix: prefix(i), token: token}
		all.Go(func() {
			if err := t.centre.watch(ctx, w, sync.OnceFunc(open.Done), s.saw); err != nil && ctx.Err() == nil {
				failed <- err
			}
		})
	}
	open.Wait()
	if err := t.writes(ctx, id, rate, propagationTime, s.wrote); err != nil {
		return nil, err
	}
	h, err := s.settle(ctx, watcherCount/oneIn, failed)
	if err != nil {
		return nil, err
	}
	return []row{millisRow("p50", h, 0.5, 0), millisRow("p99", h, 0.99, 0)}, nil
}

// createToken makes a token that may read.
func (n *node) createToken(ctx context.Context) (string, error) {
	var made struct{ Token string }
	err := n.nativePost(ctx, "tokens", `{"permission":"read"}`, &made)
	if err == nil && made.Token == "" {
		err = errors.New("no token came")
	}
	if err != nil {
		return "", fmt.Errorf("create token: %w", err)
	}
	return made.Token, nil
}

// watch is what a watcher asks for.
type watch struct{ namespace, prefix, token string }

func (w *watch) request(ctx context.Context, api string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+api+"/godwit/v1/namespaces/"+w.namespace+"/watch?prefix="+w.prefix, nil)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+w.token)
	return req, nil
}

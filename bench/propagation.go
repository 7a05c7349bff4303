//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/godwitkv/godwit/bench/load"
	"github.com/godwitkv/godwit/internal/delay"
)

const (
	propagationWrites = 500 // a second
	propagationTime   = 10 * time.Second
)

// propagation measures how long writes take from their acknowledgement at the
// centre until each of 20 edges shows them.
func propagation(ctx context.Context, l *lab) ([]row, error) {
	c, err := l.newTree(ctx, "propagation")
	if err != nil {
		return nil, err
	}
	defer c.stop()
	for i := range 20 {
		if _, err := c.edge(ctx, fmt.Sprintf("edge-%d", i), c.centre.api); err != nil {
			return nil, err
		}
	}
	h, err := c.propagate(ctx, c.edges, propagationWrites)
	if err != nil {
		return nil, err
	}
	return []row{
		millisRow("propagation to 20 edges, p50", h, 0.5, 5),
		millisRow("propagation to 20 edges, p99", h, 0.99, 50),
		millisRow("propagation to 20 edges, p99.9", h, 0.999, 200),
	}, nil
}

// throughRelays measures the same for edges behind two relays, one behind the
// other.
func throughRelays(ctx context.Context, l *lab) ([]row, error) {
	c, err := l.newTree(ctx, "relays")
	if err != nil {
		return nil, err
	}
	defer c.stop()
	at := c.centre.api
	for i := range 2 {
		relay, err := c.edge(ctx, fmt.Sprintf("relay-%d", i), at)
		if err != nil {
			return nil, err
		}
		at = relay.api
	}
	c.edges = nil
	for i := range 10 {
		if _, err := c.edge(ctx, fmt.Sprintf("far-%d", i), at); err != nil {
			return nil, err
		}
	}
	h, err := c.propagate(ctx, c.edges, propagationWrites)
	if err != nil {
		return nil, err
	}
	return []row{
		millisRow("propagation through two relays, p50", h, 0.5, 0),
		millisRow("propagation through two relays, p99", h, 0.99, 80),
	}, nil
}

// acrossTheWorld measures what is left of propagation to an edge behind a relay
// once the network between them, as slow as the real one, is taken off.
func acrossTheWorld(ctx context.Context, l *lab) ([]row, error) {
	const toRelay, toEdge = 44 * time.Millisecond, 31 * time.Millisecond
	c, err := l.newTree(ctx, "world")
	if err != nil {
		return nil, err
	}
	defer c.stop()
	first, err := delay.Listen("127.0.0.1:0", c.centre.api, toRelay)
	if err != nil {
		return nil, err
	}
	defer func() { _ = first.Close() }()
	relay, err := c.edge(ctx, "relay", first.Addr())
	if err != nil {
		return nil, err
	}
	second, err := delay.Listen("127.0.0.1:0", relay.api, toEdge)
	if err != nil {
		return nil, err
	}
	defer func() { _ = second.Close() }()
	c.edges = nil
	if _, err := c.edge(ctx, "edge", second.Addr()); err != nil {
		return nil, err
	}
	h, err := c.propagate(ctx, c.edges, 50)
	if err != nil {
		return nil, err
	}
	network := float64(toRelay+toEdge) / float64(time.Millisecond)
	beyond := millisRow("propagation over 75 ms of network, p50 beyond it", h, 0.5, 5)
	beyond.Value -= network
	return []row{beyond, millisRow("propagation over 75 ms of network, p99", h, 0.99, 0)}, nil
}

func millisRow(name string, h *load.Histogram, q, target float64) row {
	return row{
		Name: name, Unit: "ms", Value: float64(h.Quantile(q)) / float64(time.Millisecond), Target: target, AtMost: target > 0,
		Note: fmt.Sprintf("%d sightings", h.Count()),
	}
}

// propagate writes at the centre at a rate and returns how long each write took
// to each of the edges.
func (t *tree) propagate(ctx context.Context, edges []*node, rate float64) (*load.Histogram, error) {
	id, err := t.namespace(ctx, edges)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &sightings{acked: make(map[string]time.Time), early: make(map[string][]time.Time)}
	var watches sync.WaitGroup
	defer watches.Wait()
	defer cancel()
	var open sync.WaitGroup
	failed := make(chan error, len(edges))
	for _, e := range edges {
		open.Add(1)
		watches.Go(func() {
			if err := e.watch(ctx, watch{namespace: id, token: rootToken}, sync.OnceFunc(open.Done), s.saw); err != nil && ctx.Err() == nil {
				failed <- fmt.Errorf("watch %s: %w", e.name, err)
			}
		})
	}
	open.Wait()
	if err := t.writes(ctx, id, rate, propagationTime, s.wrote); err != nil {
		return nil, err
	}
	return s.settle(ctx, len(edges), failed)
}

// sightings joins when writes were acknowledged with when they were seen.
type sightings struct {
	mu    sync.Mutex
	acked map[string]time.Time
	early map[string][]time.Time
	took  load.Histogram
}

func (s *sightings) wrote(revision string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked[revision] = at
	for _, seen := range s.early[revision] {
		s.took.Record(seen.Sub(at))
	}
	delete(s.early, revision)
}

func (s *sightings) saw(revision string) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.acked[revision]; ok {
		s.took.Record(now.Sub(at))
		return
	}
	s.early[revision] = append(s.early[revision], now)
}

// settle waits until every write was seen everywhere.
func (s *sightings) settle(ctx context.Context, watchers int, failed <-chan error) (*load.Histogram, error) {
	deadline := time.After(30 * time.Second)
	for {
		s.mu.Lock()
		seen, due := s.took.Count(), int64(len(s.acked)*watchers)
		s.mu.Unlock()
		if seen >= due {
			return &s.took, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case err := <-failed:
			return nil, err
		case <-deadline:
			return nil, fmt.Errorf("%d of %d sightings did not come", due-seen, due)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// writes puts keys at the centre at a rate, each when it is due, and tells of
// each acknowledgement. A write that is answered with an error ends it.
func (t *tree) writes(ctx context.Context, id string, rate float64, span time.Duration, wrote func(revision string, at time.Time)) error {
	const writers = 16
	turns := make(chan int)
	failed := make(chan error, writers)
	var all sync.WaitGroup
	transport := &http.Transport{MaxIdleConnsPerHost: writers}
	defer transport.CloseIdleConnections()
	for range writers {
		all.Go(func() {
			for i := range turns {
				revision, err := t.centre.putOne(ctx, transport, id, i%t.keys)
				if err != nil {
					failed <- err
					return
				}
				wrote(revision, time.Now())
			}
		})
	}
	defer all.Wait()
	defer close(turns)
	began := time.Now()
	for i := range int(rate * span.Seconds()) {
		time.Sleep(time.Until(began.Add(time.Duration(float64(i) / rate * float64(time.Second)))))
		select {
		case turns <- i:
		case err := <-failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// putOne writes one key through the binding port and returns its revision.
func (n *node) putOne(ctx context.Context, transport *http.Transport, id string, i int) (string, error) {
	url := fmt.Sprintf("http://%s/key-%04d?urlencoded=true", n.binding, i)
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, strings.NewReader(strings.Repeat("v", valueBytes)))
	if err != nil {
		return "", fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+rootToken)
	req.Header.Set("Godwit-Namespace", id)
	res, err := transport.RoundTrip(req)
	if err != nil {
		return "", fmt.Errorf("send request: %w", err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("put: %s", res.Status)
	}
	return res.Header.Get("Godwit-Revision"), nil
}

// watch tells of the revision of each put that the node shows. opened is called
// once it would miss none.
func (n *node) watch(ctx context.Context, w watch, opened func(), saw func(revision string)) error {
	defer opened()
	req, err := w.request(ctx, n.api)
	if err != nil {
		return err
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, mebibyte)
	put := false
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "event: "):
			put = line == "event: put"
			if line == "event: ready" {
				opened()
			}
		case put && strings.HasPrefix(line, "id: "):
			saw(line[len("id: "):])
		}
	}
	return errors.Join(errors.New("the watch ended"), lines.Err())
}

package main

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/godwitkv/godwit/bench/load"
	"github.com/godwitkv/godwit/client"
)

// probed is a node and what is known of it.
type probed struct {
	name   string
	url    string
	client *client.Client
	oneWay time.Duration

	mu      sync.Mutex
	took    load.Histogram
	problem string
}

// inTree lists a tree's nodes, each after the one that it follows.
func inTree(n *client.Node, nodes []*probed) []*probed {
	name := n.Location
	if name == "" {
		name = n.ID[:min(len(n.ID), 8)]
	}
	if len(nodes) < maxProbeNodes {
		nodes = append(nodes, &probed{name: name, url: n.URL})
	}
	for i := range n.Followers {
		nodes = inTree(&n.Followers[i], nodes)
	}
	return nodes
}

// reach measures the way to the node: half of the shortest of a few round trips.
func (n *probed) reach(ctx context.Context) error {
	if n.url == "" {
		return errors.New("it does not tell its address: give it --advertise")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	shortest := time.Duration(-1)
	for range probePings {
		took, err := ping(ctx, n.url)
		if err != nil {
			return err
		}
		if shortest < 0 || took < shortest {
			shortest = took
		}
	}
	n.oneWay = shortest / 2
	return nil
}

func ping(ctx context.Context, url string) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/healthz", nil)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<10))
	return time.Since(began), err
}

// revisions is what the node's watch brings of the heartbeat.
func (n *probed) revisions(id string) func(context.Context) iter.Seq2[string, error] {
	return func(ctx context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for e, err := range n.client.KV(id).Watch(ctx, client.WatchOptions{Prefix: probeKey}) {
				if err == nil && e.Kind != client.EventPut {
					continue
				}
				if !yield(e.Revision, err) {
					return
				}
			}
		}
	}
}

func (n *probed) saw(took time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.took.Record(took)
}

func (n *probed) failed(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.problem = err.Error()
}

// propagation is what is told of a node, in milliseconds.
type propagation struct {
	Node    string  `json:"node"`
	URL     string  `json:"url"`
	Seen    int64   `json:"seen"`
	P50     float64 `json:"p50_ms"`
	P90     float64 `json:"p90_ms"`
	P99     float64 `json:"p99_ms"`
	Max     float64 `json:"max_ms"`
	Problem string  `json:"problem,omitempty"`
}

func (n *probed) result() propagation {
	n.mu.Lock()
	defer n.mu.Unlock()
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return propagation{
		n.name, n.url, n.took.Count(), ms(n.took.Quantile(0.5)), ms(n.took.Quantile(0.9)), ms(n.took.Quantile(0.99)), ms(n.took.Max()), n.problem,
	}
}

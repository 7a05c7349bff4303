// Package top tells what a node does at the moment, and how all nodes stand: rates and
// latencies between two looks at its metrics, the tree, and what is asked of namespaces.
// It knows nodes by the public client alone.
package top

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit/client"
)

// Bounds of looking.
const (
	askTimeout    = 5 * time.Second
	analyticEvery = 10 * time.Second // what is asked of namespaces is of an hour
	maxNamespaces = 200              // whose analytics are asked for
	atOnce        = 8
)

// Config is what a Watch needs; all fields are required.
type Config struct {
	URL    string
	Client *client.Client
	HTTP   *http.Client
	Now    func() time.Time
}

// Watch looks at a node again and again. Its methods are for one goroutine.
type Watch struct {
	cfg        Config
	last       *counters // nil: none yet
	namespaces []Namespace
	unseen     string // why none are known
	asked      time.Time
}

// New returns a watch that has not looked yet.
func New(cfg Config) *Watch { return &Watch{cfg: cfg} }

// Frame is what was seen at one time.
type Frame struct {
	URL    string         `json:"url"`
	At     time.Time      `json:"at"`
	Over   float64        `json:"over_seconds"` // what rates and latencies are of; 0: nothing yet
	Status *client.Status `json:"status,omitempty"`
	Tree   *client.Node   `json:"tree,omitempty"`

	Operations  []Operation `json:"operations"`
	Connections int64       `json:"connections"` // of the binding port

	Namespaces []Namespace `json:"namespaces"` // by what was asked of them in the last hour, most first
	Unseen     string      `json:"unseen,omitempty"`
	Problem    string      `json:"problem,omitempty"` // why the rest is missing
	Err        error       `json:"-"`                 // the same
}

func (f *Frame) fail(err error) { f.Problem, f.Err = err.Error(), err }

// Operation is what is asked of one kind, and how long it takes in milliseconds.
type Operation struct {
	Op        string  `json:"op"`
	PerSecond float64 `json:"per_second"`
	Failed    float64 `json:"failed_per_second"`
	P50       float64 `json:"p50_ms"`
	P90       float64 `json:"p90_ms"`
	P99       float64 `json:"p99_ms"`
}

// Namespace is what was asked of one at the node, in the last hour.
type Namespace struct {
	Title    string  `json:"title"`
	Keys     int64   `json:"keys"`
	Bytes    int64   `json:"bytes"`
	Reads    int64   `json:"reads"`
	Writes   int64   `json:"writes"` // and deletes
	Lists    int64   `json:"lists"`
	ReadP99  float64 `json:"read_p99_ms"`
	WriteP99 float64 `json:"write_p99_ms"`
}

// Look looks once. What could not be seen is told in the frame.
func (w *Watch) Look(ctx context.Context) *Frame {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	f := &Frame{URL: w.cfg.URL, Operations: []Operation{}}
	now, err := w.scrape(ctx)
	f.At = w.cfg.Now()
	if err != nil {
		f.fail(err)
		w.last = nil // a node that comes back counts from 0
		return f
	}
	w.compare(f, now)
	if f.Status, err = w.cfg.Client.Status(ctx); err != nil {
		f.fail(err)
		return f
	}
	if f.Tree, err = w.cfg.Client.Tree(ctx); err != nil {
		f.fail(err)
	}
	if w.asked.IsZero() || f.At.Sub(w.asked) >= analyticEvery {
		w.asked = f.At
		w.askNamespaces(ctx)
	}
	f.Namespaces, f.Unseen = w.namespaces, w.unseen
	return f
}

// askNamespaces asks what was asked of each.
func (w *Watch) askNamespaces(ctx context.Context) {
	all, err := w.cfg.Client.Namespaces(ctx)
	if err != nil {
		w.unseen = err.Error()
		return
	}
	w.unseen = ""
	if len(all) > maxNamespaces {
		w.unseen = fmt.Sprintf("%d of %d, those with the most keys", maxNamespaces, len(all))
		slices.SortFunc(all, func(a, b client.Namespace) int { return cmp.Compare(b.Keys, a.Keys) })
		all = all[:maxNamespaces]
	}
	var g errgroup.Group
	g.SetLimit(atOnce)
	var mu sync.Mutex
	found := []Namespace{}
	for _, ns := range all {
		g.Go(func() error {
			a, err := w.cfg.Client.KV(ns.ID).Analytics(ctx)
			if errors.Is(err, client.ErrNamespaceNotFound) {
				return nil
			} else if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			found = append(found, namespaceOf(ns.Title, a))
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		w.unseen = err.Error()
	}
	slices.SortFunc(found, func(a, b Namespace) int {
		return cmp.Or(cmp.Compare(b.asked(), a.asked()), cmp.Compare(a.Title, b.Title))
	})
	w.namespaces = found
}

func namespaceOf(title string, a *client.Analytics) Namespace {
	h := &a.LastHour
	return Namespace{
		Title: title, Keys: a.Keys, Bytes: a.Bytes, Reads: h.Read.Requests, Writes: h.Write.Requests + h.Delete.Requests, Lists: h.List.Requests,
		ReadP99: h.Read.Latency.P99, WriteP99: h.Write.Latency.P99,
	}
}

func (n *Namespace) asked() int64 { return n.Reads + n.Writes + n.Lists }

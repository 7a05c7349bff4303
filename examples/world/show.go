package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/pause"
	"github.com/godwitkv/godwit/internal/probe"
)

const (
	namespace = "world"
	heartbeat = "heartbeat"
)

// When what happens, from the start on.
const (
	killAfter    = 12 * time.Second
	restartAfter = 8 * time.Second // after that
)

// show is the demonstration under way.
type show struct {
	world *world
	table *table
	lines map[string]*line
	kvs   map[string]*client.KV
	reads *http.Client
	path  string // of the key that is read

	writes atomic.Int64
	mu     sync.Mutex
	news   string
}

func newShow(ctx context.Context, w *world, t *table) (*show, error) {
	s := &show{
		world: w, table: t, lines: make(map[string]*line), kvs: make(map[string]*client.KV),
		reads: &http.Client{Timeout: 5 * time.Second},
	}
	var id string
	for _, n := range w.nodes {
		c, err := client.New("http://"+n.API, rootToken, client.WithAttempts(1))
		if err != nil {
			return nil, err
		}
		if id == "" {
			ns, err := c.CreateNamespace(ctx, namespace, client.NamespaceOptions{})
			if err != nil {
				return nil, err
			}
			account, err := c.Account(ctx)
			if err != nil {
				return nil, err
			}
			id = ns.ID
			s.path = "/client/v4/accounts/" + account + "/storage/kv/namespaces/" + id + "/values/" + heartbeat
		}
		s.kvs[n.name], s.lines[n.name] = c.KV(id), &line{status: "-"}
	}
	return s, nil
}

func (s *show) run(ctx context.Context, every time.Duration) error {
	cfg := probe.Config{
		Write: s.write, Every: every,
		Seen:   func(target int, took time.Duration) { s.lines[s.world.nodes[target].name].saw(took) },
		Failed: func(int, error) {}, // the table shows what does not come
	}
	for _, n := range s.world.nodes {
		cfg.Targets = append(cfg.Targets, probe.Target{Name: n.name, Revisions: s.revisions(n.name)})
	}
	var all sync.WaitGroup
	all.Go(func() { probe.Run(ctx, cfg) })
	all.Go(func() { s.draw(ctx) })
	err := s.story(ctx)
	all.Wait()
	return err
}

func (s *show) write(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	text := time.Now().Format(time.RFC3339Nano)
	revision, err := s.kvs[s.world.nodes[0].name].Put(ctx, heartbeat, strings.NewReader(text), client.PutOptions{})
	if err == nil {
		s.writes.Add(1)
	}
	return revision, err
}

// revisions is what a node's watch brings of the heartbeat.
func (s *show) revisions(name string) func(context.Context) iter.Seq2[string, error] {
	return func(ctx context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for e, err := range s.kvs[name].Watch(ctx, client.WatchOptions{Prefix: heartbeat}) {
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

// draw reads a key at every node and draws the table, twice a second.
func (s *show) draw(ctx context.Context) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, n := range s.world.nodes {
			s.lines[n.name].answered(s.read(ctx, n))
		}
		s.table.draw(s.world, s.lines, int(s.writes.Load()), s.lastNews())
	}
}

// read reads the heartbeat at a node and tells how it was answered.
func (s *show) read(ctx context.Context, n *node) (status string, took time.Duration) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.API+s.path, nil)
	if err != nil {
		return "error", 0
	}
	req.Header.Set("Authorization", "Bearer "+rootToken)
	begun := time.Now()
	res, err := s.reads.Do(req)
	if err != nil {
		return "down", time.Since(begun)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	if res.StatusCode != http.StatusOK {
		return fmt.Sprint(res.StatusCode), time.Since(begun)
	}
	return res.Header.Get("CF-Cache-Status"), time.Since(begun)
}

// story kills the centre and starts it again, once.
func (s *show) story(ctx context.Context) error {
	centre := s.world.nodes[0]
	s.tell("")
	if !pause.For(ctx, killAfter) {
		return nil
	}
	centre.Kill()
	s.tell("The centre was killed: every other node still answers every read.")
	if !pause.For(ctx, restartAfter) {
		return nil
	}
	if err := centre.Start(ctx, s.world.godwit); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("start the centre again: %w", err)
	}
	s.tell("The centre is back: all have caught up by themselves.")
	<-ctx.Done()
	return nil
}

func (s *show) tell(news string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.news = news
}

func (s *show) lastNews() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.news
}

package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/godwitkv/godwit/bench/load"
)

// recent is of how many heartbeats the table speaks.
const recent = 256

// line is what the table tells of a node.
type line struct {
	mu     sync.Mutex
	took   []time.Duration // of the last heartbeats, the newest last
	seen   int
	status string // CF-Cache-Status of the last read, or why there was none
	read   time.Duration
}

func (l *line) saw(took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen++
	if l.took = append(l.took, took); len(l.took) > recent {
		l.took = l.took[1:]
	}
}

func (l *line) answered(status string, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status, l.read = status, took
}

// cells are what stands behind the node's name and its distance.
func (l *line) cells() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var h load.Histogram
	for _, d := range l.took {
		h.Record(d)
	}
	if h.Count() == 0 {
		return []string{"-", "-", "-", "0", l.status, millis(l.read)}
	}
	return []string{
		millis(h.Quantile(0.5)), millis(h.Quantile(0.99)), millis(l.took[len(l.took)-1]),
		fmt.Sprint(l.seen), l.status, millis(l.read),
	}
}

func millis(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) }

// table is the whole world, drawn over itself on a terminal.
type table struct {
	w        io.Writer
	terminal bool
	drawn    int // lines
}

const (
	header = "node  place          via  network ms   p50 ms   p99 ms  last ms   seen   read of a key"
	format = "%-5s %-14s %-4s %10s %8s %8s %8s %6s   %s in %s ms"
)

// draw shows the nodes and what is going on.
func (t *table) draw(w *world, lines map[string]*line, writes int, news string) {
	var b strings.Builder
	if t.terminal && t.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", t.drawn)
	}
	away := distance(cities())
	fmt.Fprintln(&b, header)
	for _, n := range w.nodes {
		via := n.via
		if via == "" {
			via = "-"
		}
		cells := []any{n.name, n.place, via, millis(away[n.name])}
		for _, c := range lines[n.name].cells() {
			cells = append(cells, c)
		}
		fmt.Fprintf(&b, format+"\n", cells...)
	}
	fmt.Fprintf(&b, "%d writes acknowledged in Frankfurt. %s\n", writes, news)
	if !t.terminal {
		fmt.Fprintln(&b)
	}
	t.drawn = strings.Count(b.String(), "\n")
	_, _ = io.WriteString(t.w, b.String()) // who looks is gone
}

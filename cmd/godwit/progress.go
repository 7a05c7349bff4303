package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// progress draws how far long work has come, on standard error and only for a
// person. A value that is read may go on beyond the command that reads it.
type progress struct {
	mu      sync.Mutex
	over    bool
	w       io.Writer // nil: nobody looks
	what    string
	total   int64 // 0: not known
	done    int64
	noRate  bool // what is counted is time itself
	started time.Time
	drawn   time.Time
}

const (
	barWidth  = 30
	drawEvery = 100 * time.Millisecond
	// quiet is for how long work goes on without a word: most is done by then.
	quiet = 300 * time.Millisecond
)

// progress begins work on total things (0: not known how many), called what.
func (p *program) progress(what string, total int64) *progress {
	g := &progress{what: what, total: total, started: time.Now()}
	if isTerminal(p.stderr) {
		g.w = p.stderr
	}
	return g
}

func (g *progress) add(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.done += n
	now := time.Now()
	if g.w == nil || g.over || now.Sub(g.started) < quiet || now.Sub(g.drawn) < drawEvery {
		return
	}
	g.drawn = now
	g.draw(now)
}

func (g *progress) draw(now time.Time) {
	rate := fmt.Sprintf("  %.0f/s", float64(g.done)/max(now.Sub(g.started).Seconds(), 0.001))
	if g.noRate {
		rate = ""
	}
	if g.total <= 0 {
		fmt.Fprintf(g.w, "\r%s %d%s\x1b[K", g.what, g.done, rate)
		return
	}
	share := min(float64(g.done)/float64(g.total), 1)
	full := int(share * barWidth)
	fmt.Fprintf(g.w, "\r%s [%s%s] %3.0f%%%s\x1b[K", g.what,
		strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), 100*share, rate)
}

// end takes the line away.
func (g *progress) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
	if g.w != nil && !g.drawn.IsZero() {
		fmt.Fprint(g.w, "\r\x1b[K")
	}
}

// reader counts what is read from r.
func (g *progress) reader(r io.Reader) io.Reader { return countingReader{r, g} }

type countingReader struct {
	io.Reader
	progress *progress
}

func (c countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.progress.add(int64(n))
	return n, err
}

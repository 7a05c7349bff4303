package feed

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/godwitkv/godwit/internal/pause"
)

const (
	// stretch is for how long a walk works before it looks whether there are
	// requests: one of them may have to wait for so long.
	stretch = 50 * time.Microsecond
	// restFor is how many times as long as its last stretch a walk rests while there
	// are requests: it takes a fifth of one processor. Where the stretch took long
	// because others had the processor, the rest is longer as well.
	restFor = 4
	// longestRest is what makes a walk come to its end however busy the node is.
	longestRest = 10 * time.Millisecond
	// lookEvery is how many records go by between two looks at the clock.
	lookEvery = 8
)

// paces is what those who read all of the store share: there are as many as walk
// or catch up at once.
type paces struct {
	requests func() uint64 // how many the node has answered so far; nil: none
	own      atomic.Uint64 // of them, by the server itself
	at       atomic.Int64  // paces at work
}

func (p *paces) answered() uint64 {
	n := p.own.Load()
	if p.requests != nil {
		n += p.requests()
	}
	return n
}

// pace lets a walk, or a round of catching up, use what of the processor requests
// leave: all of it as long as there is none. It is for one goroutine.
type pace struct {
	all   *paces
	seen  uint64    // requests, when the stretch began
	began time.Time // the stretch; zero: not yet
	count int
}

// begin is told that the work begins. The caller calls end.
func (p *pace) begin() {
	p.all.at.Add(1)
	p.seen, p.began, p.count = p.all.answered(), time.Now(), 0
}

// resume is told that the work goes on after a wait for something else.
func (p *pace) resume() { p.began = time.Now() }

func (p *pace) end() { p.all.at.Add(-1) }

// record is called for each record that was read, and rests if that is due.
func (p *pace) record(ctx context.Context) {
	if p.count++; p.count%lookEvery == 0 {
		p.look(ctx)
	}
}

// look rests if that is due.
func (p *pace) look(ctx context.Context) {
	took := time.Since(p.began)
	if took < stretch {
		return
	}
	if n := p.all.answered(); n != p.seen {
		p.seen = n
		pause.For(ctx, min(restFor*took*time.Duration(p.all.at.Load()), longestRest))
	} else {
		runtime.Gosched()
	}
	p.resume()
}

package jetstream

import (
	"context"
	"time"

	"github.com/godwitkv/godwit/internal/pause"
)

const (
	askAgain = 200 * time.Millisecond
	// blindProbe is how often a batch is sent whatever the stream says of its quorum.
	blindProbe = 10 * time.Second
)

// lookOut asks, for as long as there is no quorum, whether there is one again, until ctx
// ends. To send batches instead would ask the log itself, but a leader that is cut off
// keeps what it is sent. Once it is back, NATS (2.15) takes that from it entry by entry, a
// second or three for each, and until then the log does not count on it.
func (p *proposer) lookOut(ctx context.Context) error {
	for pause.For(ctx, askAgain) {
		if !p.blind() {
			continue
		}
		ask, cancel := context.WithTimeout(ctx, askWait)
		_, err := p.stream.State(ask)
		cancel()
		if err == nil {
			p.see()
		}
	}
	return nil
}

// blind tells whether there was no quorum, and nothing says that there is.
func (p *proposer) blind() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost && !p.seen
}

func (p *proposer) see() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = true
}

// probes tells whether a batch without a writer is to leave. It needs p.mu held.
func (p *proposer) probes(now time.Time) bool {
	every := probeEvery
	if p.lost && !p.seen {
		every = blindProbe
	}
	return len(p.flights) == 0 && now.Sub(p.left) >= every
}

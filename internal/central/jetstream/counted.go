package jetstream

import (
	"context"
	"time"

	"github.com/godwitkv/godwit/internal/pause"
)

// quorate is a stream that is kept by the members' own servers, and knows whether this
// one's counts among them.
type quorate interface {
	Counts(ctx context.Context) (bool, error)
}

const (
	countPause = 200 * time.Millisecond
	// countWithin bounds the wait: a member that can answer must not be held back for ever.
	countWithin = time.Minute
)

// countIn waits until the log counts on this member. One that took the place of another is
// registered and has all that was written before it does: who stopped a second member then
// would leave the log without a quorum. That holds, too, while its server gets again what
// it lacks after it was cut off: upkeep asks from then on.
func (m *Member) countIn(ctx context.Context) error {
	s, ok := m.cfg.Stream.(quorate)
	for left := countWithin; ok && ctx.Err() == nil && !m.counted.Load() && !m.counts(ctx, s); {
		if left <= 0 {
			m.log.Warn("the log does not count on this member yet: a stop of another may leave it without a quorum")
			break
		}
		pause.For(ctx, countPause)
		if m.registered.Load() {
			left -= countPause
		}
	}
	m.counted.Store(true)
	return nil
}

func (m *Member) counts(ctx context.Context, s quorate) bool {
	if !m.registered.Load() { // it may be another's place
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	counts, err := s.Counts(ctx)
	return counts && err == nil
}

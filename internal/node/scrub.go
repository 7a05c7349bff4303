package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/godwitkv/godwit/internal/api/native"
	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/scrub"
	"github.com/godwitkv/godwit/internal/store"
)

// ErrCopyAgain is what a node ends with whose database is damaged, and that others have
// a copy of: opened again, it becomes a new copy.
var ErrCopyAgain = errors.New("the database is damaged: the node begins anew as a copy of another")

// validateScrub returns what is wrong with how often and how fast the disk is read.
func (c *Config) validateScrub() (problems []error) {
	if c.ScrubEvery != 0 && (c.ScrubEvery < scrub.MinEvery || c.ScrubEvery > scrub.MaxEvery) {
		problems = append(problems, fmt.Errorf("--scrub-every: %v is neither 0 nor between %v and %v", c.ScrubEvery, scrub.MinEvery, scrub.MaxEvery))
	}
	if c.ScrubRate < scrub.MinRate || c.ScrubRate > scrub.MaxRate {
		problems = append(problems, fmt.Errorf("--scrub-rate: %d bytes a second is not between %d and %d", c.ScrubRate, scrub.MinRate, int64(scrub.MaxRate)))
	}
	return problems
}

func (n *Node) openScrub(ctx context.Context) error {
	cfg := scrub.Config{
		Store: n.store, Every: n.cfg.ScrubEvery, Rate: n.cfg.ScrubRate, Now: n.now, Logger: n.cfg.Logger, Metrics: n.cfg.Metrics,
	}
	if e := n.edge.Load(); e != nil {
		cfg.Absent, cfg.Broken = e.Awaits, func() bool { return n.copyAgain(e.CanCopy) }
		cfg.Fetch = func(ctx context.Context, d store.Damage) (io.ReadCloser, error) {
			return e.Fetch(ctx, d.Namespace, d.Key, d.Revision, d.Blob)
		}
	}
	if m := n.member.Load(); m != nil {
		cfg.Broken = func() bool { return n.copyAgain(m.CanCopy, jetstream.IdentityNote) }
		cfg.Fetch = func(ctx context.Context, d store.Damage) (io.ReadCloser, error) {
			return m.Fetch(ctx, n.joiner, d.Namespace, d.Key, d.Revision, d.Blob)
		}
	}
	s := scrub.New(cfg)
	if err := s.Open(ctx); err != nil {
		return fmt.Errorf("open scrub: %w", err)
	}
	n.scrub = s
	return nil
}

// copyAgain has the node end, and begin anew when it is opened again, if there is
// somebody to copy from. It keeps some of the store's notes.
func (n *Node) copyAgain(can func() bool, notes ...string) bool {
	if !can() {
		return false
	}
	if err := n.store.CopyAgain(notes...); err != nil {
		n.cfg.Logger.Error("mark the damaged database", slog.String(logError, err.Error()))
		return false
	}
	select {
	case n.again <- struct{}{}:
	default: // it is ending
	}
	return true
}

// awaitAgain ends the node once it is to become a new copy.
func (n *Node) awaitAgain(ctx context.Context) error {
	select {
	case <-n.again:
		return ErrCopyAgain
	case <-ctx.Done():
		return nil
	}
}

// startScrub begins a pass at once, and returns how it stands.
func (n *Node) startScrub() native.Scrub {
	n.scrub.Start()
	return n.scrubStatus()
}

// scrubStatus is how the scrub stands, as the API tells it.
func (n *Node) scrubStatus() native.Scrub {
	s := n.scrub.Status()
	return native.Scrub{
		Running: s.Running, Began: s.Began, Bytes: s.Bytes, Found: s.Found, Mended: s.Mended, Unmended: s.Unmended, Next: s.Next,
		LastBegan: s.LastBegan, LastEnded: s.LastEnded, LastBytes: s.LastBytes, LastFound: s.LastFound, LastMended: s.LastMended,
		EverySeconds: int64(n.cfg.ScrubEvery / time.Second), BytesPerSecond: n.cfg.ScrubRate,
	}
}

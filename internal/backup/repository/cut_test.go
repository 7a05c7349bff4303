package repository_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"filippo.io/age"

	"github.com/godwitkv/godwit/internal/backup/place"
	"github.com/godwitkv/godwit/internal/backup/repository"
)

// cutting is a place that keeps half of the next chunk that is put, and counts them.
type cutting struct {
	place.Place
	cut  atomic.Bool
	puts atomic.Int64
}

func (c *cutting) Put(ctx context.Context, name string, b []byte) error {
	if strings.HasPrefix(name, "chunks/") {
		c.puts.Add(1)
		if c.cut.Swap(false) {
			b = b[:len(b)/2]
		}
	}
	return c.Place.Put(ctx, name, b)
}

// TestCutChunk: an object that a run has left cut off is written again by the next, and
// one that is as it should be is not.
func TestCutChunk(t *testing.T) {
	t.Parallel()
	id, err := age.GenerateX25519Identity()
	check(t, err)
	for name, recipients := range map[string][]age.Recipient{"plain": nil, "encrypted": {id.Recipient()}} {
		t.Run(name, func(t *testing.T) {
			p := &cutting{Place: place.NewDirectory(filepath.Join(t.TempDir(), "depot"))}
			cfg := repository.Config{Place: p, Recipients: recipients}
			s := state(100)
			if recipients != nil {
				cfg.Identities = []age.Identity{id}
				s.Key = repository.NewKey()
			}
			r, err := repository.New(cfg)
			check(t, err)
			defer r.Close()
			run := func() (*repository.Backup, error) {
				w, err := r.Begin(t.Context(), s)
				check(t, err)
				check(t, w.Add(record("a", strings.Repeat("some value ", 1000), 50), nil))
				return w.End(t.Context(), nil)
			}
			p.cut.Store(true)
			if _, err := run(); err == nil || !strings.Contains(err.Error(), "run it again") {
				t.Errorf("the cut was not found: %v", err)
			}
			b, err := run()
			check(t, err)
			check(t, r.Verify(t.Context(), []string{b.ID}))

			check(t, p.Delete(t.Context(), "backups/"+b.ID)) // as if it had been killed
			p.puts.Store(0)
			b, err = run()
			check(t, err)
			if n := p.puts.Load(); n != 0 {
				t.Errorf("%d chunks that were there were written", n)
			}
			check(t, r.Verify(t.Context(), []string{b.ID}))
		})
	}
}

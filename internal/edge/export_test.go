package edge

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// What reads and writes ask of the follower and of the values.

func (e *Edge) Asks() *feed.Client             { return e.follow.upstream() }
func (e *Edge) Lost(c *feed.Client, err error) { e.follow.lost(c, err) }
func (e *Edge) Bind(ctx context.Context, c *feed.Client) (context.Context, context.CancelFunc) {
	return e.follow.bind(ctx, c)
}
func (e *Edge) Staleness() (time.Duration, bool) { return e.follow.staleness() }

func (e *Edge) FetchValue(ctx context.Context, ns godwit.NamespaceID, entry *godwit.Entry) (io.ReadCloser, error) {
	return e.values.open(ctx, ns, entry)
}
func (e *Edge) Uploaded(b godwit.Blob) { e.values.uploaded(b) }
func (e *Edge) Decided(b godwit.Blob)  { e.values.decided(b) }
func (e *Edge) KeptValues() int {
	e.values.kept.mu.Lock()
	defer e.values.kept.mu.Unlock()
	return e.values.kept.order.Len()
}

// SetCopied makes of what tx leaves a complete copy that an earlier process made.
func SetCopied(tx *store.Tx, carries feed.Filter) {
	text, _ := json.Marshal(note{Copied: true, Account: "a", Carries: &carries})
	tx.SetNote(noteName, text)
}

var MayReplace = mayReplace

// SetMaxQueue bounds how many values wait.
func (e *Edge) SetMaxQueue(n int) {
	e.values.queue.mu.Lock()
	defer e.values.queue.mu.Unlock()
	e.values.queue.most = n
}

// Fresh tells whether the copy has missed nothing for longer than most.
func (e *Edge) Fresh(most time.Duration) bool {
	d, ok := e.follow.age()
	return ok && d <= most
}

// Comeback bounds how often an upstream is left for one that is preferred.
type Comeback struct{ comeback }

func (c *Comeback) Due(now time.Time) bool           { return c.due(now) }
func (c *Comeback) Follows(index int, now time.Time) { c.follows(index, now) }
func (c *Comeback) Leaves(index int, now time.Time)  { c.leaves(index, now) }

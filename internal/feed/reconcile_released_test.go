package feed_test

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/godwitkv/godwit/internal/feed"
)

// holder is a context that counts those made of it which were not released yet.
type holder struct {
	context.Context
	done chan struct{}
	held *atomic.Int64
}

func (h holder) Done() <-chan struct{} { return h.done }
func (h holder) Value(any) any         { return nil } // or it is known for one of the standard library's
func (h holder) AfterFunc(func()) func() bool {
	h.held.Add(1)
	return func() bool { h.held.Add(-1); return true }
}

// TestReconcileReleasesItsContext: those that find no upstream leave nothing in the
// context of whoever tries on and on.
func TestReconcileReleasesItsContext(t *testing.T) {
	c := newTwin(t, newClock(), answers(http.StatusServiceUnavailable, "text/plain", nil))
	ctx := holder{t.Context(), make(chan struct{}), new(atomic.Int64)}
	r := feed.Reconcile{Store: c.Store, Client: c.client, Logger: slog.New(slog.DiscardHandler), Now: c.clock.Now}
	for range 3 {
		if _, err := r.Run(ctx); err == nil {
			t.Error("it came to its end")
		}
	}
	if n := ctx.held.Load(); n != 0 {
		t.Errorf("%d are left", n)
	}
}

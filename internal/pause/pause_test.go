package pause_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit/internal/pause"
)

func TestFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if on := pause.For(t.Context(), time.Minute); !on || time.Since(began) != time.Minute {
			t.Errorf("%t after %v", on, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began = time.Now()
		if on := pause.For(ctx, time.Hour); on || time.Since(began) != time.Second {
			t.Errorf("%t after %v", on, time.Since(began))
		}
		for _, d := range []time.Duration{-1, 0} {
			if pause.For(ctx, d) || !pause.For(t.Context(), d) {
				t.Errorf("for %d a context that has ended goes on, or one that has not does not", d)
			}
		}
	})
}

package steady_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit/internal/steady"
)

// TestJumps: a jump is believed once it has lasted, ahead as well as back, and until then
// the clock is never ahead of what it would be without.
func TestJumps(t *testing.T) {
	for name, jump := range map[string]time.Duration{
		"ahead": time.Hour, "back": -time.Hour, "ten years ahead": 10 * 365 * 24 * time.Hour, "a little": 5 * time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				off := time.Duration(0)
				c := steady.New(func() time.Time { return time.Now().Add(off).Round(0) }, steady.Doubt)
				ahead := func() time.Duration { return c.Now().Sub(time.Now().Round(0)) }
				time.Sleep(time.Hour)
				if got := ahead(); got != 0 {
					t.Errorf("%v before it", got)
				}
				off = jump
				doubted := min(jump, 0)
				if jump.Abs() < 10*time.Second {
					doubted = jump
				}
				for range 59 {
					if got := ahead(); got != doubted {
						t.Fatalf("%v while it is doubted, want %v", got, doubted)
					}
					time.Sleep(time.Second)
				}
				time.Sleep(2 * time.Second)
				if got := ahead(); got != jump {
					t.Errorf("%v once it has lasted", got)
				}
			})
		})
	}
}

// TestJumpAndBack: of a jump for some seconds nothing is left.
func TestJumpAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		off := time.Duration(0)
		c := steady.New(func() time.Time { return time.Now().Add(off).Round(0) }, steady.Doubt)
		for _, jump := range []time.Duration{time.Hour, -time.Hour} {
			off = jump
			c.Now()
			time.Sleep(4 * time.Second)
			c.Now()
			off = 0
			if got := c.Now().Sub(time.Now().Round(0)); got != 0 {
				t.Errorf("%v after %v and back", got, jump)
			}
			time.Sleep(2 * time.Minute) // a later jump is doubted anew
		}
		off = time.Hour
		if got := c.Now().Sub(time.Now().Round(0)); got != 0 {
			t.Errorf("%v at once", got)
		}
	})
}

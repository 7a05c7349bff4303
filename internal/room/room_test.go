package room_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/room"
)

// TestHalfForEach: one owner has half, whether it tries or waits, and all that it left
// is there again.
func TestHalfForEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := room.New(8)
		first, second, other, nobody := r.Enter("one"), r.Enter("one"), r.Enter("other"), r.Enter("")
		if !first.TryTake(3) || first.TryTake(2) || second.TryTake(2) || !second.TryTake(1) {
			t.Error("one owner has another part than half")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := second.Take(ctx, 1); err == nil {
			t.Error("one owner has more than half")
		}
		if err := other.Take(t.Context(), 4); err != nil {
			t.Errorf("another owner's half: %v", err)
		}
		if nobody.TryTake(1) {
			t.Error("there is more than all")
		}
		time.AfterFunc(time.Minute, first.Leave)
		if err := second.Take(t.Context(), 3); err != nil {
			t.Errorf("what was left: %v", err)
		}
		second.Leave()
		other.Leave()
		if !nobody.TryTake(8) {
			t.Error("not all of it is there again")
		}
		nobody.Leave()
		if n := r.Owners(); n != 0 {
			t.Errorf("%d owners are remembered", n)
		}
	})
}

// TestRefusedTakesNothing: who finds no room in all has none of its own taken.
func TestRefusedTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := room.New(4)
		all, own := r.Enter(""), r.Enter("one")
		if !all.TryTake(4) || own.TryTake(2) {
			t.Fatal("there is more than all")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := own.Take(ctx, 2); err == nil {
			t.Fatal("there is more than all")
		}
		all.Leave()
		if !own.TryTake(2) {
			t.Error("its own share is gone")
		}
		own.Leave()
		if one := room.New(1).Enter("one"); !one.TryTake(1) {
			t.Error("an owner has nothing of 1")
		}
	})
}

// trickle sends n bytes each time, after a while.
type trickle struct {
	n     int
	after time.Duration
	left  int
	come  int // of the n bytes, that were not read yet
}

func burst(n int, after time.Duration, all int) *trickle {
	return &trickle{n: n, after: after, left: all}
}

func (b *trickle) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	if b.come == 0 {
		time.Sleep(b.after)
		b.come = min(b.n, b.left)
	}
	n := min(b.come, len(p))
	b.come -= n
	b.left -= n
	return n, nil
}

// TestHurried: a body may be slow for half a minute, however it began, and no longer.
func TestHurried(t *testing.T) {
	for name, tc := range map[string]struct {
		body *trickle
		held bool
		ok   bool
	}{
		"fast":                       {burst(1<<20, time.Second, 100<<20), true, true},
		"just fast enough":           {burst(32<<10, time.Second, 20<<20), true, true},
		"in bursts":                  {burst(1<<20, 29*time.Second, 20<<20), true, true},
		"too slow":                   {burst(16<<10, time.Second, 20<<20), true, false},
		"too slow, without room":     {burst(16<<10, time.Second, 20<<20), false, true},
		"slow, and over soon":        {burst(16<<10, time.Second, 400<<10), true, true},
		"a byte now and then":        {burst(1, 29*time.Second, 1000), true, false},
		"one that is long in coming": {burst(1<<20, 31*time.Second, 20<<20), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, err := io.Copy(io.Discard, room.Hurried(tc.body, func() bool { return tc.held }))
				if tc.ok && err != nil || !tc.ok && godwit.CodeOf(err) != godwit.CodeUnavailable {
					t.Error(err)
				}
			})
		})
	}
}

// TestHurriedAfterABurst: what came fast before is no excuse, and an error stays.
func TestHurriedAfterABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r := room.Hurried(io.MultiReader(burst(1<<20, 0, 100<<20), burst(1, 10*time.Second, 1<<20)), nil)
		_, err := io.Copy(io.Discard, r)
		if godwit.CodeOf(err) != godwit.CodeUnavailable || time.Since(began) > time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if _, again := r.Read(make([]byte, 1)); again != err {
			t.Errorf("then %v", again)
		}
	})
}

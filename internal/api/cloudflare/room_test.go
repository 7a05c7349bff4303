package cloudflare_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api/cloudflare"
)

// TestRoomsNeverDeadlock has more bodies than fit, all of which grow together.
func TestRoomsNeverDeadlock(t *testing.T) {
	rooms := cloudflare.NewRooms(8 * cloudflare.RoomStep)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			room := rooms.Enter(t.Context())
			defer room.Leave()
			for range 100 {
				if err := room.Grow(cloudflare.RoomStep / 4); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestRoomsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rooms := cloudflare.NewRooms(2 * cloudflare.RoomStep)
		full, over := rooms.Enter(t.Context()), rooms.Enter(t.Context())
		for _, grown := range []error{full.Grow(3 * cloudflare.RoomStep), over.Grow(50 * cloudflare.RoomStep)} {
			if grown != nil {
				t.Fatal(grown)
			}
		}
		small, late := rooms.Enter(t.Context()), rooms.Enter(t.Context())
		if err := small.Grow(cloudflare.RoomStep); err != nil {
			t.Errorf("a small body has to wait: %v", err)
		}
		start := time.Now()
		if err := late.Grow(2 * cloudflare.RoomStep); godwit.CodeOf(err) != godwit.CodeUnavailable || time.Since(start) != 2*time.Minute {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		gone, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := rooms.Enter(gone).Grow(2 * cloudflare.RoomStep); err == nil {
			t.Error("a body whose client has gone has room")
		}
		time.AfterFunc(time.Minute, full.Leave)
		if err := late.Grow(0); err != nil {
			t.Errorf("room that was given back: %v", err)
		}
		late.Leave()
		over.Leave()
	})
}

// TestRoomsOfALimitedToken: it has half of the steps, and one body of it may take more;
// others have theirs.
func TestRoomsOfALimitedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const step = cloudflare.RoomStep
		rooms := cloudflare.NewRooms(8 * step)
		large, slow, late := rooms.EnterAs(t.Context(), "one"), rooms.EnterAs(t.Context(), "one"), rooms.EnterAs(t.Context(), "one")
		for _, err := range []error{large.Grow(5 * step), slow.Grow(50 * step)} { // four steps, and more than there is
			if err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		if err := late.Grow(2 * step); godwit.CodeOf(err) != godwit.CodeUnavailable || time.Since(start) != 2*time.Minute {
			t.Errorf("a third body of it: %v after %v", err, time.Since(start))
		}
		start = time.Now()
		other, all := rooms.EnterAs(t.Context(), "other"), rooms.Enter(t.Context())
		for _, err := range []error{other.Grow(3 * step), all.Grow(50 * step)} {
			if err != nil || time.Since(start) != 0 {
				t.Errorf("another's: %v after %v", err, time.Since(start))
			}
		}
		time.AfterFunc(time.Minute, large.Leave)
		if err := late.Grow(0); err != nil {
			t.Errorf("room that was given back: %v", err)
		}
		for _, r := range []*cloudflare.Room{slow, late, other, all} {
			r.Leave()
		}
		if n := rooms.Owners(); n != 0 {
			t.Errorf("%d owners are remembered", n)
		}
	})
}

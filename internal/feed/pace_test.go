package feed_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// TestPace: a walk works without a break as long as there are no requests, takes
// its share of the time while there are, shares that with others, and comes to its
// end however slowly the process gets on.
func TestPace(t *testing.T) {
	const records = 1000
	for name, tc := range map[string]struct {
		busy     bool
		others   int
		each     time.Duration // that a record takes
		from, to time.Duration // how long the walk may take
	}{
		"nobody asks":        {false, 0, 50 * time.Microsecond, 50 * time.Millisecond, 50 * time.Millisecond},
		"requests come":      {true, 0, 50 * time.Microsecond, 200 * time.Millisecond, 260 * time.Millisecond},
		"another walks, too": {true, 1, 50 * time.Microsecond, 300 * time.Millisecond, 500 * time.Millisecond},
		"all is slow":        {true, 3, 5 * time.Millisecond, 5 * time.Second, 6500 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			asked := uint64(0)
			paces := feed.NewPaces(func() uint64 {
				if tc.busy {
					asked++
				}
				return asked
			})
			for range tc.others {
				other := paces.Begin()
				defer other.End()
			}
			p := paces.Begin()
			defer p.End()
			start := time.Now()
			for range records {
				time.Sleep(tc.each)
				p.Record(t.Context())
			}
			if took := time.Since(start); took < tc.from || took > tc.to {
				t.Errorf("%s: took %v, want %v to %v", name, took, tc.from, tc.to)
			}
		})
	}
}

// TestRequestsOfFollowersCount: walks leave the processor to what followers pass
// on as well, and not to what a copy under way asks itself.
func TestRequestsOfFollowersCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := uint64(5)
		s := newServed(t, store.Config{}, func(c *feed.ServerConfig) { c.Requests = func() uint64 { return asked } })
		s.namespace("site")
		before := s.server.Answered()
		c := s.client(rootToken)
		_, _, _ = c.Identify(t.Context(), "nobody's") // the answer does not matter
		s.walk(feed.WalkRequest{}, 10, func() {})
		asked++
		if got := s.server.Answered() - before; got != 2 {
			t.Errorf("%d requests counted, want 2", got)
		}
	})
}

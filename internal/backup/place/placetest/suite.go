package placetest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/internal/backup/place"
)

// Suite is what every place must do. open returns an empty one.
func Suite(t *testing.T, open func(testing.TB) place.Place) {
	t.Run("objects", func(t *testing.T) { objects(t, open(t)) })
	t.Run("list", func(t *testing.T) { list(t, open(t)) })
	t.Run("names", func(t *testing.T) { names(t, open(t)) })
	t.Run("together", func(t *testing.T) { together(t, open(t)) })
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = rng.Read(b)
	return b
}

// objects: what was put is there, in place of what was; what is gone is not.
func objects(t *testing.T, p place.Place) {
	ctx := t.Context()
	if _, err := p.Get(ctx, "a/none", 10); !errors.Is(err, place.ErrNotFound) {
		t.Errorf("an object that is not there: %v", err)
	}
	check(t, p.Delete(ctx, "a/none"))
	for _, n := range []int{0, 1, 70_000, 9 << 20} {
		b := random(n)
		check(t, p.Put(ctx, "a/b/Object-1.json", b))
		got, err := p.Get(ctx, "a/b/Object-1.json", int64(n))
		check(t, err)
		if !bytes.Equal(got, b) {
			t.Errorf("%d bytes: got %d", n, len(got))
		}
		if n == 0 {
			continue
		}
		if _, err := p.Get(ctx, "a/b/Object-1.json", int64(n)-1); !errors.Is(err, place.ErrTooLarge) {
			t.Errorf("%d bytes where %d are taken: %v", n, n-1, err)
		}
	}
	check(t, p.Delete(ctx, "a/b/Object-1.json"))
	if _, err := p.Get(ctx, "a/b/Object-1.json", 10); !errors.Is(err, place.ErrNotFound) {
		t.Errorf("an object that is gone: %v", err)
	}
}

// list: all objects under a prefix, more than come at once, with sizes and times.
func list(t *testing.T, p place.Place) {
	ctx := t.Context()
	all := func(prefix string) (names []string) {
		check(t, p.List(ctx, prefix, func(o place.Object) error {
			names = append(names, fmt.Sprintf("%s %d", o.Name, o.Size))
			if age := time.Since(o.Modified); age < -time.Hour || age > time.Hour {
				t.Errorf("%s was put at %s", o.Name, o.Modified)
			}
			return nil
		}))
		slices.Sort(names)
		return names
	}
	if got := all(""); len(got) != 0 {
		t.Errorf("an empty place has %v", got)
	}
	var want []string
	for i := range 1100 {
		name := fmt.Sprintf("many/%02x/%04d", i%7, i)
		check(t, p.Put(ctx, name, random(i%5)))
		want = append(want, fmt.Sprintf("%s %d", name, i%5))
	}
	check(t, p.Put(ctx, "manyother/x", nil))
	slices.Sort(want)
	if diff := cmp.Diff(want, all("many/")); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
	if got := all("none/"); len(got) != 0 {
		t.Errorf("nothing has %v", got)
	}
	if got := all(""); len(got) != 1101 {
		t.Errorf("all are %d", len(got))
	}
	stop := errors.New("stop")
	if err := p.List(ctx, "many/", func(place.Object) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("a list that is ended: %v", err)
	}
}

// names: what leaves the place, or is no name, is refused.
func names(t *testing.T, p place.Place) {
	ctx := t.Context()
	for _, name := range []string{"", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", ".a", "a\\b", "a b", "ö", "a\x00"} {
		_, err := p.Get(ctx, name, 10)
		if err == nil || errors.Is(err, place.ErrNotFound) {
			t.Errorf("get %q: %v", name, err)
		}
		if p.Put(ctx, name, []byte("x")) == nil || p.Delete(ctx, name) == nil {
			t.Errorf("%q was taken", name)
		}
	}
}

// together: many put and get at once.
func together(t *testing.T, p place.Place) {
	var running sync.WaitGroup
	for i := range 8 {
		running.Go(func() {
			name := fmt.Sprintf("x/%d", i%4) // two of each name
			for range 5 {
				if err := p.Put(t.Context(), name, random(100_000)); err != nil {
					t.Error(err)
					return
				}
				if got, err := p.Get(t.Context(), name, 100_000); err != nil || !bytes.Equal(got, random(100_000)) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			}
		})
	}
	running.Wait()
}

package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/apitest"
	"github.com/godwitkv/godwit/internal/catalog"
)

// stalling is a body that sends size bytes, then waits for more.
type stalling struct {
	size int
	more <-chan struct{}
}

func (s *stalling) Read(p []byte) (int, error) {
	if s.size == 0 {
		<-s.more
		return 0, io.EOF
	}
	n := min(len(p), s.size)
	s.size -= n
	return n, nil
}

// as is the context of one of several clients.
func as(t *testing.T, client int) context.Context {
	return godwit.WithCredential(t.Context(), fmt.Sprint("client ", client))
}

// TestOneClientCannotTakeAllUploads: whoever stalls as many large values as there
// may be holds up itself, and nobody else.
func TestOneClientCannotTakeAllUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := apitest.Open(t)
		ns := env.Namespace(t, "site")
		more := make(chan struct{})
		var slow sync.WaitGroup
		refused := make(chan error, api.MaxLargeUploads)
		for i := range api.MaxLargeUploads {
			slow.Go(func() {
				key := fmt.Appendf(nil, "slow%d", i)
				if _, err := env.Service.Put(as(t, 0), ns, api.Put{Key: key, Body: &stalling{100_000, more}}); err != nil {
					refused <- err
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		if _, err := env.Service.Put(as(t, 1), ns, api.Put{Key: []byte("large"), Body: bytes.NewReader(make([]byte, 100_000))}); err != nil || time.Since(start) > 0 {
			t.Errorf("another client's put: %v after %v", err, time.Since(start))
		}
		close(more)
		slow.Wait()
		close(refused)
		for err := range refused {
			if godwit.CodeOf(err) != godwit.CodeUnavailable {
				t.Error(err)
			}
		}
		if n := env.Service.UploadShares(); n != 0 {
			t.Errorf("%d clients are remembered", n)
		}
	})
}

// TestLimitedTokensCannotTakeAllUploads: as many tokens that are limited to namespaces as
// there may be, all of which stall, hold up each other, and nobody else.
func TestLimitedTokensCannotTakeAllUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := apitest.Open(t)
		ns := env.Namespace(t, "site")
		limited := &catalog.Principal{Token: &godwit.Token{ID: "one", Namespaces: []godwit.NamespaceID{ns.ID}}}
		more := make(chan struct{})
		var slow sync.WaitGroup
		var refused atomic.Int64
		for i := range api.MaxLargeUploads {
			slow.Go(func() {
				ctx := api.WithLimited(as(t, i), limited)
				if _, err := env.Service.Put(ctx, ns, api.Put{Key: fmt.Appendf(nil, "slow%d", i), Body: &stalling{100_000, more}}); err != nil {
					refused.Add(1)
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		if _, err := env.Service.Put(as(t, -1), ns, api.Put{Key: []byte("large"), Body: bytes.NewReader(make([]byte, 100_000))}); err != nil || time.Since(start) > 0 {
			t.Errorf("a put with another token: %v after %v", err, time.Since(start))
		}
		time.Sleep(31 * time.Second) // of the bubble: the others have waited for long enough
		close(more)
		slow.Wait()
		if n := refused.Load(); n != api.MaxLargeUploads-api.MaxUploadsLimited {
			t.Errorf("%d were refused, want %d", n, api.MaxLargeUploads-api.MaxUploadsLimited)
		}
	})
}

// trickle is a body of so many bytes, of which some come every ten seconds.
type trickle struct{ left, some, come int }

func (b *trickle) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	if b.come == 0 {
		time.Sleep(10 * time.Second)
		b.come = min(b.some, b.left)
	}
	n := min(len(p), b.come)
	b.come -= n
	b.left -= n
	return n, nil
}

// TestSlowLargeUploads: a value that others may wait for is given up if it comes too
// slowly. No small one is, nor a large one that comes in bursts.
func TestSlowLargeUploads(t *testing.T) {
	for name, tc := range map[string]struct {
		size, some int
		ok         bool
	}{
		"large, in a trickle": {2 << 20, 20_000, false},
		"small, in a trickle": {60_000, 1_000, true},
		"large, fast enough":  {20 << 20, 400_000, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				env := apitest.Open(t)
				ns := env.Namespace(t, "site")
				body := &trickle{left: tc.size, some: tc.some}
				_, err := env.Service.Put(t.Context(), ns, api.Put{Key: []byte("k"), Body: body})
				if tc.ok && err != nil || !tc.ok && (godwit.CodeOf(err) != godwit.CodeUnavailable || !strings.Contains(err.Error(), "too slowly")) {
					t.Error(err)
				}
				if n := env.Service.UploadShares(); n != 0 {
					t.Errorf("%d slots are held", n)
				}
			})
		})
	}
}

// TestLargeUploadsWaitForEachOther checks that slow large values hold up other
// large ones, for a bounded time, but no small one.
func TestLargeUploadsWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := apitest.Open(t)
		ns := env.Namespace(t, "site")
		more := make(chan struct{})
		var slow sync.WaitGroup
		for i := range api.MaxLargeUploads {
			slow.Go(func() {
				key := fmt.Appendf(nil, "slow%d", i)
				_, err := env.Service.Put(as(t, i%2), ns, api.Put{Key: key, Body: &stalling{100_000, more}})
				if err != nil {
					t.Errorf("a slow put: %v", err)
				}
			})
		}
		synctest.Wait()

		put(t, env, ns, "small", "v")
		small := struct{ io.Reader }{strings.NewReader("streamed")} // of unknown length
		if _, err := env.Service.Put(t.Context(), ns, api.Put{Key: []byte("small"), Body: small}); err != nil {
			t.Errorf("a small put: %v", err)
		}
		start, body := time.Now(), bytes.NewReader(make([]byte, 100_000))
		_, err := env.Service.Put(t.Context(), ns, api.Put{Key: []byte("large"), Body: body})
		if godwit.CodeOf(err) != godwit.CodeUnavailable || time.Since(start) > time.Minute || body.Len() != 0 {
			t.Errorf("one large put too many: %v after %v, %d bytes not read", err, time.Since(start), body.Len())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start = time.Now()
		if _, err := env.Service.Upload(ctx, ns, bytes.NewReader(make([]byte, 100_000))); err == nil || time.Since(start) != 0 {
			t.Errorf("with nobody waiting: %v after %v", err, time.Since(start))
		}

		close(more)
		slow.Wait()
		if _, err := env.Service.Put(t.Context(), ns, api.Put{Key: []byte("large"), Body: bytes.NewReader(make([]byte, 100_000))}); err != nil {
			t.Errorf("a large put after them: %v", err)
		}
	})
}

// TestWriteRateIsBounded checks that a flood of keys is not remembered without
// end, and forgotten afterwards.
func TestWriteRateIsBounded(t *testing.T) {
	limits := godwit.DefaultLimits()
	limits.WritesPerKey = 0.001
	env := apitest.Open(t, apitest.WithLimits(limits), apitest.WithService(func(c *api.Config) {
		c.Log = refusing{c.Log, godwit.ErrBusy}
	}))
	ns := env.Namespace(t, "site")
	for i := range api.MaxRateKeys + api.MaxRateKeys/2 {
		_, _ = env.Service.Delete(t.Context(), ns, api.Delete{Key: fmt.Appendf(nil, "%d", i)})
	}
	if n := env.Service.RateKeys(); n > api.MaxRateKeys || n < api.MaxRateKeys/2 {
		t.Errorf("%d keys remembered, want at most %d", n, api.MaxRateKeys)
	}
	env.Clock.Advance(time.Hour)
	for i := range 1000 { // each shard sweeps when it is next written to
		_, _ = env.Service.Delete(t.Context(), ns, api.Delete{Key: fmt.Appendf(nil, "later%d", i)})
	}
	if n := env.Service.RateKeys(); n > 1000 {
		t.Errorf("%d keys remembered an hour later", n)
	}
}

func TestWritesPerKeyMoreThanOne(t *testing.T) {
	limits := godwit.DefaultLimits()
	limits.WritesPerKey = 4
	env := apitest.Open(t, apitest.WithLimits(limits))
	ns := env.Namespace(t, "site")
	passed := 0
	for range 40 { // four seconds
		if _, err := env.Service.Delete(t.Context(), ns, api.Delete{Key: []byte("k")}); err == nil {
			passed++
		}
		env.Clock.Advance(100 * time.Millisecond)
	}
	if passed < 16 || passed > 20 {
		t.Errorf("%d writes passed in 4 s at 4 a second after a burst of 4", passed)
	}
}

func TestMetrics(t *testing.T) {
	env := apitest.Open(t)
	ns := env.Namespace(t, "site")
	put(t, env, ns, "k", "v")
	get(t, env, ns, "k")
	get(t, env, ns, "absent")
	get(t, env, ns, "..")
	_, _ = env.Service.Authenticate(t.Context(), netip.Addr{}, []byte("wrong"))
	want := map[string]float64{"put ok": 1, "get ok": 1, "get absent": 1, "get refused": 1}
	families, err := env.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "godwit_requests_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			name := m.GetLabel()[0].GetValue() + " " + m.GetLabel()[1].GetValue()
			if got := m.GetCounter().GetValue(); got != want[name] {
				t.Errorf("%s: %v, want %v", name, got, want[name])
			}
			delete(want, name)
		}
	}
	if len(want) != 0 {
		t.Errorf("not counted: %v", want)
	}
}

package load_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwitkv/godwit/bench/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, h http.HandlerFunc) (addr string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func constant(value string) *load.Values {
	return &load.Values{Size: len(value), Append: func(dst []byte) []byte { return append(dst, value...) }}
}

func httpReply() load.Reply { return new(load.HTTPReply) }

// bounded ends a run whose window nothing ends.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestRunSendsWhatTheTemplateSays(t *testing.T) {
	const rate = 60
	var bad, reads, writes atomic.Int64
	var begun atomic.Bool
	enough := make(chan struct{})
	end := sync.OnceFunc(func() { close(enough) })
	addr := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("A") != "b" || !strings.HasPrefix(r.RequestURI, "/k00000000") || r.URL.RawQuery != "x=1" {
			bad.Add(1)
		}
		switch {
		case r.Method == http.MethodPut && string(body) == "value":
			writes.Add(1)
			w.WriteHeader(http.StatusTeapot)
		case begun.Load():
			reads.Add(1)
		}
		if reads.Load() >= 10 && writes.Load() >= 4 {
			end()
		}
	})
	get := load.HTTPRequest("GET", "/", load.Random(10, 1), "?x=1", []string{"A: b"}, nil)
	put := load.HTTPRequest("PUT", "/", load.Sequence(0), "?x=1", []string{"A: b"}, constant("value"))
	edges := 0
	var due float64 // writes at most
	start := time.Now()
	opts := load.Options{CPU: -1, Warmup: 10 * time.Millisecond, Until: enough}
	opts.Begin = func() { edges++; begun.Store(true) }
	opts.End = func() { edges++; due = 1 + rate*time.Since(start).Seconds() }
	results, err := load.Run(bounded(t), opts,
		load.Stream{Addr: addr, Conns: 4, Source: get, Reply: httpReply},
		load.Stream{Addr: addr, Conns: 1, Rate: rate, Source: put, Reply: httpReply})
	if err != nil {
		t.Fatal(err)
	}
	if bad.Load() != 0 || edges != 2 {
		t.Errorf("%d malformed requests, %d edges of the window; want 0, 2", bad.Load(), edges)
	}
	if r := results[0]; r.Requests == 0 || r.Failed != 0 || r.Latency.Count() != r.Requests || r.PerSecond() <= 0 {
		t.Errorf("reads: %d, %d failed", r.Requests, r.Failed)
	}
	arrived := writes.Load()
	if r := results[1]; r.Requests == 0 || r.Failed != r.Requests || arrived < r.Requests || float64(arrived) > due {
		t.Errorf("writes: %d, %d failed, %d arrived, %.1f were due", r.Requests, r.Failed, arrived, due)
	}
}

// A server that stalls once must show in the latency of the requests that
// could not be sent meanwhile. The window ends by their number, so that a slow
// machine makes the stall no smaller a part of it.
func TestRunAtAFixedRateCountsFromWhenARequestWasDue(t *testing.T) {
	var calls atomic.Int64
	enough := make(chan struct{})
	addr := serve(t, func(http.ResponseWriter, *http.Request) {
		switch calls.Add(1) {
		case 50:
			<-time.After(150 * time.Millisecond)
		case 250:
			close(enough)
		}
	})
	get := load.HTTPRequest("GET", "/", nil, "", nil, nil)
	results, err := load.Run(bounded(t), load.Options{CPU: -1, Sleep: true, Until: enough},
		load.Stream{Addr: addr, Conns: 1, Rate: 1000, Source: get, Reply: httpReply})
	if err != nil {
		t.Fatal(err)
	}
	if p75 := results[0].Latency.Quantile(0.75); p75 < 20*time.Millisecond {
		t.Errorf("a stall of a third of the time does not show: p75 %v", p75)
	}
}

func TestRunWritesRequestsLargerThanASocketTakes(t *testing.T) {
	const conns = 2
	body := strings.Repeat("v", 8<<20)
	var bodies atomic.Int64
	enough := make(chan struct{})
	addr := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n, err := io.Copy(io.Discard, r.Body); err != nil || n != int64(len(body)) {
			w.WriteHeader(http.StatusBadRequest)
		}
		if bodies.Add(1) == conns+1 { // so one connection had its answer
			close(enough)
		}
	})
	put := load.HTTPRequest("PUT", "/", nil, "", nil, constant(body))
	results, err := load.Run(bounded(t), load.Options{CPU: 0, Until: enough},
		load.Stream{Addr: addr, Conns: conns, Source: put, Reply: httpReply})
	if err != nil {
		t.Fatal(err)
	}
	if r := results[0]; r.Requests == 0 || r.Failed != 0 {
		t.Errorf("%d requests, %d failed", r.Requests, r.Failed)
	}
}

func TestRunNamesWhatBreaks(t *testing.T) {
	get := load.HTTPRequest("GET", "/", nil, "", nil, nil)
	one := func(addr string) load.Stream {
		return load.Stream{Addr: addr, Conns: 1, Source: get, Reply: httpReply}
	}
	closing := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Connection", "close") })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for name, addr := range map[string]string{"closed": closing, "refused": nobody, "no port": "127.0.0.1"} {
		if _, err := load.Run(t.Context(), load.Options{CPU: -1, Duration: time.Minute}, one(addr)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	open := serve(t, func(http.ResponseWriter, *http.Request) {})
	if _, err := load.Run(ctx, load.Options{CPU: -1, Duration: time.Minute}, one(open)); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: error %v", err)
	}
}

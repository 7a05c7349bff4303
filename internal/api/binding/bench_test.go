package binding_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/godwitkv/godwit/internal/api/apitest"
	"github.com/godwitkv/godwit/internal/api/binding"
	"github.com/godwitkv/godwit/internal/trace"
)

// BenchmarkGetHit is a get of a hot key of 288 bytes over a connection in
// memory, client and all. empty is a handler that does nothing, in the same
// server otherwise: the difference is ours.
func BenchmarkGetHit(b *testing.B) {
	env := apitest.Open(b)
	ns := env.Namespace(b, "bench")
	head := "Host: fake-host\r\nCF-KV-FLPROD-405: https://fake-host/hot?urlencoded=true\r\n" +
		"Authorization: Bearer " + env.RootToken + "\r\nGodwit-Namespace: " + ns.ID.String() + "\r\n"
	get := "GET /hot?urlencoded=true HTTP/1.1\r\n" + head + "\r\n"
	value := strings.Repeat("v", 288)

	run := func(name string, tracer *trace.Tracer) {
		b.Run(name, func(b *testing.B) { benchmarkGet(b, env, tracer, head, value, get) })
	}
	run("godwit", nil)
	never := sdk.NewTracerProvider(sdk.WithSampler(sdk.NeverSample()))
	run("traced, none sampled", trace.New(never))
	always := sdk.NewTracerProvider(sdk.WithSampler(sdk.AlwaysSample()))
	run("traced, all sampled", trace.New(always))
	b.Run("empty", func(b *testing.B) {
		s := &fasthttp.Server{NoDefaultDate: true, NoDefaultServerHeader: true, Handler: func(ctx *fasthttp.RequestCtx) {
			ctx.Response.SetBodyRaw([]byte(value))
		}}
		pipe := fasthttputil.NewPipeConns()
		served := make(chan error, 1)
		go func() { served <- s.ServeConn(pipe.Conn1()) }()
		exchange(b, pipe.Conn2(), get, get)
		<-served
	})
}

// benchmarkGet is a get by a server that tells tracer, which may be nil, of it.
func benchmarkGet(b *testing.B, env *apitest.Env, tracer *trace.Tracer, head, value, get string) {
	s := binding.New(binding.Config{Service: env.Service, Logger: slog.New(slog.DiscardHandler), Tracer: tracer})
	ln := fasthttputil.NewInmemoryListener()
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	put := fmt.Sprintf("PUT /hot HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s", head, len(value), value)
	c, err := ln.Dial()
	if err != nil {
		b.Fatal(err)
	}
	exchange(b, c, put, get)
	if err := s.Shutdown(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := <-served; err != nil && !errors.Is(err, io.EOF) {
		b.Fatal(err)
	}
}

// exchange sends first once and next b.N times, each upon the reply to the one
// before.
func exchange(b *testing.B, c net.Conn, first, next string) {
	b.Helper()
	defer c.Close()
	one := exchanger(b, c)
	one([]byte(first))
	raw := []byte(next)
	one(raw)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		one(raw)
	}
	b.StopTimer()
}

// exchanger returns a function that sends a request and reads its reply, and
// allocates nothing.
func exchanger(t testing.TB, c net.Conn) func(raw []byte) int {
	r := bufio.NewReader(c)
	var res fasthttp.Response
	return func(raw []byte) int {
		if _, err := c.Write(raw); err != nil {
			t.Fatal(err)
		}
		if err := res.Read(r); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode()
	}
}

// A get of a hot key allocates nothing, neither here nor in what it stands on.
func TestGetsDoNotAllocate(t *testing.T) {
	w := newWorld(t, binding.Config{})
	p := w.dial()
	p.ask(w, "PUT", "/hot?expiration_ttl=600", strings.Repeat("v", 288), `CF-KV-Metadata: {"a":1}`).must(t, 200)
	one := exchanger(t, p)
	for _, target := range []string{"/hot?urlencoded=true", "/h%6ft?urlencoded=true&cache_ttl=60"} {
		raw := []byte(w.head("GET", target, "CF-KV-FLPROD-405: https://fake-host"+target))
		allocs := testing.AllocsPerRun(2000, func() {
			if status := one(raw); status != 200 {
				t.Fatalf("GET %s: %d", target, status)
			}
		})
		if allocs != 0 {
			t.Errorf("GET %s: %v allocations", target, allocs)
		}
	}
}

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestNoRequestIsDropped changes a route again and again while requests are on their way,
// some of them through the whole of it: each is answered by one application or the other.
func TestNoRequestIsDropped(t *testing.T) {
	held := make(chan struct{})
	release := sync.OnceFunc(func() { close(held) })
	n := startNginx(t, "blue", `location / { proxy_pass http://$route; proxy_http_version 1.1; proxy_set_header Connection ""; }`,
		application(t, "blue", held)+application(t, "green", held))

	ctx, stop := context.WithCancel(t.Context())
	var visitors sync.WaitGroup
	defer visitors.Wait()
	defer stop()
	defer release()
	answered := make([]atomic.Int64, 4)
	for i := range answered {
		transport := n.http.Transport.(*http.Transport).Clone()
		transport.DisableKeepAlives = i%2 == 0
		defer transport.CloseIdleConnections()
		visitors.Go(func() { visit(ctx, t, transport, &answered[i]) })
	}
	early := make(chan string, 1)
	go func() { early <- n.get(t, "http://a.example/held") }()
	select {
	case held <- struct{}{}:
	case got := <-early:
		t.Fatalf("a request that was to wait got %q", got)
	}

	for i := range 8 {
		route := []string{"green", "blue"}[i%2]
		n.takes(t, "a.example "+route+";\n")
		n.await(t, "a.example", route)
		for v := range answered {
			more(t, &answered[v])
		}
	}
	release()
	if got := <-early; got != "blue" {
		t.Errorf("a request that waited through the reloads got %q", got)
	}
}

// application starts one that says its name, and is an upstream of that name. What asks for
// /held is taken from held, and waits for its end.
func application(t *testing.T, name string, held <-chan struct{}) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/held" {
			<-held
			<-held
		}
		_, _ = io.WriteString(w, name)
	}))
	t.Cleanup(s.Close)
	return fmt.Sprintf("upstream %s { server %s; keepalive 16; }\n", name, s.Listener.Addr())
}

// visit asks without a pause until ctx ends or a request is dropped, and counts the answers.
func visit(ctx context.Context, t *testing.T, transport *http.Transport, answered *atomic.Int64) {
	r := running{http: &http.Client{Transport: transport}}
	for ctx.Err() == nil {
		if got := r.get(t, "http://a.example/"); got != "blue" && got != "green" {
			t.Errorf("dropped: %s", got)
			return
		}
		answered.Add(1)
	}
}

// more waits until some more are answered.
func more(t *testing.T, answered *atomic.Int64) {
	t.Helper()
	for want, begun := answered.Load()+20, time.Now(); answered.Load() < want; time.Sleep(time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatal("requests are not answered any more")
		}
	}
}

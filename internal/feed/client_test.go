package feed_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/wire"
)

func TestClientURL(t *testing.T) {
	for url, good := range map[string]bool{
		"http://127.0.0.1:8787":    true,
		"https://kv.example.com/":  true,
		"http://host/behind/proxy": true,
		"":                         false,
		"host:8787":                false,
		"ftp://host":               false,
		"http://":                  false,
		"http://user:pw@host":      false,
		"http://host?a=b":          false,
		"http://ho st":             false,
		"http://user:hidden@h\x7f": false,
	} {
		c, err := feed.NewClient(feed.ClientConfig{URL: url})
		if (err == nil) != good {
			t.Errorf("%q: got %v", url, err)
		}
		if err != nil && (strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "pw")) {
			t.Errorf("%q: the error tells the password: %v", url, err)
		}
		if err == nil && c.URL() != strings.TrimSuffix(url, "/") {
			t.Errorf("%q became %q", url, c.URL())
		}
	}
}

// TestRequests holds what a follower asks for.
func TestRequests(t *testing.T) {
	var got string
	c := client(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.Method + " " + r.RequestURI + " " + string(body)
		if r.Header.Get("Authorization") != "Bearer secret" || r.Header.Get("User-Agent") != "test" || r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("headers: %v", r.Header)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	after := godwit.Position{Epoch: godwit.EpochID{0xab}, Revision: 12}
	place := store.Place{Namespace: godwit.NamespaceID{1}, Key: "a/b\xff"}
	for want, ask := range map[string]func() error{
		"GET /godwit/v1/feed ": func() error {
			_, err := c.Follow(t.Context(), feed.FollowRequest{})
			return err
		},
		"GET /godwit/v1/feed?after=ab000000000000000000000000000000%3A12&cluster=cc&max_value=10&namespaces=a%2Cb ": func() error {
			_, err := c.Follow(t.Context(), feed.FollowRequest{After: after, Cluster: "cc", Namespaces: []string{"a", "b"}, MaxValue: 10})
			return err
		},
		"GET /godwit/v1/feed/walk?namespaces= ": func() error {
			_, err := c.Walk(t.Context(), feed.WalkRequest{Namespaces: []string{}})
			return err
		},
		"GET /godwit/v1/feed/walk?after=01000000000000000000000000000000%2FYS9i_w&heads=1 ": func() error {
			_, err := c.Walk(t.Context(), feed.WalkRequest{After: &place, Heads: true})
			return err
		},
		`POST /godwit/v1/feed/report {"session":1,"ping":2,"follower":{"id":"","role":"edge","version":"","revision":"","ready":false,"lag":0,"staleness_ms":0,"keys":0,"bytes":0}}`: func() error {
			return c.Report(t.Context(), feed.Report{Session: 1, Ping: 2, Follower: feed.NodeInfo{Role: "edge"}})
		},
	} {
		if err := ask(); godwit.CodeOf(err) != godwit.CodeUnavailable {
			t.Errorf("got %v", err)
		}
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestStreamToItsEnd(t *testing.T) {
	want := conversation()
	got, err := listen(t, client(t, answers(200, feed.ContentType, frames(t, want...))))
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, %s", err, diff)
	}
}

// TestStreamCutAnywhere: what came whole is told, then an error, wherever the
// stream breaks off.
func TestStreamCutAnywhere(t *testing.T) {
	all := conversation()
	body := frames(t, all...)
	var cut int
	c := client(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", feed.ContentType)
		_, _ = w.Write(body[:cut])
	}))
	for cut = range body {
		got, err := listen(t, c)
		if !errors.Is(err, io.ErrUnexpectedEOF) || godwit.CodeOf(err) != godwit.CodeUnavailable {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if diff := cmp.Diff(all[:len(got)], append([]feed.Frame{}, got...)); diff != "" {
			t.Fatalf("cut at %d: %s", cut, diff)
		}
		if len(frames(t, got...)) > cut {
			t.Fatalf("cut at %d: %d frames", cut, len(got))
		}
	}
}

// TestStreamWithAFlippedBit: no frame comes out otherwise than it was sent,
// whichever bit flips on the way.
func TestStreamWithAFlippedBit(t *testing.T) {
	all := conversation()
	body := frames(t, all...)
	damaged := make([]byte, len(body))
	c := client(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", feed.ContentType)
		_, _ = w.Write(damaged)
	}))
	for i := range body {
		copy(damaged, body)
		damaged[i] ^= 1 << (i % 8)
		got, err := listen(t, c)
		if !errors.Is(err, wire.ErrMalformed) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("byte %d: %v", i, err)
		}
		if n := len(got); n == len(all) || n > 0 && !cmp.Equal(all[:n], got) {
			t.Errorf("byte %d: %v", i, got)
		}
	}
}

// TestStreamThatStalls: silence ends a stream after ten seconds, whether nothing
// came at all, or a part of a frame; a byte now and then keeps it.
func TestStreamThatStalls(t *testing.T) {
	body := frames(t, conversation()...)
	for name, tt := range map[string]struct {
		first int           // bytes sent at once; -1: not even the head of the answer
		every time.Duration // then one byte each
		bytes int
		after time.Duration // the stream ends
	}{
		"before the head":     {first: -1, after: 10 * time.Second},
		"after the head":      {first: 0, after: 10 * time.Second},
		"within a frame":      {first: 20, after: 10 * time.Second},
		"after a slow period": {first: 20, every: 9 * time.Second, bytes: 5, after: 55 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := client(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if tt.first >= 0 {
						w.Header().Set("Content-Type", feed.ContentType)
						_, _ = w.Write(body[:tt.first])
						_ = http.NewResponseController(w).Flush()
					}
					for i := range tt.bytes {
						time.Sleep(tt.every)
						_, _ = w.Write(body[tt.first+i:][:1])
						_ = http.NewResponseController(w).Flush()
					}
					<-r.Context().Done()
				}))
				start := time.Now()
				_, err := listen(t, c)
				if took := time.Since(start); took != tt.after || godwit.CodeOf(err) != godwit.CodeUnavailable || !strings.Contains(err.Error(), "nothing came for 10s") {
					t.Errorf("after %v: %v", took, err)
				}
			})
		})
	}
}

// TestSlowFollower: silence counts while the follower waits, not while it works.
func TestSlowFollower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, answers(200, feed.ContentType, frames(t, conversation()...)))
		s, err := c.Follow(t.Context(), feed.FollowRequest{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for range conversation() {
			time.Sleep(time.Minute)
			if _, err := s.Next(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Next(); err != io.EOF {
			t.Error(err)
		}
	})
}

func TestStreamThatIsCancelled(t *testing.T) {
	c := client(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", feed.ContentType)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	ctx, cancel := context.WithCancel(t.Context())
	s, err := c.Follow(ctx, feed.FollowRequest{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := s.Next(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	s.Close()
	s, err = c.Follow(t.Context(), feed.FollowRequest{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := s.Next(); err == nil || err == io.EOF {
		t.Errorf("after Close: got %v", err)
	}
}

// TestMore: whether Next would wait is known of what has come.
func TestMore(t *testing.T) {
	all := conversation()
	body := frames(t, all...)
	c := client(t, answers(200, feed.ContentType, body))
	s, err := c.Follow(t.Context(), feed.FollowRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.More() {
		t.Error("before anything was read")
	}
	for i := range all {
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
		if !s.More() {
			t.Errorf("after frame %d", i)
		}
	}
	if got := s.Received(); got != int64(len(body)) {
		t.Errorf("received %d bytes of %d", got, len(body))
	}
	c = client(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", feed.ContentType)
		_, _ = w.Write(body[:len(frames(t, all[0]))+15])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	part, err := c.Follow(t.Context(), feed.FollowRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer part.Close()
	if _, err := part.Next(); err != nil || part.More() {
		t.Errorf("with a part of a frame: %v", err)
	}
}

// TestAnswersThatAreNoStream: each is an error that says so, and nothing is asked
// of anyone else.
func TestAnswersThatAreNoStream(t *testing.T) {
	oversized := binary.BigEndian.AppendUint32(nil, feed.MaxFrameBytes+1)
	oversized = append(oversized, make([]byte, 100)...)
	for name, tt := range map[string]struct {
		handler http.Handler
		code    godwit.Code
		text    string
	}{
		"another content type": {answers(200, "text/html", []byte("<html>")), godwit.CodeUnavailable, "content type"},
		"an oversized frame":   {answers(200, feed.ContentType, oversized), godwit.CodeUnavailable, "malformed"},
		"an unknown kind":      {answers(200, feed.ContentType, []byte("\x00\x00\x00\x00\x63\x00\x00\x00\x00\x00")), godwit.CodeUnavailable, "malformed"},
		"an unknown flag":      {answers(200, feed.ContentType, []byte("\x00\x00\x00\x00\x01\x40\x00\x00\x00\x00")), godwit.CodeUnavailable, "malformed"},
		"a redirect":           {http.RedirectHandler("http://elsewhere/", http.StatusTemporaryRedirect), godwit.CodeUnavailable, "redirects"},
		"no token":             {answers(401, "application/json", []byte(`{"error":{"code":"unauthenticated","message":"Authentication error"}}`)), godwit.CodeUnauthenticated, "Authentication error"},
		"no permission":        {answers(403, "application/json", []byte(`{"error":{"code":"forbidden","message":"no"}}`)), godwit.CodeForbidden, "no"},
		"busy":                 {answers(503, "application/json", []byte(`{"error":{"code":"unavailable","message":"later\u0000\n"}}`)), godwit.CodeUnavailable, "later??"},
		"a fault":              {answers(500, "application/json", []byte(`{"error":{"code":"internal","message":"oops"}}`)), godwit.CodeUnavailable, "internal"},
		"a code of later":      {answers(418, "application/json", []byte(`{"error":{"code":"teapot","message":"short"}}`)), godwit.CodeUnavailable, "teapot"},
		"a proxy's page":       {answers(502, "text/html", []byte("<html>bad gateway")), godwit.CodeUnavailable, "status 502"},
		"nothing":              {answers(404, "text/plain", nil), godwit.CodeUnavailable, "status 404"},
		"an endless error":     {answers(500, "application/json", []byte(`{"error":{"message":"`+strings.Repeat("x", 1<<20))), godwit.CodeUnavailable, "status 500"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			c := client(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = append(asked, r.Host)
				tt.handler.ServeHTTP(w, r)
			}))
			got, err := listen(t, c)
			if godwit.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.text) || len(got) > 0 {
				t.Errorf("got %v, %v", got, err)
			}
			if len(asked) != 1 || asked[0] != "upstream" {
				t.Errorf("asked %q", asked)
			}
		})
	}
}

// TestNobodyThere: a request that was never sent can be told from others.
func TestNobodyThere(t *testing.T) {
	for name, dial := range map[string]func(context.Context, string, string) (net.Conn, error){
		"plain": func(context.Context, string, string) (net.Conn, error) { return nil, io.ErrClosedPipe },
		"net": func(ctx context.Context, n, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, n, "127.0.0.1:1")
		},
		"default": nil,
	} {
		c, err := feed.NewClient(feed.ClientConfig{URL: "http://127.0.0.1:1", Token: "secret", Dial: dial})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Follow(t.Context(), feed.FollowRequest{})
		var op *net.OpError
		if godwit.CodeOf(err) != godwit.CodeUnavailable || !errors.As(err, &op) || op.Op != "dial" {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells the token: %v", name, err)
		}
	}
}

// TestSlowAnswer: a request is given up when its answer does not begin.
func TestSlowAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body)
			<-r.Context().Done()
		}))
		start := time.Now()
		err := c.Report(t.Context(), feed.Report{})
		if took := time.Since(start); took != 10*time.Second || godwit.CodeOf(err) != godwit.CodeUnavailable {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

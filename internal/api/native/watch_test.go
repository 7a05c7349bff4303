package native_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api/native"
)

// served serves the world's API on a port of its own.
func (w *world) served() *httptest.Server {
	w.t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.handler.ServeHTTP(rw, r) }))
	w.t.Cleanup(s.Close)
	return s
}

func (w *world) propose(mutations ...godwit.Mutation) godwit.Revision {
	w.t.Helper()
	res, err := w.log.Propose(w.t.Context(), []godwit.Transaction{{Mutations: mutations}})
	check(w.t, err)
	return res[0].Revision
}

func (w *world) put(key, value string) godwit.Revision {
	w.t.Helper()
	return w.propose(godwit.Mutation{Op: godwit.OpPut, Namespace: w.one.ID, Key: key, Value: godwit.Value{Inline: []byte(value)}})
}

// stream is an answer that goes on.
type stream struct {
	t     *testing.T
	res   *http.Response
	lines *bufio.Reader
}

// open asks for a stream, which ends with the test.
func open(t *testing.T, s *httptest.Server, path, token string, header ...string) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
	check(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := s.Client().Do(req)
	check(t, err)
	t.Cleanup(func() {
		cancel()
		_ = res.Body.Close()
	})
	return &stream{t, res, bufio.NewReader(res.Body)}
}

// event is the next event as its lines stand, "" at the end of the stream.
func (s *stream) event() string {
	s.t.Helper()
	var text strings.Builder
	for {
		line, err := s.lines.ReadString('\n')
		if err == io.EOF {
			return text.String()
		}
		check(s.t, err)
		if line == "\n" {
			return text.String()
		}
		text.WriteString(line)
	}
}

func (s *stream) want(events ...string) {
	s.t.Helper()
	for _, want := range events {
		if got := s.event(); got != want {
			s.t.Fatalf("got event\n%swant\n%s", got, want)
		}
	}
}

// TestWatch holds the text of each event.
func TestWatch(t *testing.T) {
	w := newWorld(t)
	s := w.served()
	start := w.put("a/0", "before")
	st := open(t, s, "/godwit/v1/namespaces/one/watch?prefix=a%2F&values=1", rootToken)
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff",
	} {
		if got := st.res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	st.want(fmt.Sprintf("event: ready\nid: %d\ndata: {\"revision\":\"%d\"}\n", start, start))
	at := time.Now().Add(5 * time.Second).Unix()
	r := w.propose(
		godwit.Mutation{
			Op: godwit.OpPut, Namespace: w.one.ID, Key: "a/<é>\n", Value: godwit.Value{Inline: []byte("line\r\nid: 1\n\n\u2028")},
			Metadata: []byte("{\"n\": 1,\n\"m\":\"<\"}"), Expiration: at,
		},
		godwit.Mutation{Op: godwit.OpPut, Namespace: w.one.ID, Key: "a/bytes", Value: godwit.Value{Inline: []byte{0xff, 0}}},
		godwit.Mutation{Op: godwit.OpPut, Namespace: w.one.ID, Key: "b", Value: godwit.Value{Inline: []byte("not asked for")}},
		godwit.Mutation{Op: godwit.OpPut, Namespace: w.one.ID, Key: "a/empty"},
		godwit.Mutation{Op: godwit.OpPut, Namespace: w.one.ID, Key: "a/long", Value: godwit.Value{Inline: make([]byte, 64<<10+1)}},
		godwit.Mutation{Op: godwit.OpDelete, Namespace: w.one.ID, Key: "a/0"},
	)
	st.want(
		fmt.Sprintf("event: put\nid: %[1]d\ndata: {\"key\":\"a/<é>\\n\",\"revision\":\"%[1]d\",\"metadata\":{\"n\":1,\"m\":\"<\"},\"expiration\":%[2]d,"+
			"\"size\":16,\"value\":\"line\\r\\nid: 1\\n\\n\\u2028\"}\n", r-5, at),
		fmt.Sprintf("event: put\nid: %[1]d\ndata: {\"key\":\"a/bytes\",\"revision\":\"%[1]d\",\"size\":2,\"value_base64\":\"/wA=\"}\n", r-4),
		fmt.Sprintf("event: put\nid: %[1]d\ndata: {\"key\":\"a/empty\",\"revision\":\"%[1]d\",\"size\":0,\"value\":\"\"}\n", r-2),
		fmt.Sprintf("event: put\nid: %[1]d\ndata: {\"key\":\"a/long\",\"revision\":\"%[1]d\",\"size\":65537}\n", r-1),
		fmt.Sprintf("event: delete\nid: %[1]d\ndata: {\"key\":\"a/0\",\"revision\":\"%[1]d\"}\n", r),
		fmt.Sprintf("event: expire\nid: %[1]d.%[2]d\ndata: {\"key\":\"a/<é>\\n\",\"revision\":\"%[3]d\",\"expiration\":%[2]d}\n", r, at, r-5),
	)
}

func TestWatchGoesOn(t *testing.T) {
	w := newWorld(t)
	s := w.served()
	first := w.put("a", "1")
	second := w.put("b", "1")
	third := w.put("c", "1")
	path := "/godwit/v1/namespaces/" + w.one.ID.String() + "/watch"
	for name, st := range map[string]*stream{
		"header":                open(t, s, path, rootToken, "Last-Event-ID", second.String()),
		"query":                 open(t, s, path+"?after="+second.String(), rootToken),
		"header over the query": open(t, s, path+"?after="+first.String(), rootToken, "Last-Event-ID", second.String()),
	} {
		t.Log(name)
		st.want(
			fmt.Sprintf("event: put\nid: %[1]d\ndata: {\"key\":\"c\",\"revision\":\"%[1]d\",\"size\":1}\n", third),
			fmt.Sprintf("event: ready\nid: %[1]d\ndata: {\"revision\":\"%[1]d\"}\n", third),
		)
	}
	st := open(t, s, path, rootToken, "Last-Event-ID", "1000000000000000")
	st.want(fmt.Sprintf("event: reset\nid: %[1]d\ndata: {\"revision\":\"%[1]d\"}\n", third))
}

func TestWatchRefuses(t *testing.T) {
	w := newWorld(t)
	_, err := w.catalog.CreateNamespace(t.Context(), "a b/ü%", "", godwit.RequestKey{})
	check(t, err)
	ofTwo := w.token(godwit.PermissionRead, w.two.ID)
	for _, tt := range []struct {
		method, uri, token string
		status             int
		code               string
	}{
		{"HEAD", "/godwit/v1/namespaces/a%20b%2F%C3%BC%25/watch", rootToken, 200, ""},
		{"HEAD", "/godwit/v1/namespaces/two/watch", ofTwo, 200, ""},
		{"POST", "/godwit/v1/namespaces/one/watch", rootToken, 405, "method_not_allowed"},
		{"GET", "/godwit/v1/namespaces/none/watch", rootToken, 404, "namespace_not_found"},
		{"GET", "/godwit/v1/namespaces/%FF/watch", rootToken, 404, "namespace_not_found"},
		{"GET", "/godwit/v1/namespaces/one/watch?values=yes", rootToken, 400, "invalid_request"},
		{"GET", "/godwit/v1/namespaces/one/watch?after=x", rootToken, 400, "invalid_request"},
		{"GET", "/godwit/v1/namespaces/one/watch?prefix=%zz", rootToken, 400, "invalid_request"},
		{"GET", "/godwit/v1/namespaces/one/watch?after=1;prefix=a", rootToken, 400, "invalid_request"},
		{"GET", "/godwit/v1/namespaces/one/watch?after=1.2.3", rootToken, 400, "invalid_request"},
		{"GET", "/godwit/v1/namespaces/one/watch?prefix=" + strings.Repeat("x", 513), rootToken, 414, "key_too_long"},
		{"GET", "/godwit/v1/namespaces/one/watch", ofTwo, 403, "forbidden"},
		{"GET", "/godwit/v1/namespaces/none/watch", ofTwo, 403, "forbidden"},
		{"GET", "/godwit/v1/namespaces/one/watch", "", 401, "unauthenticated"},
	} {
		res := w.response(tt.method, tt.uri, tt.token, "")
		if res.Code != tt.status || !strings.Contains(res.Body.String(), tt.code) {
			t.Errorf("%s %s: got %d %s, want %d %s", tt.method, tt.uri, res.Code, res.Body, tt.status, tt.code)
		}
	}
}

func TestWatchEndsWithItsToken(t *testing.T) {
	w := newWorld(t)
	s := w.served()
	secret, token, err := w.catalog.CreateToken(t.Context(), godwit.Token{Permission: godwit.PermissionRead})
	check(t, err)
	st := open(t, s, "/godwit/v1/namespaces/one/watch", secret)
	st.event()
	check(t, w.catalog.RevokeToken(t.Context(), token.ID))
	revoked := time.Now()
	st.want("event: error\ndata: {\"code\":\"unauthenticated\",\"message\":\"Authentication error\"}\n", "")
	if took := time.Since(revoked); took > 20*time.Second {
		t.Errorf("the watch went on for %v", took)
	}
}

func TestWatchEndsWithItsNamespace(t *testing.T) {
	w := newWorld(t)
	st := open(t, w.served(), "/godwit/v1/namespaces/one/watch", rootToken)
	st.event()
	check(t, w.catalog.DeleteNamespace(t.Context(), w.one.ID, godwit.RequestKey{}))
	st.want("event: error\ndata: {\"code\":\"namespace_not_found\",\"message\":\"namespace not found\"}\n", "")
}

func TestWatchEndsWithTheNode(t *testing.T) {
	w := newWorld(t)
	st := open(t, w.served(), "/godwit/v1/namespaces/one/watch", rootToken)
	st.event()
	w.hub.Close()
	var e struct{ Code string }
	data, ok := strings.CutPrefix(st.event(), "event: error\ndata: ")
	check(t, json.Unmarshal([]byte(data), &e))
	if !ok || e.Code != "unavailable" {
		t.Errorf("got %q", data)
	}
	st.want("")
}

// TestWatchesAreBounded: by token and by node, and those that end make room.
func TestWatchesAreBounded(t *testing.T) {
	w := newWorld(t)
	s := w.served()
	const perToken, all = 128, 1024
	secrets := make([]string, all/perToken+1)
	for i := range secrets {
		secrets[i] = w.token(godwit.PermissionRead)
	}
	const path = "/godwit/v1/namespaces/one/watch"
	var last *stream
	for i := range perToken {
		last = open(t, s, path, secrets[0])
		if last.res.StatusCode != 200 {
			t.Fatalf("watch %d of a token: %s", i+1, last.res.Status)
		}
	}
	refused := func(secret, what string) {
		t.Helper()
		res := w.response("GET", path, secret, "")
		if res.Code != http.StatusTooManyRequests || res.Header().Get("Retry-After") == "" || !strings.Contains(res.Body.String(), "too_many_requests") {
			t.Errorf("%s: got %d %s", what, res.Code, res.Body)
		}
	}
	refused(secrets[0], "one more than a token may have")
	for i := perToken; i < all; i++ {
		if st := open(t, s, path, secrets[i/perToken]); st.res.StatusCode != 200 {
			t.Fatalf("watch %d: %s", i+1, st.res.Status)
		}
	}
	refused(secrets[len(secrets)-1], "one more than a node takes")
	check(t, last.res.Body.Close())
	for deadline := time.Now().Add(10 * time.Second); ; {
		if open(t, s, path, secrets[0]).res.StatusCode == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no room was made")
		}
	}
}

// TestWatchOfWhatIsNotCarried is told by another node.
func TestWatchOfWhatIsNotCarried(t *testing.T) {
	w := newWorld(t)
	w.config.PassUncarried = func(rw http.ResponseWriter, _ *http.Request, ns godwit.NamespaceID) (bool, error) {
		if ns == w.one.ID {
			return true, godwit.ErrNoUpstream
		}
		_, err := rw.Write([]byte("from elsewhere"))
		return true, err
	}
	w.handler = native.New(w.config)
	if status, body := w.do("GET", "/godwit/v1/namespaces/two/watch", rootToken, ""); status != 200 || body != "from elsewhere" {
		t.Errorf("got %d %s", status, body)
	}
	if status, body := w.do("GET", "/godwit/v1/namespaces/one/watch", rootToken, ""); status != 503 || !strings.Contains(body, "unavailable") {
		t.Errorf("without an upstream: got %d %s", status, body)
	}
}

// stalled is a connection whose writes fail as one's do that takes nothing in.
type stalled struct {
	http.ResponseWriter
	writes   int
	deadline time.Time
}

func (s *stalled) SetWriteDeadline(t time.Time) error {
	s.deadline = t
	return nil
}

func (s *stalled) Write(p []byte) (int, error) {
	if s.writes++; len(p) > 8<<10 || time.Until(s.deadline) < 19*time.Second || time.Until(s.deadline) > 20*time.Second {
		return 0, fmt.Errorf("%d bytes with a deadline in %v", len(p), time.Until(s.deadline))
	}
	if s.writes == 3 {
		return 0, net.ErrClosed
	}
	return len(p), nil
}

func (s *stalled) Flush() {}

// TestWatchOfASlowReader: each piece has its deadline, and the first that fails
// ends the watch.
func TestWatchOfASlowReader(t *testing.T) {
	w := newWorld(t)
	start := w.put("k", "v")
	for i := range 10 {
		w.put(fmt.Sprint(i), strings.Repeat("x", 5000))
	}
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/godwit/v1/namespaces/one/watch?values=1&after="+start.String(), nil)
	r.Header.Set("Authorization", "Bearer "+rootToken)
	rw := &stalled{ResponseWriter: httptest.NewRecorder()}
	w.handler.ServeHTTP(rw, r)
	if rw.writes != 3 {
		t.Errorf("ended after %d writes, want 3", rw.writes)
	}
}

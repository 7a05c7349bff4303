package e2e_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// soon is how long what propagates is waited for: far longer than it takes.
const soon = time.Minute

// startEdge starts an edge of another server on an empty data directory.
func startEdge(t testing.TB, upstream *server, args ...string) *server {
	t.Helper()
	s := newEdge(t, upstream, args...)
	s.start()
	return s
}

// newEdge is startEdge, but does not start it.
func newEdge(t testing.TB, upstream *server, args ...string) *server {
	t.Helper()
	return newServer(t, append([]string{"--upstream", "http://" + upstream.api, "--upstream-token", rootToken}, args...)...)
}

// eventually waits for what holds soon.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	within(t, soon, what, holds)
}

// within waits for what holds after a time at the latest.
func within(t testing.TB, most time.Duration, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(most)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %v", what, most)
		}
	}
}

// reply is an answer of either port.
type reply struct {
	status int
	header http.Header
	body   string
	took   time.Duration
}

// port is one of a server's two ports, as seen from one namespace.
type port struct {
	name   string
	server *server
	url    func(key string) string
	header http.Header
}

// ports are both ports of a server for a namespace.
func (s *server) ports(namespace string) []port {
	return []port{
		{"rest", s, func(key string) string {
			return s.kv("/namespaces/" + namespace + "/values/" + url.PathEscape(key))
		}, http.Header{}},
		{"binding", s, func(key string) string {
			return "http://" + s.binding + "/" + url.PathEscape(key) + "?urlencoded=true"
		}, http.Header{"Godwit-Namespace": {namespace}}},
	}
}

// ask makes a request at a port; headers are pairs.
func (p port) ask(method, key, body string, headers ...string) reply {
	p.server.t.Helper()
	header := p.header.Clone()
	for i := 0; i < len(headers); i += 2 {
		header.Set(headers[i], headers[i+1])
	}
	return p.server.ask(method, p.url(key), body, header)
}

// insist is ask where the upstream is there all along: on a busy machine it may not get
// the processor for so long that it is taken to be away, so what is answered then is
// asked again. A write has a request id, and is done once.
func (p port) insist(method, key, body string, headers ...string) reply {
	p.server.t.Helper()
	if method != http.MethodGet && !slices.Contains(headers, "Godwit-Request-Id") {
		headers = append(slices.Clip(headers), "Godwit-Request-Id", rand.Text())
	}
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(50 * time.Millisecond) {
		got := p.ask(method, key, body, headers...)
		away := got.status == http.StatusServiceUnavailable && got.header.Get("Retry-After") != "" || got.status == http.StatusGatewayTimeout
		if !away && got.header.Get("CF-Cache-Status") != "STALE" || time.Now().After(deadline) {
			return got
		}
	}
}

// ask makes a request, with the root token where header has no other.
func (s *server) ask(method, target, body string, header http.Header) reply {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	if req.Header.Get("Authorization") == "" {
		req.Header.Set("Authorization", "Bearer "+rootToken)
	}
	began := time.Now()
	res, got, err := s.send(req)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, target, err)
	}
	return reply{res.StatusCode, res.Header, string(got), time.Since(began)}
}

// status is what a node says of itself.
func (s *server) status() (st struct {
	Role, Account, Revision, Upstream, Problem string
	ClusterID                                  string `json:"cluster_id"`
	StalenessMS                                int64  `json:"staleness_ms"`
	Connected, Ready                           bool
	Followers                                  int
},
) {
	s.t.Helper()
	got := s.ask("GET", "http://"+s.api+"/godwit/v1/status", "", nil)
	if err := json.Unmarshal([]byte(got.body), &st); err != nil || got.status != 200 {
		s.t.Fatalf("status: %d %s", got.status, got.body)
	}
	return st
}

func (s *server) awaitConnected(want bool) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("connected is %v", want), func() bool { return s.status().Connected == want })
}

// logged tells whether the log holds text.
func (s *server) logged(text string) bool {
	out, err := os.ReadFile(s.log.Name())
	if err != nil {
		s.t.Fatal(err)
	}
	return bytes.Contains(out, []byte(text))
}

// A tree is a centre, a relay behind it, and an edge behind each.
type tree struct{ centre, relay, near, far *server }

func startTree(t testing.TB) tree {
	t.Helper()
	centre := startServer(t, "--location", "fra")
	relay := startEdge(t, centre, "--location", "lhr")
	return tree{centre, relay, startEdge(t, centre, "--location", "ams"), startEdge(t, relay, "--location", "bhx")}
}

func (w tree) all() []*server { return []*server{w.centre, w.relay, w.near, w.far} }

func (w tree) edges() []*server { return []*server{w.relay, w.near, w.far} }

// name is the server's location.
func (s *server) name() string {
	for i, arg := range s.args {
		if arg == "--location" {
			return s.args[i+1]
		}
	}
	return s.api
}

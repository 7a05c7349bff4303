package edge_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/wire"
)

var ns2 = godwit.NamespaceID{15: 2}

// asked is what an edge asks of an upstream beside its feed, and what that
// answers.
type asked struct {
	t *testing.T

	mu       sync.Mutex
	requests []request
	revision godwit.Revision // of what it reads
	status   godwit.CacheStatus
	barrier  godwit.Revision
	fails    map[string]int                           // by path: the status of its failures
	hold     map[string]chan struct{}                 // by path: what an answer waits for
	answer   func(w http.ResponseWriter, p *proposed) // of proposals
	identity string                                   // JSON
}

// request is one that came.
type request struct {
	path   string
	header http.Header
	body   string
	p      *proposed
}

// proposed is what one request proposes.
type proposed struct {
	secret string
	txs    []godwit.Transaction
	blobs  []byte
}

func newAsked(t *testing.T, u *upstream) *asked {
	a := &asked{t: t, revision: 200, fails: make(map[string]int), hold: make(map[string]chan struct{})}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answer = a.serve
	return a
}

func (a *asked) serve(w http.ResponseWriter, r *http.Request) bool {
	path := strings.TrimPrefix(r.URL.Path, feed.Prefix)
	switch path {
	case "/entries", "/list", "/barrier", "/propose", "/identify":
	default:
		return false
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return true
	}
	req := request{path: path, header: r.Header, body: string(body)}
	if path == "/propose" {
		req.p = a.proposal(r, body)
	}
	a.mu.Lock()
	a.requests = append(a.requests, req)
	hold, fails := a.hold[path], a.fails[path]
	a.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-r.Context().Done():
			return true
		}
	}
	if fails != 0 {
		w.WriteHeader(fails)
		fmt.Fprint(w, `{"error":{"code":"unavailable","message":"not now"}}`)
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reply(w, r, &req)
	return true
}

func (a *asked) reply(w http.ResponseWriter, r *http.Request, req *request) {
	h := w.Header()
	h.Set("Godwit-Revision", a.revision.String())
	h.Set("CF-Cache-Status", a.status.String())
	entry := put(ns1, "k", "upstream", min(a.revision, 150))
	switch req.path {
	case "/entries":
		page := &feed.Page{Revision: a.revision, Done: true, Records: []godwit.Record{entry}}
		if strings.Contains(req.body, "absent") {
			page.Records = nil
		}
		h.Set("Content-Type", feed.ContentType)
		_, _ = w.Write(encode(a.t, page))
	case "/list":
		if r.URL.Query().Get("cursor") == "bad" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":{"code":"invalid_cursor","message":"Invalid cursor"}}`)
			return
		}
		entry.Value = godwit.Value{}
		entry.Key = "upstream"
		h.Set("Content-Type", feed.ContentType)
		_, _ = w.Write(encode(a.t, &feed.Page{Revision: a.revision, Heads: true, Done: true, Records: []godwit.Record{entry}}))
	case "/barrier":
		h.Set("Godwit-Revision", a.barrier.String())
		w.WriteHeader(http.StatusNoContent)
	case "/propose":
		a.answer(w, req.p)
	case "/identify":
		_, _ = w.Write([]byte(a.identity))
	}
}

func (a *asked) proposal(r *http.Request, body []byte) *proposed {
	p := &proposed{secret: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")}
	n := binary.BigEndian.Uint64(body)
	d := wire.NewDecoder(body[8 : 8+n])
	p.txs, p.blobs = wire.DecodeTransactions(&d, 1<<20), body[8+n:]
	if d.Err() != nil {
		a.t.Errorf("proposal: %v", d.Err())
	}
	return p
}

// decides answers proposals with results.
func decides(results ...godwit.Result) func(http.ResponseWriter, *proposed) {
	return func(w http.ResponseWriter, _ *proposed) {
		b := wire.AppendResults(nil, results)
		_, _ = w.Write(append(b, 0, 0))
	}
}

// breaks off the connection, now that all of the request has come.
func breaks(http.ResponseWriter, *proposed) { panic(http.ErrAbortHandler) }

// inTurn answers one proposal after the other.
func inTurn(answers ...func(http.ResponseWriter, *proposed)) func(http.ResponseWriter, *proposed) {
	i := 0
	return func(w http.ResponseWriter, p *proposed) {
		i++
		answers[min(i, len(answers))-1](w, p)
	}
}

func (a *asked) set(fn func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fn()
}

// took returns what was asked since, by path; "" is all.
func (a *asked) took(path string) (out []request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.requests {
		if path == "" || r.path == path {
			out = append(out, r)
		}
	}
	a.requests = nil
	return out
}

// identified is how an upstream tells of a token.
func identified(t *godwit.Token, root bool) string {
	b, _ := json.Marshal(map[string]any{"token": t, "root": root})
	return string(b)
}

// scene is an edge at revision 100 of a store that holds k=local, and an
// upstream.
type scene struct {
	t     *testing.T
	net   *network
	up    *upstream
	asked *asked
	n     *node
	s     *stream
}

func play(t *testing.T, o options, fn func(sc *scene)) {
	world(t, func(t *testing.T) {
		sc := &scene{t: t, net: newNetwork()}
		sc.up = startUpstream(t, sc.net, "centre")
		sc.asked = newAsked(t, sc.up)
		o.net, o.upstream = sc.net, append([]*upstream{sc.up}, o.upstream...)
		sc.n = start(t, o)
		defer sc.n.stop()
		sc.s = sc.up.next()
		fn(sc)
	})
}

// follow brings the edge to the tail, fresh.
func (sc *scene) follow() {
	sc.t.Helper()
	sc.s.send(hello(100), ready(100), batch(100, put(ns1, "k", "local", 101)))
	sc.beat(101)
}

func (sc *scene) beat(r godwit.Revision) {
	sc.t.Helper()
	sc.s.send(sc.up.heartbeat(r, 0))
}

// cut makes the upstream known to be away.
func (sc *scene) cut() {
	sc.t.Helper()
	sc.net.cut("centre", true)
	synctest.Wait()
	time.Sleep(time.Second)
	synctest.Wait()
	if sc.n.Asks() != nil {
		sc.t.Error("the upstream is not known to be away")
	}
}

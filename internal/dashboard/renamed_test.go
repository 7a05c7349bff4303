package dashboard_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/godwitkv/godwit/internal/node"
)

// gated holds back what is written to a client while the gate is shut.
type gated struct {
	http.ResponseWriter
	gate *sync.RWMutex
}

func (g gated) Write(p []byte) (int, error) {
	g.gate.RLock()
	defer g.gate.RUnlock()
	return g.ResponseWriter.Write(p)
}

func (g gated) Unwrap() http.ResponseWriter { return g.ResponseWriter }

// TestDeleteByATitleThatIsAnothersNow holds that a title typed at an edge which is behind
// deletes no namespace that has another title by now.
func TestDeleteByATitleThatIsAnothersNow(t *testing.T) {
	centre := openNode(t)
	to, err := url.Parse(centre.APIURL())
	if err != nil {
		t.Fatal(err)
	}
	var gate sync.RWMutex
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to) }, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0),
	}
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/godwit/v1/feed" {
			w = gated{w, &gate}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(between.Close)
	one, two := namespace(t, centre, "old"), namespace(t, centre, "live")
	put(t, centre, one, "k", "soon live")
	edge := openNode(t, edgeOf(centre), func(cfg *node.Config) { cfg.Upstreams = []string{between.URL} })
	b := signedIn(t, edge, rootToken)
	b.contains(b.get("/dashboard/namespace"+q(one)), 200, "<code>old</code>")

	behind := func() {
		gate.Lock()
		defer gate.Unlock()
		for _, rename := range [][2]string{{two, "spare"}, {one, "live"}, {two, "old"}} {
			if status := api(t, centre, http.MethodPatch, "/godwit/v1/namespaces/"+rename[0], []byte(`{"title":"`+rename[1]+`"}`), nil); status != 200 {
				t.Errorf("rename: %d", status)
			}
		}
		b.contains(b.post("/dashboard/namespace/delete"+q(one), "confirm", "old"), http.StatusPreconditionFailed, "another title now")
	}
	behind()
	if v, ok := value(t, centre, one, "k"); !ok {
		t.Errorf("the live namespace was deleted: %q", v)
	}
	eventually(t, "the edge hears", func() bool { return strings.Contains(b.get("/dashboard/namespace"+q(one)).body, "<code>live</code>") })
	b.contains(b.post("/dashboard/namespace/delete"+q(one), "confirm", "old"), 400, "This is not the title")
	if got := b.post("/dashboard/namespace/delete"+q(two), "confirm", "old"); got.status != 303 {
		t.Errorf("delete: %d %s", got.status, got.body)
	}
}

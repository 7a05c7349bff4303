package node_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/node"
)

// edgeConfig is that of an edge of upstream.
func edgeConfig(upstreams ...string) node.Config {
	cfg := config()
	cfg.RootToken, cfg.Location = "", "bhx"
	cfg.Upstreams, cfg.UpstreamToken = upstreams, rootToken
	return cfg
}

// openReady opens a node and waits until it serves reads.
func openReady(t *testing.T, cfg node.Config) *node.Node {
	t.Helper()
	n := open(t, cfg)
	select {
	case <-n.Ready():
	case <-time.After(30 * time.Second):
		t.Fatal("the node does not become ready")
	}
	return n
}

// nobody is the URL of a port where nobody listens.
const nobody = "http://127.0.0.1:1"

func TestValidateEdge(t *testing.T) {
	ok := edgeConfig("http://one:8787", "https://[::1]:8787/")
	if err := ok.Validate(); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for _, tt := range []struct {
		flag   string
		change func(*node.Config)
	}{
		{"--upstream: ", func(c *node.Config) { c.Upstreams = []string{"one:8787"} }},
		{"--upstream: ", func(c *node.Config) { c.Upstreams = []string{"ftp://one"} }},
		{"--upstream: ", func(c *node.Config) { c.Upstreams = []string{"http://one/path"} }},
		{"--upstream: ", func(c *node.Config) { c.Upstreams = []string{"http://one?x=1"} }},
		{"--upstream: ", func(c *node.Config) { c.Upstreams = []string{"http://user:secret@one"} }},
		{"--upstream: ", func(c *node.Config) { c.Upstreams = make([]string, 17) }},
		{"--upstream-token: ", func(c *node.Config) { c.UpstreamToken = "" }},
		{"--upstream-token: ", func(c *node.Config) { c.UpstreamToken = "a secret" }},
		{"--namespaces: ", func(c *node.Config) { c.Namespaces = []string{""} }},
		{"--max-value: ", func(c *node.Config) { c.MaxValue = -1 }},
		{"--value-cache-bytes: ", func(c *node.Config) { c.ValueCacheBytes = -1 }},
		{"--advertise: ", func(c *node.Config) { c.AdvertiseURL = "here" }},
		{"--max-value: ", func(c *node.Config) { c.Upstreams, c.UpstreamToken, c.RootToken, c.MaxValue = nil, "", rootToken, 1 }},
		{"--upstream-token: ", func(c *node.Config) { c.Upstreams, c.RootToken = nil, rootToken }},
	} {
		cfg := edgeConfig("http://one")
		tt.change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), tt.flag) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s got %v", tt.flag, err)
		}
	}
}

// TestEdgeWithoutUpstream has an edge that never had a copy: it is alive, not
// ready, and says so in each API's own words.
func TestEdgeWithoutUpstream(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	cfg := edgeConfig(nobody)
	cfg.FS, cfg.Dir = nil, dir
	n := open(t, cfg)
	for _, tt := range []struct {
		method, path, token string
		status              int
		contains            string
	}{
		{"GET", "/healthz", "", 200, "ok"},
		{"GET", "/readyz", "", 503, "first copy is not complete"},
		{"GET", "/godwit/v1/status", "a-token", 503, `"code":"unavailable"`},
		{"GET", "/client/v4/accounts", "a-token", 503, `"code":10001`},
		{"POST", "/godwit/v1/tokens", "a-token", 503, `"code":"unavailable"`},
		{"GET", "/godwit/v1/feed", "a-token", 503, `"code":"unavailable"`},
	} {
		got := request(t, tt.method, n.APIURL()+tt.path, tt.token, "")
		if got.status != tt.status || !strings.Contains(got.body, tt.contains) {
			t.Errorf("%s %s: got %d %q, want %d with %q", tt.method, tt.path, got.status, got.body, tt.status, tt.contains)
		}
	}
	if got := request(t, "GET", n.BindingURL()+"/k", "a-token", ""); got.status != 503 {
		t.Errorf("binding: got %d %s", got.status, got.body)
	}
	if _, err := os.Stat(node.RootTokenFile(dir)); err == nil || n.NewRootToken() != "" {
		t.Error("an edge made a root token")
	}
}

// TestEdgeWithOwnRootToken shows how an edge stands that has no upstream yet.
func TestEdgeWithOwnRootToken(t *testing.T) {
	cfg := edgeConfig(nobody)
	cfg.RootToken, cfg.Account = rootToken, strings.Repeat("a", 32)
	n := open(t, cfg)
	var got map[string]any
	body := request(t, "GET", n.APIURL()+"/godwit/v1/status?tree=1", rootToken, "").body
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]any{
		"role": "edge", "location": "bhx", "account": cfg.Account, "ready": false, "connected": false, "staleness_ms": -1.0,
	} {
		if got[field] != want {
			t.Errorf("%s: got %v, want %v", field, got[field], want)
		}
	}
	if tree, ok := got["tree"].(map[string]any); !ok || tree["role"] != "edge" || tree["ready"] != false {
		t.Errorf("tree: got %v", got["tree"])
	}
	for path, want := range map[string]string{
		"/client/v4/accounts/" + cfg.Account + "/storage/kv/namespaces": `"code":10001`,
		"/godwit/v1/tokens": `"code":"unavailable"`,
	} {
		if got := request(t, "POST", n.APIURL()+path, rootToken, "{}"); got.status != 503 || !strings.Contains(got.body, want) || got.header.Get("Retry-After") == "" {
			t.Errorf("administration at %s: got %d %s", path, got.status, got.body)
		}
	}
}

// TestEdgeFollows has an edge and one behind it do what the centre does.
func TestEdgeFollows(t *testing.T) {
	centre := openReady(t, config())
	relay := openReady(t, edgeConfig(centre.APIURL()))
	edge := openReady(t, edgeConfig(relay.APIURL()))
	if edge.Account() != centre.Account() {
		t.Fatalf("got account %q, want the centre's", edge.Account())
	}
	base := "/client/v4/accounts/" + centre.Account() + "/storage/kv/namespaces"
	created := request(t, "POST", edge.APIURL()+base, rootToken, `{"title":"birds"}`)
	var ns struct{ Result struct{ ID string } }
	if err := json.Unmarshal([]byte(created.body), &ns); err != nil || ns.Result.ID == "" {
		t.Fatalf("create a namespace at an edge: %d %s", created.status, created.body)
	}
	if got := request(t, "GET", edge.APIURL()+base, rootToken, ""); !strings.Contains(got.body, "birds") {
		t.Errorf("the namespace is not listed where it was made: %s", got.body)
	}
	if got := request(t, "POST", edge.APIURL()+base, rootToken, `{"title":"birds"}`); got.status != 400 || !strings.Contains(got.body, `"code":10014`) {
		t.Errorf("the same again: %d %s", got.status, got.body)
	}
	value := base + "/" + ns.Result.ID + "/values/godwit"
	if got := request(t, "PUT", edge.APIURL()+value, rootToken, "Limosa"); got.status != 200 {
		t.Fatalf("put at an edge: %d %s", got.status, got.body)
	}
	for name, n := range map[string]*node.Node{"edge": edge, "centre": centre} {
		if got := request(t, "GET", n.APIURL()+value, rootToken, ""); got.body != "Limosa" || got.header.Get("CF-Cache-Status") != "HIT" {
			t.Errorf("%s: got %d %q %s", name, got.status, got.body, got.header.Get("CF-Cache-Status"))
		}
	}
	if got := request(t, "POST", edge.APIURL()+"/godwit/v1/root-token/rotate", rootToken, ""); got.status != 400 || !strings.Contains(got.body, "--root-token") {
		t.Errorf("rotate at an edge: %d %s", got.status, got.body)
	}
	assertTree(t, edge, 2)
}

// TestHops: what a node passes on of its APIs is counted as well, and ends.
func TestHops(t *testing.T) {
	centre := openReady(t, config())
	for _, title := range []string{"carried", "elsewhere"} {
		_, err := connect(t, centre, rootToken).CreateNamespace(t.Context(), title, client.NamespaceOptions{})
		must(t, err)
	}
	cfg := edgeConfig(centre.APIURL())
	cfg.Namespaces = []string{"carried"}
	edge := openReady(t, cfg)
	for _, tt := range []struct {
		path, hops string
		want       int
	}{
		{"/godwit/v1/tokens", "15", 200},
		{"/godwit/v1/tokens", "16", 503},
		{"/godwit/v1/tokens", "many", 400},
		{"/godwit/v1/namespaces/elsewhere/count", "15", 200},
		{"/godwit/v1/namespaces/elsewhere/count", "16", 503},
		{"/godwit/v1/namespaces/elsewhere/count", "many", 400},
	} {
		got := request(t, "GET", edge.APIURL()+tt.path, rootToken, "", "Godwit-Hops", tt.hops)
		if got.status != tt.want || tt.want == 503 && !strings.Contains(got.body, "in a circle") {
			t.Errorf("%s after %s hops: got %d %s", tt.path, tt.hops, got.status, got.body)
		}
	}
}

// TestEnsureNamespaceAtOnce asks a centre and an edge for the same namespaces at
// once, in the words of each API.
func TestEnsureNamespaceAtOnce(t *testing.T) {
	centre := openReady(t, config())
	edge := openReady(t, edgeConfig(centre.APIURL()))
	rest := "/client/v4/accounts/" + centre.Account() + "/storage/kv/namespaces"
	id := regexp.MustCompile(`"id":"([0-9a-f]{32})"`)
	for i := range 10 {
		title := fmt.Sprintf("birds %d", i)
		ids := make([]string, 4)
		var asking sync.WaitGroup
		for at := range ids {
			n := []*node.Node{centre, edge}[at%2]
			asking.Go(func() {
				path, body := "/godwit/v1/namespaces", `{"title":"`+title+`","if_not_exists":true}`
				if at > 1 {
					path, body = rest, `{"title":"`+title+`"}`
				}
				got := request(t, "POST", n.APIURL()+path, rootToken, body, "Godwit-If-Not-Exists", "true")
				if m := id.FindStringSubmatch(got.body); m != nil && got.status < 300 {
					ids[at] = m[1]
				} else {
					t.Errorf("%s: %d %s", path, got.status, got.body)
				}
				if got := request(t, "GET", n.APIURL()+"/godwit/v1/namespaces/"+url.PathEscape(title), rootToken, ""); !strings.Contains(got.body, ids[at]) {
					t.Errorf("the node that answered does not show it: %d %s", got.status, got.body)
				}
			})
		}
		asking.Wait()
		for _, got := range ids {
			if got == "" || got != ids[0] {
				t.Fatalf("%q has the ids %v", title, ids)
			}
		}
	}
}

// TestCopyAtAnEdge copies at an edge: a large value too, which goes from namespace to
// namespace at the centre, and shows at the edge once it has answered.
func TestCopyAtAnEdge(t *testing.T) {
	centre := openReady(t, config())
	edge := openReady(t, edgeConfig(centre.APIURL()))
	for _, title := range []string{"from", "to"} {
		if got := request(t, "POST", edge.APIURL()+"/godwit/v1/namespaces", rootToken, `{"title":"`+title+`"}`); got.status != 201 {
			t.Fatalf("create: %d %s", got.status, got.body)
		}
	}
	large := strings.Repeat("large", 1_000_000)
	for key, value := range map[string]string{"small": "v", "large": large} {
		if got := request(t, "PUT", edge.BindingURL()+"/"+key, rootToken, value, "Godwit-Namespace", "from"); got.status != 200 {
			t.Fatalf("put: %d %s", got.status, got.body)
		}
	}
	uri := edge.APIURL() + "/godwit/v1/namespaces/from/copy"
	got := request(t, "POST", uri, rootToken, `{"prefix":"","to_namespace":"to"}`)
	if got.status != 200 || !strings.Contains(got.body, `"copied":2,"bytes":5000001,`) {
		t.Fatalf("copy: %d %s", got.status, got.body)
	}
	for key, value := range map[string]string{"small": "v", "large": large} {
		got := request(t, "GET", edge.BindingURL()+"/"+key, rootToken, "", "Godwit-Namespace", "to")
		if got.status != 200 || got.body != value {
			t.Errorf("%s at the edge: %d, %d bytes", key, got.status, len(got.body))
		}
	}
	const copied = `godwit_requests_total{op="copy",status="ok"} `
	for at, n := range []*node.Node{edge, centre} {
		if got := request(t, "GET", n.APIURL()+"/metrics", "", ""); !strings.Contains(got.body, fmt.Sprintf("%s%d\n", copied, at)) {
			t.Errorf("the copy was not carried out at the centre alone")
		}
	}
	if got := request(t, "POST", uri, "a-token", `{"prefix":"","to_namespace":"to"}`); got.status != 401 {
		t.Errorf("with a wrong token: %d %s", got.status, got.body)
	}
}

// assertTree waits until the tree that n shows is so deep.
func assertTree(t *testing.T, n *node.Node, depth int) {
	t.Helper()
	type tree struct {
		Role      string
		Followers []tree
	}
	var got struct{ Tree tree }
	for t.Context().Err() == nil {
		body := request(t, "GET", n.APIURL()+"/godwit/v1/status?tree=1", rootToken, "").body
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		at, seen := got.Tree, 0
		for len(at.Followers) == 1 {
			at, seen = at.Followers[0], seen+1
		}
		if got.Tree.Role == "central" && seen == depth {
			return
		}
	}
	t.Errorf("the tree is %+v", got)
}

// TestStreamsDoNotHoldUpAStop stops a centre that is followed, with patience
// enough for a request that does not end.
func TestStreamsDoNotHoldUpAStop(t *testing.T) {
	cfg := config()
	cfg.DrainTimeout = time.Minute
	centre := openReady(t, cfg)
	openReady(t, edgeConfig(centre.APIURL()))
	began := time.Now()
	if err := centre.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestFollowOverTLS follows a centre whose certificate an authority of its own
// has signed, and no other.
func TestFollowOverTLS(t *testing.T) {
	cfg := config()
	cfg.TLSCert, cfg.TLSKey, _ = certificate(t)
	centre := openReady(t, cfg)
	trusting := edgeConfig(centre.APIURL())
	trusting.UpstreamCA = cfg.TLSCert
	edge := openReady(t, trusting)
	if got := request(t, "POST", edge.APIURL()+"/godwit/v1/tokens", rootToken, `{"permission":"read"}`); got.status != 201 {
		t.Errorf("administration: %d %s", got.status, got.body)
	}
	other, _, _ := certificate(t)
	wary := edgeConfig(centre.APIURL())
	wary.UpstreamCA, wary.RootToken = other, rootToken
	n := open(t, wary)
	for {
		got := request(t, "GET", n.APIURL()+"/godwit/v1/status", rootToken, "")
		if strings.Contains(got.body, "certificate") {
			return
		}
		if t.Context().Err() != nil || n.Account() != "" {
			t.Fatalf("got %s", got.body)
		}
	}
}

func TestBadUpstreamCAIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(file, []byte("nothing"), 0o600))
	for _, name := range []string{file, "nowhere.pem"} {
		cfg := edgeConfig("https://127.0.0.1:1")
		cfg.UpstreamCA = name
		if _, err := openErr(t, cfg); err == nil || !strings.Contains(err.Error(), "--upstream-ca: ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

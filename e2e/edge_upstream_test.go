package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/internal/porttest"
)

// TestPartialEdge has an edge that carries one namespace of two, and values up to
// a bound: nothing is ever answered as absent that it only does not have.
func TestPartialEdge(t *testing.T) {
	t.Parallel()
	centre := startServer(t)
	carried, other := centre.createNamespace("carried"), centre.createNamespace("other")
	edge := startEdge(t, centre, "--namespaces", "carried", "--max-value", "1000", "--value-cache-bytes", "1MiB")
	values := map[string]string{"short": "v", "medium": strings.Repeat("m", 5000), "long": strings.Repeat("l", 500_000)}
	for _, ns := range []string{carried, other} {
		for key, value := range values {
			if got := centre.ports(ns)[0].ask("PUT", key, value); got.status != 200 {
				t.Fatalf("put: %d %s", got.status, got.body)
			}
		}
		for _, p := range edge.ports(ns) {
			for key, value := range values {
				eventually(t, "get "+key, func() bool { return p.ask("GET", key, "").body == value })
			}
			if got := p.insist("GET", "absent", ""); got.status != 404 {
				t.Errorf("get of an absent key: %d", got.status)
			}
			if got := p.insist("PUT", "own "+p.name, "written here"); got.status != 200 {
				t.Errorf("put: %d %s", got.status, got.body)
			}
			if got := p.insist("GET", "own "+p.name, ""); got.body != "written here" {
				t.Errorf("its own write: %d %q", got.status, got.body)
			}
		}
		list := edge.ask("GET", edge.kv("/namespaces/"+ns+"/keys"), "", nil)
		for _, key := range []string{"short", "medium", "long", "own rest", "own binding"} {
			if !strings.Contains(list.body, strconv.Quote(key)) {
				t.Errorf("the list lacks %s: %s", key, list.body)
			}
		}
	}
	for ns, want := range map[string]string{carried: "HIT", other: "MISS"} {
		if got := edge.ports(ns)[0].insist("GET", "short", "").header.Get("CF-Cache-Status"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	centre.ports(carried)[0].ask("PUT", "withheld", values["long"])
	eventually(t, "the key of a withheld value is here", func() bool {
		return strings.Contains(edge.ask("GET", edge.kv("/namespaces/"+carried+"/keys"), "", nil).body, "withheld")
	})
	centre.kill()
	for _, p := range edge.ports(carried) {
		if got := p.ask("GET", "short", ""); got.status != 200 {
			t.Errorf("%s: what is carried, without the centre: %d", p.name, got.status)
		}
		if got := p.ask("GET", "withheld", ""); got.status != 503 {
			t.Errorf("%s: a value that is not here, without the centre: %d", p.name, got.status)
		}
	}
	for _, p := range edge.ports(other) {
		if got := p.ask("GET", "short", ""); got.status != 503 {
			t.Errorf("%s: what is not carried, without the centre: %d", p.name, got.status)
		}
	}
	centre.start()
}

// TestWrongCluster has an edge meet another cluster under its upstream's
// address: it says so, keeps what it has, and takes nothing.
func TestWrongCluster(t *testing.T) {
	t.Parallel()
	centre, other := startServer(t), startServer(t)
	ns := centre.createNamespace("mine")
	edge := startEdge(t, centre)
	if got := edge.ports(ns)[0].ask("PUT", "k", "mine"); got.status != 200 {
		t.Fatalf("put: %d %s", got.status, got.body)
	}
	other.createNamespace("foreign")
	edge.stop()
	edge.args = []string{"--upstream", "http://" + other.api, "--upstream-token", rootToken}
	edge.start()
	before := edge.status()
	eventually(t, "the log says so", func() bool { return edge.logged(other.status().ClusterID) })
	if got := edge.ports(ns)[0].ask("GET", "k", ""); got.body != "mine" {
		t.Errorf("what it has: %d %q", got.status, got.body)
	}
	after := edge.status()
	if after.ClusterID != before.ClusterID || after.Revision != before.Revision || after.Problem == "" {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if list := edge.ask("GET", edge.kv("/namespaces"), "", nil); strings.Contains(list.body, "foreign") {
		t.Errorf("it took the other cluster's data: %s", list.body)
	}
}

// TestUpstreamTokenRevoked takes an edge's token away while its feed is open.
func TestUpstreamTokenRevoked(t *testing.T) {
	t.Parallel()
	centre := startServer(t)
	ns := centre.createNamespace("n")
	token := centre.createToken("replicate", "n")
	edge := newServer(t, "--upstream", "http://"+centre.api, "--upstream-token", token)
	edge.start()
	edge.awaitConnected(true)
	if got := edge.ports(ns)[0].ask("PUT", "k", "v"); got.status != 200 { // the client's own credential may write
		t.Fatalf("put: %d %s", got.status, got.body)
	}
	var list struct{ Tokens []struct{ ID string } }
	_, body, err := centre.do("GET", "http://"+centre.api+"/godwit/v1/tokens", nil)
	if err != nil || json.Unmarshal(body, &list) != nil || len(list.Tokens) != 1 {
		t.Fatalf("list tokens: %v %s", err, body)
	}
	if _, _, err := centre.do("DELETE", "http://"+centre.api+"/godwit/v1/tokens/"+list.Tokens[0].ID, nil); err != nil {
		t.Fatal(err)
	}
	edge.awaitConnected(false)
	if s := edge.status(); s.Problem == "" {
		t.Errorf("the status names no problem: %+v", s)
	}
	if got := edge.ports(ns)[0].ask("GET", "k", ""); got.body != "v" || got.header.Get("CF-Cache-Status") != "STALE" {
		t.Errorf("what it has: %d %q %s", got.status, got.body, got.header.Get("CF-Cache-Status"))
	}
	if edge.logged(token) {
		t.Error("the log shows the token")
	}
}

// TestReadyAndAccount has edges that cannot become ready: they are alive, and
// say why.
func TestReadyAndAccount(t *testing.T) {
	t.Parallel()
	centre := startServer(t)
	other := newEdge(t, centre)
	cmd := exec.CommandContext(t.Context(), clients.godwit, "serve", "--data", other.dir, "--listen", anyPort, "--binding-listen", anyPort,
		"--upstream", "http://"+centre.api, "--upstream-token", rootToken, "--account", strings.Repeat("1", 32))
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), account) || !strings.Contains(string(out), strings.Repeat("1", 32)) {
		t.Errorf("an edge of another account: %v\n%s", err, out)
	}
	free := porttest.Free(t)
	lonely := exec.CommandContext(t.Context(), clients.godwit, "serve", "--data", filepath.Join(t.TempDir(), "data"),
		"--listen", free, "--binding-listen", anyPort, "--upstream", "http://127.0.0.1:1", "--upstream-token", rootToken)
	if err := lonely.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = lonely.Process.Signal(os.Interrupt)
		if err := lonely.Wait(); err != nil {
			t.Errorf("an edge without an upstream, when told to stop: %v", err)
		}
	}()
	probe := func(path string) (int, string) {
		res, err := http.Get("http://" + free + path)
		if err != nil {
			return 0, ""
		}
		defer func() { _ = res.Body.Close() }()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(body)
	}
	eventually(t, "it is alive", func() bool { status, _ := probe("/healthz"); return status == 200 })
	if status, body := probe("/readyz"); status != 503 || !strings.Contains(body, "first copy is not complete") {
		t.Errorf("readyz: %d %s", status, body)
	}
}

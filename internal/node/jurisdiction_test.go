package node_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/edge"
	"github.com/godwitkv/godwit/internal/node"
)

// european is a centre that is for the EU, with a namespace there and one anywhere.
func european(t *testing.T) *node.Node {
	t.Helper()
	cfg := config()
	cfg.Jurisdictions = []string{"eu"}
	centre := openReady(t, cfg)
	root := connect(t, centre, rootToken)
	for title, j := range map[string]string{"anywhere": "", "europe": "eu", "europe too": "eu"} {
		ns, err := root.CreateNamespace(t.Context(), title, client.NamespaceOptions{Jurisdiction: j})
		if err != nil || ns.Jurisdiction != j {
			t.Fatalf("create %s: %+v, %v", title, ns, err)
		}
	}
	_, err := root.SetSettings(t.Context(), "europe", map[string]any{"history": "10"})
	must(t, err)
	return centre
}

// diskEdge is the config of an edge whose data directory, and audit log in it, are
// real.
func diskEdge(dir string, upstream *node.Node, jurisdictions ...string) node.Config {
	cfg := edgeConfig(upstream.APIURL())
	cfg.FS, cfg.Dir, cfg.Jurisdictions = nil, dir, jurisdictions
	cfg.AuditLog = filepath.Join(filepath.Dir(dir), filepath.Base(dir)+"-audit.log")
	return cfg
}

// statusOf is a node's own account of itself.
func statusOf(t *testing.T, n *node.Node) *client.Status {
	t.Helper()
	s, err := connect(t, n, rootToken).Status(t.Context())
	must(t, err)
	return s
}

// holding are those of the texts that any file of an edge's has.
func holding(t *testing.T, cfg node.Config, texts ...string) (found []string) {
	t.Helper()
	var all []byte
	for _, root := range []string{cfg.Dir, cfg.AuditLog} {
		must(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			all = append(append(all, b...), path...)
			return err
		}))
	}
	for _, text := range texts {
		if bytes.Contains(all, []byte(text)) {
			found = append(found, text)
		}
	}
	return found
}

// useAll does with a namespace, at a node, what there is to do.
func useAll(t *testing.T, n *node.Node, title, mark string) {
	t.Helper()
	kv := connect(t, n, rootToken).KV(title)
	ctx := t.Context()
	small, large := "small value "+mark, strings.Repeat("large value "+mark+" ", 20_000)
	put := func(key, value string) string {
		t.Helper()
		r, err := kv.Put(ctx, key, strings.NewReader(value), client.PutOptions{Metadata: []byte(`"metadata ` + mark + `"`)})
		must(t, err)
		return r
	}
	get := func(key, want string) {
		t.Helper()
		v, err := kv.Get(ctx, key)
		must(t, err)
		defer v.Close()
		if b, err := io.ReadAll(v); err != nil || string(b) != want {
			t.Errorf("%s: got %d bytes, %v", key, len(b), err)
		}
	}
	first := put("key "+mark, "first "+mark)
	put("key "+mark, small)
	put("key "+mark+" large", large)
	for range 2 {
		get("key "+mark, small)
		get("key "+mark+" large", large)
	}
	_, err := kv.Transact(ctx, client.Transaction{Puts: []client.Pair{{Key: "key " + mark + " three", Value: []byte(large)}}})
	must(t, err)
	_, err = kv.BulkPut(ctx, []client.Pair{{Key: "key " + mark + " four", Value: []byte(large)}, {Key: "key " + mark + " five", Value: []byte(small)}})
	must(t, err)
	items, err := kv.BulkGet(ctx, []string{"key " + mark, "key " + mark + " five"})
	if err != nil || len(items) != 2 {
		t.Errorf("bulk get: %v, %v", items, err)
	}
	if c, err := kv.Count(ctx, client.CountOptions{Prefix: "key " + mark}); err != nil || c.Keys != 5 {
		t.Errorf("count: %+v, %v", c, err)
	}
	keys := 0
	for _, err := range kv.List(ctx, client.ListOptions{Prefix: "key " + mark}) {
		must(t, err)
		keys++
	}
	if keys != 5 {
		t.Errorf("list: %d keys", keys)
	}
	if title == "europe" {
		v, err := kv.GetAt(ctx, "key "+mark, client.AtRevision(first))
		must(t, err)
		if b, err := io.ReadAll(v); err != nil || string(b) != "first "+mark {
			t.Errorf("history: %q, %v", b, err)
		}
		must(t, v.Close())
		if c, err := kv.Copy(ctx, "europe too", client.CopyOptions{Prefix: "key " + mark}); err != nil || c.Keys != 5 {
			t.Errorf("copy: %+v, %v", c, err)
		}
	}
	_, err = kv.Delete(ctx, "key "+mark+" three", client.DeleteOptions{})
	must(t, err)
	if title == "europe" {
		_, err = kv.Undelete(ctx, "key "+mark+" three")
		must(t, err)
	}
	_, err = kv.Clear(ctx, "key "+mark+" f")
	must(t, err)
}

// TestJurisdictionOnDisk: an edge that is not for a jurisdiction answers everything
// about its namespaces, and nothing of them comes to its disk; one that is has them.
func TestJurisdictionOnDisk(t *testing.T) {
	centre := european(t)
	useAll(t, centre, "europe", "before")
	plain, eu := diskEdge(filepath.Join(t.TempDir(), "plain"), centre), diskEdge(filepath.Join(t.TempDir(), "eu"), centre, "eu")
	p, e := openReady(t, plain), openReady(t, eu)
	watch := watching(t, p, rootToken, "europe", client.WatchOptions{Prefix: "key watched"})
	wantEvents(t, watch, "ready")
	_, err := connect(t, e, rootToken).KV("europe").Put(t.Context(), "key watched", strings.NewReader("v"), client.PutOptions{})
	must(t, err)
	wantEvents(t, watch, "put key watched")
	for name, n := range map[string]*node.Node{"centre": centre, "plain": p, "eu": e} {
		useAll(t, n, "europe", "of europe at "+name)
		useAll(t, n, "anywhere", "of anywhere at "+name)
	}
	must(t, p.Close())
	must(t, e.Close())
	var bound []string
	for _, at := range []string{"centre", "plain", "eu"} {
		bound = append(bound, "key of europe at "+at, "small value of europe at "+at)
	}
	bound = append(bound, "large value of europe", "metadata of europe", "key watched", "value before")
	if got := holding(t, plain, bound...); got != nil {
		t.Errorf("an edge without the jurisdiction holds %q", got)
	}
	if got := holding(t, plain, "key of anywhere at eu", "large value of anywhere at eu"); len(got) != 2 {
		t.Errorf("of another namespace it holds %q", got)
	}
	if got := holding(t, eu, "key of europe at centre", "key of europe at plain", "small value of europe at plain", "large value of europe", "metadata of europe", "key watched"); len(got) != 6 {
		t.Errorf("an edge with the jurisdiction holds %q", got)
	}
}

// TestJurisdictionAtTheCentre: a central node makes no namespace, and opens none, that
// it is not for.
func TestJurisdictionAtTheCentre(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	cfg := onDisk(dir)
	cfg.RootToken = rootToken
	n := openReady(t, cfg)
	api := n.APIURL() + "/client/v4/accounts/" + n.Account() + "/storage/kv/namespaces"
	for j, want := range map[string]string{"eu": "jurisdiction \\\"eu\\\" is not available", "mars": "invalid jurisdiction"} {
		got := request(t, "POST", api, rootToken, fmt.Sprintf(`{"title":"x","jurisdiction":%q}`, j))
		if got.status != 400 || !strings.Contains(got.body, want) || !strings.Contains(got.body, `"code":10029`) {
			t.Errorf("%s: got %d %s", j, got.status, got.body)
		}
	}
	must(t, n.Close())

	cfg.Jurisdictions = []string{"eu", "us"}
	n = openReady(t, cfg)
	root := connect(t, n, rootToken)
	for _, j := range cfg.Jurisdictions {
		if _, err := root.CreateNamespace(t.Context(), "in "+j, client.NamespaceOptions{Jurisdiction: j}); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := root.Status(t.Context()); err != nil || !cmp.Equal(s.Jurisdictions, cfg.Jurisdictions) {
		t.Errorf("status: %+v, %v", s, err)
	}
	if _, err := root.KV("in eu").Copy(t.Context(), "in us", client.CopyOptions{}); err == nil || !strings.Contains(err.Error(), "jurisdiction eu") {
		t.Errorf("a copy out of the jurisdiction: %v", err)
	}
	before := statusOf(t, n).Revision
	must(t, n.Close())

	cfg.Jurisdictions = []string{"us"}
	_, err := openErr(t, cfg)
	var bound *edge.JurisdictionError
	if !errors.As(err, &bound) || bound.Title != "in eu" || bound.Jurisdiction != "eu" {
		t.Errorf("a start without it: %v", err)
	}
	cfg.Jurisdictions = []string{"us", "eu"}
	n = openReady(t, cfg)
	if now := statusOf(t, n).Revision; now <= before {
		t.Errorf("it goes on at revision %s after %s", now, before)
	}
}

// TestJurisdictionChanges: an edge that gains a jurisdiction fetches its namespaces, and
// does not start once it has lost it.
func TestJurisdictionChanges(t *testing.T) {
	centre := european(t)
	useAll(t, centre, "europe", "x")
	cfg := diskEdge(filepath.Join(t.TempDir(), "edge"), centre)
	n := openReady(t, cfg)
	must(t, n.Close())
	cfg.Jurisdictions = []string{"eu"}
	n = openReady(t, cfg)
	eventually(t, "the edge holds as many keys as the centre", func() bool { return statusOf(t, n).Keys == statusOf(t, centre).Keys })
	must(t, n.Close())
	if got := holding(t, cfg, "key x", "small value x"); len(got) != 2 {
		t.Errorf("it holds %q", got)
	}
	for _, j := range [][]string{nil, {"us"}} {
		cfg.Jurisdictions = j
		_, err := openErr(t, cfg)
		if bound := (*edge.JurisdictionError)(nil); !errors.As(err, &bound) || bound.Jurisdiction != "eu" {
			t.Errorf("a start with %q: %v", j, err)
		}
	}
	cfg.Dir += "-new"
	if got := statusOf(t, openReady(t, cfg)).Keys; got >= statusOf(t, centre).Keys {
		t.Errorf("one with an empty directory holds %d keys, the centre %d", got, statusOf(t, centre).Keys)
	}
}

// TestJurisdictionOfWhatIsNotCarriedAnyMore: a namespace that an edge has carried stays on
// its disk when --namespaces names it no longer, and so the edge cannot lose its
// jurisdiction then either.
func TestJurisdictionOfWhatIsNotCarriedAnyMore(t *testing.T) {
	centre := european(t)
	useAll(t, centre, "europe", "x")
	cfg := diskEdge(filepath.Join(t.TempDir(), "edge"), centre, "eu")
	n := openReady(t, cfg)
	eventually(t, "the edge holds as many keys as the centre", func() bool { return statusOf(t, n).Keys == statusOf(t, centre).Keys })
	must(t, n.Close())
	cfg.Namespaces = []string{"anywhere"}
	n = openReady(t, cfg)
	must(t, n.Close())
	if got := holding(t, cfg, "key x", "small value x"); len(got) != 2 {
		t.Errorf("it holds %q", got)
	}
	cfg.Jurisdictions = nil
	_, err := openErr(t, cfg)
	if bound := (*edge.JurisdictionError)(nil); !errors.As(err, &bound) || bound.Jurisdiction != "eu" {
		t.Errorf("a start without the jurisdiction: %v", err)
	}
}

// TestJurisdictionOfADeletedNamespace: what an edge has deleted may stand on its disk for
// long, and so it cannot lose a jurisdiction either once all namespaces of it are deleted.
func TestJurisdictionOfADeletedNamespace(t *testing.T) {
	centre := european(t)
	useAll(t, centre, "europe", "x")
	cfg := diskEdge(filepath.Join(t.TempDir(), "edge"), centre, "eu", "us")
	n := openReady(t, cfg)
	root := connect(t, centre, rootToken)
	for _, title := range []string{"europe", "europe too"} {
		must(t, root.DeleteNamespace(t.Context(), title))
	}
	eventually(t, "the edge knows that they are deleted", func() bool {
		all, err := connect(t, n, rootToken).Namespaces(t.Context())
		return err == nil && len(all) == 1
	})
	must(t, n.Close())
	for _, j := range [][]string{nil, {"us"}} {
		cfg.Jurisdictions = j
		_, err := openErr(t, cfg)
		if bound := (*edge.JurisdictionError)(nil); !errors.As(err, &bound) || bound.Jurisdiction != "eu" || strings.Contains(err.Error(), `""`) {
			t.Errorf("a start with %q: %v", j, err)
		}
	}
	cfg.Jurisdictions = []string{"us", "eu"}
	openReady(t, cfg)
}

// TestJurisdictionBehindARelay: who is for a jurisdiction cannot follow a relay that is
// not, is told so, and follows another; through the relay writes and reads go all the
// same.
func TestJurisdictionBehindARelay(t *testing.T) {
	centre := european(t)
	plainCfg := diskEdge(filepath.Join(t.TempDir(), "relay"), centre)
	relay := openReady(t, plainCfg)
	cfg := edgeConfig(relay.APIURL())
	cfg.Jurisdictions, cfg.RootToken = []string{"eu"}, rootToken
	n := open(t, cfg)
	eventually(t, "it says why it does not follow", func() bool {
		return strings.Contains(statusOf(t, n).Problem, "this node does not carry namespaces of jurisdiction eu")
	})
	if statusOf(t, n).Ready {
		t.Error("it is ready")
	}
	cfg = edgeConfig(relay.APIURL(), centre.APIURL())
	cfg.Jurisdictions = []string{"eu"}
	openReady(t, cfg)
	leaf := openReady(t, edgeConfig(relay.APIURL()))
	useAll(t, leaf, "europe", "of the leaf")
	must(t, leaf.Close())
	must(t, relay.Close())
	if got := holding(t, plainCfg, "key of the leaf", "small value of the leaf", "large value of the leaf"); got != nil {
		t.Errorf("the relay holds %q", got)
	}
}

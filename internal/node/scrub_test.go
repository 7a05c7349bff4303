package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/api/native"
	"github.com/godwitkv/godwit/internal/central/jetstream/streamtest"
	"github.com/godwitkv/godwit/internal/node"
	"github.com/godwitkv/godwit/internal/store"
)

// random is a value that nothing compresses.
func random(n int, seed byte) string {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	for i := range b {
		b[i] = 'a' + b[i]%26
	}
	return string(b)
}

// files are the paths below a directory of a disk in memory whose names end so.
func files(t *testing.T, fs store.FS, dir, suffix string) (paths []string) {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, suffix) {
			paths = append(paths, dir+"/"+name)
		}
	}
	return paths
}

// blobFiles are the blobs on a node's disk that are whole.
func blobFiles(t *testing.T, cfg node.Config) []string {
	t.Helper()
	return slices.DeleteFunc(files(t, cfg.FS, "data/blobs", ""), func(path string) bool { return strings.Contains(path, ".") })
}

// flipFile makes one bit of a file another.
func flipFile(t *testing.T, fs store.FS, path string) {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	b[len(b)/3] ^= 1
	out, err := fs.Create(path, "test")
	if err == nil {
		_, err = io.Copy(out, bytes.NewReader(b))
	}
	if err == nil {
		err = errors.Join(out.Sync(), out.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// scrubOf is how a node's scrub stands.
func scrubOf(t *testing.T, n *node.Node) native.Scrub {
	t.Helper()
	var st native.Status
	if err := json.Unmarshal([]byte(request(t, "GET", n.APIURL()+"/godwit/v1/status", rootToken, "").body), &st); err != nil {
		t.Fatal(err)
	}
	return st.Scrub
}

// scrubbed is a pass's account.
func scrubbed(t *testing.T, n *node.Node) (st native.Scrub) {
	t.Helper()
	before := scrubOf(t, n)
	if got := request(t, "POST", n.APIURL()+"/godwit/v1/scrub", rootToken, ""); got.status != 200 {
		t.Fatalf("start: %d %s", got.status, got.body)
	}
	eventually(t, "a whole pass", func() bool {
		st = scrubOf(t, n)
		return !st.Running && st.LastEnded != 0 && (before.LastEnded == 0 || st.LastBegan > before.LastBegan)
	})
	return st
}

// TestScrubMendsAnEdge: blobs that an edge's disk has damaged, cut off or lost come from
// its upstream again; at the centre, which has nobody to ask, reads say so and the node
// stays ready.
func TestScrubMendsAnEdge(t *testing.T) {
	centreCfg := config()
	centre := open(t, centreCfg)
	const ns = "/godwit/v1/namespaces"
	request(t, "POST", centre.APIURL()+ns, rootToken, `{"title":"birds"}`)
	values := map[string]string{"a": random(200_000, 1), "b": random(300_000, 2), "small": random(300, 3)}
	for key, value := range values {
		putKey(t, centre, "birds", key, value)
	}
	cfg := edgeConfig(centre.APIURL())
	edge := openReady(t, cfg)
	eventually(t, "two files", func() bool { return len(blobFiles(t, cfg)) == 2 })
	paths := blobFiles(t, cfg)
	flipFile(t, cfg.FS, paths[0])
	if err := cfg.FS.Remove(paths[1]); err != nil {
		t.Fatal(err)
	}
	if st := scrubbed(t, edge); st.LastFound != 2 || st.LastMended != 2 || st.Unmended != 0 {
		t.Errorf("at the edge: %+v", st)
	}
	wantKeys(t, edge, "birds", values)

	flipFile(t, centreCfg.FS, blobFiles(t, centreCfg)[0])
	if st := scrubbed(t, centre); st.LastFound != 1 || st.LastMended != 0 || st.Unmended != 1 {
		t.Errorf("at the centre: %+v", st)
	}
	if got := request(t, "GET", centre.APIURL()+"/readyz", "", ""); got.status != 200 {
		t.Errorf("the centre is not ready: %d", got.status)
	}
	if got := request(t, "GET", centre.APIURL()+"/godwit/v1/status", rootToken, ""); !strings.Contains(got.body, "damaged on this node's disk") {
		t.Errorf("the status: %s", got.body)
	}
	wantKeys(t, edge, "birds", values)
}

// TestDamagedDatabaseOfAnEdge: reads of what its disk has damaged are the upstream's,
// and the edge becomes a new copy.
func TestDamagedDatabaseOfAnEdge(t *testing.T) {
	centre := open(t, config())
	request(t, "POST", centre.APIURL()+"/godwit/v1/namespaces", rootToken, `{"title":"birds"}`)
	values := make(map[string]string)
	for i := range byte(40) {
		key := string('a'+rune(i)%26) + string('a'+rune(i)/26)
		values[key] = random(900, i)
		putKey(t, centre, "birds", key, values[key])
	}
	cfg := edgeConfig(centre.APIURL())
	first, err := node.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	<-first.Ready()
	for key, want := range values {
		eventually(t, key, func() bool { return getKey(t, first, "birds", key) == want })
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	n, err := node.Open(t.Context(), cfg) // which writes what the log has into a file
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range files(t, cfg.FS, "data/db", ".sst") {
		flipFile(t, cfg.FS, path)
	}
	if n, err = node.Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	<-n.Ready()
	request(t, "POST", n.APIURL()+"/godwit/v1/scrub", rootToken, "")
	if err := n.Wait(t.Context()); !errors.Is(err, node.ErrCopyAgain) {
		t.Fatalf("the node ended with %v", err)
	}
	again := openReady(t, cfg)
	wantKeys(t, again, "birds", values)
	if st := scrubbed(t, again); st.LastFound != 0 || st.Unmended != 0 {
		t.Errorf("the new copy: %+v", st)
	}
}

// members are nodes that share a log.
func members(t *testing.T, n int) (nodes []*node.Node, cfgs []node.Config) {
	t.Helper()
	log, registry := streamtest.NewLog(1, time.Now), streamtest.NewRegistry()
	log.SetLeader(true)
	t.Cleanup(log.Wait)
	for i := range n {
		cfg := config()
		cfg.Node = string('a' + rune(i))
		cfg.OpenShared = func(context.Context) (*node.Shared, error) {
			s := log.Stream()
			return &node.Shared{Stream: s, Registry: s.Registry(registry), Close: func() error { s.Kill(); return nil }}, nil
		}
		nodes, cfgs = append(nodes, openReady(t, cfg)), append(cfgs, cfg)
	}
	return nodes, cfgs
}

// TestScrubMendsAMember: what a member's disk has lost comes from another one.
func TestScrubMendsAMember(t *testing.T) {
	nodes, cfgs := members(t, 3)
	request(t, "POST", nodes[0].APIURL()+"/godwit/v1/namespaces", rootToken, `{"title":"birds"}`)
	values := map[string]string{"a": random(200_000, 1), "b": random(300_000, 2)}
	for key, value := range values {
		putKey(t, nodes[0], "birds", key, value)
	}
	birds := nodes[1].APIURL() + "/client/v4/accounts/" + nodes[1].Account() + "/storage/kv/namespaces/" + namespaceID(t, nodes[0], "birds")
	if got := request(t, "GET", birds+"/values/b", rootToken, "", "Godwit-Consistency", "strong"); got.body != values["b"] {
		t.Fatalf("before: %d, %d bytes", got.status, len(got.body))
	}
	paths := blobFiles(t, cfgs[1])
	flipFile(t, cfgs[1].FS, paths[0])
	if err := cfgs[1].FS.Remove(paths[1]); err != nil {
		t.Fatal(err)
	}
	if st := scrubbed(t, nodes[1]); st.LastFound != 2 || st.LastMended != 2 || st.Unmended != 0 {
		t.Errorf("%+v", st)
	}
	wantKeys(t, nodes[1], "birds", values)
}

func putKey(t *testing.T, n *node.Node, ns, key, value string) {
	t.Helper()
	if got := request(t, "PUT", n.APIURL()+"/client/v4/accounts/"+n.Account()+"/storage/kv/namespaces/"+namespaceID(t, n, ns)+"/values/"+key, rootToken, value); got.status != 200 {
		t.Fatalf("put %s: %d %s", key, got.status, got.body)
	}
}

func getKey(t *testing.T, n *node.Node, ns, key string) string {
	t.Helper()
	return request(t, "GET", n.APIURL()+"/client/v4/accounts/"+n.Account()+"/storage/kv/namespaces/"+namespaceID(t, n, ns)+"/values/"+key, rootToken, "").body
}

func wantKeys(t *testing.T, n *node.Node, ns string, values map[string]string) {
	t.Helper()
	for key, want := range values {
		if got := getKey(t, n, ns, key); got != want {
			t.Errorf("%s: %.60q (%d bytes), want %d", key, got, len(got), len(want))
		}
	}
}

// namespaceID is the id of a namespace by its title.
func namespaceID(t *testing.T, n *node.Node, title string) string {
	t.Helper()
	var ns struct{ ID string }
	got := request(t, "GET", n.APIURL()+"/godwit/v1/namespaces/"+title, rootToken, "")
	if err := json.Unmarshal([]byte(got.body), &ns); err != nil || ns.ID == "" {
		t.Fatalf("namespace %s: %d %s", title, got.status, got.body)
	}
	return ns.ID
}

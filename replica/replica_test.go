package replica_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/node"
	"github.com/godwitkv/godwit/internal/porttest"
	"github.com/godwitkv/godwit/replica"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const rootToken = "replica-test-root-token-0123456789"

// centre is a node with a namespace "birds".
type centre struct {
	node *node.Node
	kv   *client.KV
	cfg  node.Config
}

func openCentre(t testing.TB) *centre {
	t.Helper()
	c := &centre{cfg: node.Config{
		Dir: t.TempDir(), Listen: porttest.Free(t), BindingListen: "127.0.0.1:0", RootToken: rootToken, CacheBytes: 8 << 20,
	}}
	c.start(t)
	cl, err := client.New(c.node.APIURL(), rootToken)
	check(t, err)
	t.Cleanup(cl.Close)
	_, err = cl.CreateNamespace(t.Context(), "birds", client.NamespaceOptions{})
	check(t, err)
	c.kv = cl.KV("birds")
	t.Cleanup(func() { check(t, c.node.Close()) })
	return c
}

// start opens the node again where it was.
func (c *centre) start(t testing.TB) {
	t.Helper()
	var err error
	c.node, err = node.Open(context.WithoutCancel(t.Context()), c.cfg)
	check(t, err)
}

func (c *centre) put(t testing.TB, key string, value []byte) {
	t.Helper()
	_, err := c.kv.Put(t.Context(), key, bytes.NewReader(value), client.PutOptions{})
	check(t, err)
}

func (c *centre) open(t testing.TB, cfg replica.Config) (*replica.Replica, *replica.Namespace) {
	t.Helper()
	cfg.Upstreams, cfg.Token, cfg.CacheBytes = []string{c.node.APIURL()}, rootToken, 8<<20
	r, err := replica.Open(t.Context(), cfg)
	check(t, err)
	t.Cleanup(func() { check(t, r.Close()) })
	check(t, r.Ready(t.Context()))
	birds, err := r.Namespace(t.Context(), "birds")
	check(t, err)
	return r, birds
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func value(t testing.TB, n *replica.Namespace, key string) string {
	t.Helper()
	v, err := n.Value(t.Context(), key)
	check(t, err)
	return string(v)
}

// await returns once the replica holds a write of the centre.
func await(t testing.TB, n *replica.Namespace, key, want string) {
	t.Helper()
	for t.Context().Err() == nil {
		if v, err := n.Value(t.Context(), key); err == nil && string(v) == want {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// TestCopy: what was there before and what comes later is here, in any size.
func TestCopy(t *testing.T) {
	c := openCentre(t)
	large := make([]byte, 300_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(large)
	c.put(t, "godwit", []byte("Limosa"))
	c.put(t, "large", large)
	r, birds := c.open(t, replica.Config{})
	if same, err := r.Namespace(t.Context(), birds.ID().String()); err != nil || same.ID() != birds.ID() {
		t.Errorf("birds by its id: %v", err)
	}
	if got := value(t, birds, "godwit"); got != "Limosa" {
		t.Errorf("godwit is %q", got)
	}
	if got := value(t, birds, "large"); got != string(large) {
		t.Errorf("large has %d bytes that differ", len(got))
	}
	c.put(t, "knot", []byte("Calidris"))
	await(t, birds, "knot", "Calidris")
	var keys []string
	for e, err := range birds.List(t.Context(), "") {
		check(t, err)
		keys = append(keys, e.Key)
	}
	if got := strings.Join(keys, " "); got != "godwit knot large" {
		t.Errorf("the keys are %q", got)
	}
	if _, err := birds.Get(t.Context(), "dodo"); !errors.Is(err, godwit.ErrKeyNotFound) {
		t.Errorf("dodo: %v", err)
	}
}

// TestWrites go to the upstream and are here at once; conditions hold.
func TestWrites(t *testing.T) {
	c := openCentre(t)
	_, birds := c.open(t, replica.Config{WriteToken: rootToken})
	first, err := birds.Put(t.Context(), "godwit", strings.NewReader("Limosa"), replica.PutOptions{Metadata: []byte(`{"legs":2}`)})
	check(t, err)
	e, err := birds.Get(t.Context(), "godwit")
	check(t, err)
	if e.Revision != first || string(e.Metadata) != `{"legs":2}` || string(e.Value.Inline) != "Limosa" {
		t.Errorf("the entry is %+v, of revision %v", e, first)
	}
	same := []godwit.Condition{{Kind: godwit.MustMatch, Revisions: []godwit.Revision{first}}}
	_, err = birds.Put(t.Context(), "godwit", strings.NewReader("L. lapponica"), replica.PutOptions{Conditions: same})
	check(t, err)
	if _, err := birds.Delete(t.Context(), "godwit", same...); !errors.Is(err, godwit.ErrPrecondition) {
		t.Errorf("delete of an old revision: %v", err)
	}
	_, err = birds.Delete(t.Context(), "godwit")
	check(t, err)
	if _, err := birds.Get(t.Context(), "godwit"); !errors.Is(err, godwit.ErrKeyNotFound) {
		t.Errorf("after the delete: %v", err)
	}
	if _, err := birds.Put(t.Context(), "k", strings.NewReader("v"), replica.PutOptions{Metadata: []byte("{")}); godwit.CodeOf(err) != godwit.CodeInvalidMetadata {
		t.Errorf("metadata that is not JSON: %v", err)
	}
}

func TestReplicateTokenCannotWrite(t *testing.T) {
	c := openCentre(t)
	_, birds := c.open(t, replica.Config{})
	if _, err := birds.Put(t.Context(), "k", strings.NewReader("v"), replica.PutOptions{}); godwit.CodeOf(err) != godwit.CodeForbidden {
		t.Errorf("put without a token for it: %v", err)
	}
}

// TestOutage: a directory serves what it holds while the upstream is away, from
// the start on, and goes on with what it missed.
func TestOutage(t *testing.T) {
	c := openCentre(t)
	c.put(t, "godwit", []byte("Limosa"))
	dir, keys := t.TempDir(), filepath.Join(t.TempDir(), "keys")
	check(t, os.WriteFile(keys, []byte("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"), 0o600))
	r, _ := c.open(t, replica.Config{Dir: dir, EncryptionKeyFile: keys})
	check(t, r.Close())
	check(t, c.node.Close())
	_, err := replica.Open(t.Context(), replica.Config{Dir: dir, Upstreams: []string{c.node.APIURL()}, Token: rootToken})
	if err == nil || !strings.Contains(err.Error(), "is encrypted") {
		t.Errorf("opened without the key: %v", err)
	}
	r, birds := c.open(t, replica.Config{Dir: dir, EncryptionKeyFile: keys, WriteToken: rootToken})
	if got := value(t, birds, "godwit"); got != "Limosa" {
		t.Errorf("godwit is %q", got)
	}
	if _, err := birds.Put(t.Context(), "k", strings.NewReader("v"), replica.PutOptions{}); godwit.CodeOf(err) != godwit.CodeUnavailable {
		t.Errorf("put while the upstream is away: %v", err)
	}
	for r.Status().Problem == "" { // which it has once it has tried
		time.Sleep(time.Millisecond)
	}
	if s := r.Status(); s.Connected || s.Keys != 1 {
		t.Errorf("status %+v", s)
	}
	c.start(t)
	c.put(t, "knot", []byte("Calidris"))
	await(t, birds, "knot", "Calidris")
}

// TestPart: a replica of some namespaces, with short values alone, still answers
// for the rest.
func TestPart(t *testing.T) {
	c := openCentre(t)
	cl, err := client.New(c.node.APIURL(), rootToken)
	check(t, err)
	defer cl.Close()
	_, err = cl.CreateNamespace(t.Context(), "trees", client.NamespaceOptions{})
	check(t, err)
	_, err = cl.KV("trees").Put(t.Context(), "oak", strings.NewReader("Quercus"), client.PutOptions{})
	check(t, err)
	long := bytes.Repeat([]byte("x"), 5000)
	c.put(t, "long", long)
	r, birds := c.open(t, replica.Config{Namespaces: []string{"birds"}, MaxValue: 1000})
	if s := r.Status(); s.Keys != 1 {
		t.Errorf("it holds %d keys", s.Keys)
	}
	if got := value(t, birds, "long"); got != string(long) {
		t.Errorf("the long value has %d bytes", len(got))
	}
	trees, err := r.Namespace(t.Context(), "trees")
	check(t, err)
	if got := value(t, trees, "oak"); got != "Quercus" {
		t.Errorf("oak is %q", got)
	}
}

func TestWatch(t *testing.T) {
	c := openCentre(t)
	_, birds := c.open(t, replica.Config{WriteToken: rootToken})
	var events []string
	for e, err := range birds.Watch(t.Context(), replica.WatchOptions{Prefix: "w/", Values: true}) {
		check(t, err)
		if e.Kind == replica.EventReady && len(events) == 0 {
			_, err := birds.Put(t.Context(), "w/a", strings.NewReader("1"), replica.PutOptions{})
			check(t, err)
			_, err = birds.Put(t.Context(), "x", strings.NewReader("2"), replica.PutOptions{})
			check(t, err)
			_, err = birds.Delete(t.Context(), "w/a")
			check(t, err)
		}
		if e.Kind != replica.EventReady {
			events = append(events, fmt.Sprintf("%s %s %s", e.Kind, e.Key, e.Value))
		}
		if e.Kind == replica.EventDelete {
			break
		}
	}
	got := strings.Join(events, ", ")
	if got != "put w/a 1, delete w/a " && got != "delete w/a " { // the latest state may be all
		t.Errorf("events %q", got)
	}
}

// TestWatchOfWhatIsNotHeld: a replica that does not carry a namespace, or has no copy
// yet, does not say that it is ready.
func TestWatchOfWhatIsNotHeld(t *testing.T) {
	c := openCentre(t)
	cl, err := client.New(c.node.APIURL(), rootToken)
	check(t, err)
	defer cl.Close()
	_, err = cl.CreateNamespace(t.Context(), "trees", client.NamespaceOptions{})
	check(t, err)
	dir := t.TempDir()
	r, birds := c.open(t, replica.Config{Dir: dir, Namespaces: []string{"birds"}})
	trees, err := r.Namespace(t.Context(), "trees")
	check(t, err)
	wantFirst(t, birds, replica.EventReady, 0)
	wantFirst(t, trees, "", godwit.CodeInvalidRequest)
	check(t, r.Close())

	check(t, c.node.Close())
	r, birds = c.open(t, replica.Config{Dir: dir})
	trees, err = r.Namespace(t.Context(), "trees")
	check(t, err)
	wantFirst(t, birds, replica.EventReady, 0)
	wantFirst(t, trees, "", godwit.CodeUnavailable)
	c.start(t)
	for _, err := first(t, trees); err != nil; _, err = first(t, trees) {
		time.Sleep(time.Millisecond)
	}
	wantFirst(t, trees, replica.EventReady, 0)
}

// first is what a watch that begins now tells first.
func first(t *testing.T, n *replica.Namespace) (replica.Event, error) {
	t.Helper()
	for e, err := range n.Watch(t.Context(), replica.WatchOptions{}) {
		return e, err
	}
	t.Fatal("the watch ended without a word")
	return replica.Event{}, nil
}

func wantFirst(t *testing.T, n *replica.Namespace, kind replica.EventKind, code godwit.Code) {
	t.Helper()
	e, err := first(t, n)
	if e.Kind != kind || (err != nil || code != 0) && godwit.CodeOf(err) != code {
		t.Errorf("the watch begins with %q, %v, want %q, code %d", e.Kind, err, kind, code)
	}
}

func TestBadConfig(t *testing.T) {
	for _, cfg := range []replica.Config{
		{},
		{Upstreams: []string{"http://127.0.0.1:1"}},
		{Upstreams: []string{"no url"}, Token: "t"},
	} {
		if r, err := replica.Open(t.Context(), cfg); err == nil {
			t.Errorf("opened with %+v", cfg.Upstreams)
			_ = r.Close()
		}
	}
}

// TestHotGetAllocatesNothing holds the promise of a read that is a function call.
func TestHotGetAllocatesNothing(t *testing.T) {
	c := openCentre(t)
	c.put(t, "a key that is longer than what the compiler keeps on the stack", []byte("v"))
	_, birds := c.open(t, replica.Config{})
	ctx := t.Context()
	n := testing.AllocsPerRun(1000, func() {
		if _, err := birds.Get(ctx, "a key that is longer than what the compiler keeps on the stack"); err != nil {
			t.Fatal(err)
		}
	})
	if n >= 0.1 { // of what else the process does meanwhile
		t.Errorf("%v allocations a read", n)
	}
}

func BenchmarkGetHot(b *testing.B) {
	c := openCentre(b)
	c.put(b, "godwit", bytes.Repeat([]byte("v"), 288))
	_, birds := c.open(b, replica.Config{})
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := birds.Get(ctx, "godwit"); err != nil {
			b.Fatal(err)
		}
	}
}

// TestJurisdiction: of a namespace that a replica is not for nothing is kept, and it is
// read and written all the same.
func TestJurisdiction(t *testing.T) {
	c := openCentre(t)
	check(t, c.node.Close())
	c.cfg.Jurisdictions = []string{"eu"}
	c.start(t)
	cl, err := client.New(c.node.APIURL(), rootToken)
	check(t, err)
	defer cl.Close()
	_, err = cl.CreateNamespace(t.Context(), "europe", client.NamespaceOptions{Jurisdiction: "eu"})
	check(t, err)
	long := strings.Repeat("long secret ", 10_000)
	for _, tc := range []struct {
		jurisdictions []string
		holds         bool
	}{{nil, false}, {[]string{"eu"}, true}} {
		dir := t.TempDir()
		r, _ := c.open(t, replica.Config{Dir: dir, Jurisdictions: tc.jurisdictions, WriteToken: rootToken})
		europe, err := r.Namespace(t.Context(), "europe")
		check(t, err)
		_, err = europe.Put(t.Context(), "long", strings.NewReader(long), replica.PutOptions{})
		check(t, err)
		if got := value(t, europe, "long"); got != long {
			t.Errorf("%q: it reads %d bytes", tc.jurisdictions, len(got))
		}
		check(t, r.Close())
		if got := holds(t, dir, "long secret"); got != tc.holds {
			t.Errorf("%q: the directory holds it: %t", tc.jurisdictions, got)
		}
	}
	if _, err := replica.Open(t.Context(), replica.Config{Upstreams: []string{c.node.APIURL()}, Token: rootToken, Jurisdictions: []string{"mars"}}); err == nil {
		t.Error("a replica for mars opens")
	}
}

// holds tells whether a file below a directory has a text.
func holds(t *testing.T, dir, text string) (found bool) {
	t.Helper()
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		found = found || bytes.Contains(b, []byte(text))
		return err
	}))
	return found
}

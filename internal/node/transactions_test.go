package node_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/node"
)

// TestTransactionsAtEveryNode sends transactions to a centre, to edges, and to
// one that does not carry the namespace, each on what the one before has made.
func TestTransactionsAtEveryNode(t *testing.T) {
	last := client.Absent
	for name, n := range everyNode(t) {
		kv := connect(t, n, rootToken).KV("birds")
		last = transactAt(t, kv, name, last)
		items, err := kv.BulkGet(t.Context(), []string{"large", "k"})
		if err != nil || len(items["large"].Value) != 100_000 || string(items["k"].Value) != name {
			t.Errorf("%s: then k is %q, large has %d bytes; error %v", name, items["k"].Value, len(items["large"].Value), err)
		}
	}
}

// TestAddsAtEveryNode adds at all nodes at once: each sum is given once.
func TestAddsAtEveryNode(t *testing.T) {
	const each = 50
	sums := make(chan int64, 4*each)
	var g errgroup.Group
	for _, n := range everyNode(t) {
		kv := connect(t, n, rootToken).KV("birds")
		g.Go(func() error {
			for range each {
				sum, _, err := kv.Add(t.Context(), client.Sum{Key: "n", Delta: 1})
				if err != nil {
					return err
				}
				sums <- sum
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	close(sums)
	given := make(map[int64]bool)
	for n := range sums {
		if given[n] || n < 1 || n > 4*each {
			t.Errorf("the sum %d is given twice, or too large", n)
		}
		given[n] = true
	}
}

// TestClearAtEveryNode clears keys at one node, and all show none of them.
func TestClearAtEveryNode(t *testing.T) {
	nodes := everyNode(t)
	for name, n := range nodes {
		kv := connect(t, n, rootToken).KV("birds")
		for _, key := range []string{"a/1", "a/2", "b"} {
			if _, err := kv.Put(t.Context(), key, strings.NewReader("v"), client.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		revision, err := kv.Clear(t.Context(), "a/")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for at, n := range nodes {
			page, err := connect(t, n, rootToken).KV("birds").ListPage(t.Context(), client.ListOptions{}, client.MinRevision(revision))
			if err != nil || len(page.Keys) != 1 || page.Keys[0].Name != "b" {
				t.Errorf("cleared at %s: %s has %+v, %v", name, at, page, err)
			}
		}
	}
}

// everyNode starts one of each kind, with a namespace birds that one does not carry.
func everyNode(t *testing.T) map[string]*node.Node {
	t.Helper()
	centre := openReady(t, config())
	for _, title := range []string{"birds", "fish"} {
		if _, err := connect(t, centre, rootToken).CreateNamespace(t.Context(), title, client.NamespaceOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	relay := openReady(t, edgeConfig(centre.APIURL()))
	partial := edgeConfig(centre.APIURL())
	partial.Namespaces = []string{"fish"}
	return map[string]*node.Node{
		"centre": centre, "relay": relay,
		"edge": openReady(t, edgeConfig(relay.APIURL())), "partial": openReady(t, partial),
	}
}

// TestTitleOfElsewhere names a namespace by its title where nobody has heard of it yet.
func TestTitleOfElsewhere(t *testing.T) {
	nodes := everyNode(t)
	cluster, _ := members(t, 3)
	for at, pair := range map[string][2]*node.Node{
		"relay": {nodes["centre"], nodes["relay"]}, "edge": {nodes["centre"], nodes["edge"]}, "partial": {nodes["centre"], nodes["partial"]},
		"member": {cluster[0], cluster[1]},
	} {
		for i := range 20 {
			title := fmt.Sprintf("%s/%d", at, i)
			if _, err := connect(t, pair[0], rootToken).CreateNamespace(t.Context(), title, client.NamespaceOptions{}); err != nil {
				t.Fatal(err)
			}
			if _, err := connect(t, pair[1], rootToken).KV(title).Put(t.Context(), "k", strings.NewReader("v"), client.PutOptions{}); err != nil {
				t.Errorf("%s: %v", title, err)
			}
		}
	}
}

// transactAt has k be value if its revision is last, and returns its new one.
// The same again fails, and tells that one.
func transactAt(t *testing.T, kv *client.KV, value, last string) string {
	t.Helper()
	tx := client.Transaction{
		Conditions: []client.Condition{{Key: "k", Revision: last}},
		Puts:       []client.Pair{{Key: "large", Value: make([]byte, 100_000)}, {Key: "k", Value: []byte(value)}},
	}
	done, err := kv.Transact(t.Context(), tx)
	if err != nil {
		t.Fatalf("%s: %v", value, err)
	}
	_, err = kv.Transact(t.Context(), tx)
	var e *client.Error
	if !errors.As(err, &e) || !errors.Is(err, client.ErrPrecondition) {
		t.Fatalf("%s again: %v", value, err)
	}
	if diff := cmp.Diff([]client.Condition{{Key: "k", Revision: done.Revision}}, e.Conditions); diff != "" {
		t.Errorf("%s again: what stands (-want +got):\n%s", value, diff)
	}
	return done.Revision
}

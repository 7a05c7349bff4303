package node_test

import (
	"io"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/client"
)

// TestHistoryAtEveryNode deletes and undeletes keys at the centre, at edges, and at
// one that does not carry the namespace, and looks back from each.
func TestHistoryAtEveryNode(t *testing.T) {
	nodes := everyNode(t)
	for _, n := range nodes {
		if _, err := connect(t, n, rootToken).SetSettings(t.Context(), "birds", map[string]any{"history": "10"}); err != nil {
			t.Fatal(err)
		}
		break
	}
	for name, n := range nodes {
		kv := connect(t, n, rootToken).KV("birds")
		large := strings.Repeat(name, 100_000)
		first, err := kv.Put(t.Context(), name, strings.NewReader(large), client.PutOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kv.Delete(t.Context(), name, client.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		v, err := kv.GetAt(t.Context(), name, client.AtRevision(first))
		if err != nil {
			t.Errorf("%s: at the first revision: %v", name, err)
			continue
		}
		if b, err := io.ReadAll(v); err != nil || string(b) != large {
			t.Errorf("%s: at the first revision: %d bytes, %v", name, len(b), err)
		}
		_ = v.Close()
		u, err := kv.Undelete(t.Context(), name)
		if err != nil || u.Version.Revision != first {
			t.Errorf("%s: undelete: %+v, %v", name, u, err)
			continue
		}
		if d, err := kv.Details(t.Context(), name); err != nil || d.Revision != u.Revision {
			t.Errorf("%s: the node that undeleted the key shows %+v, %v", name, d, err)
		}
		for k, err := range kv.Restore(t.Context(), client.RestoreOptions{At: client.AtRevision(first), Prefix: name}) {
			t.Errorf("%s: the key stands as it did, and is restored: %+v, %v", name, k, err)
		}
	}
}

// TestHistoryAtMembers looks back from each member of a cluster, and from an edge of one.
func TestHistoryAtMembers(t *testing.T) {
	nodes, _ := members(t, 3)
	if _, err := connect(t, nodes[0], rootToken).CreateNamespace(t.Context(), "birds", client.NamespaceOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := connect(t, nodes[0], rootToken).SetSettings(t.Context(), "birds", map[string]any{"history": "10"}); err != nil {
		t.Fatal(err)
	}
	kv := connect(t, nodes[1], rootToken).KV("birds")
	large := strings.Repeat("v", 100_000)
	first, err := kv.Put(t.Context(), "k", strings.NewReader(large), client.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Delete(t.Context(), "k", client.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for i, n := range append(nodes, openReady(t, edgeConfig(nodes[2].APIURL()))) {
		v, err := connect(t, n, rootToken).KV("birds").GetAt(t.Context(), "k", client.AtRevision(first))
		if err != nil {
			t.Errorf("node %d: at the first revision: %v", i, err)
			continue
		}
		if b, err := io.ReadAll(v); err != nil || string(b) != large {
			t.Errorf("node %d: at the first revision: %d bytes, %v", i, len(b), err)
		}
		_ = v.Close()
	}
	if _, err := kv.Undelete(t.Context(), "k"); err != nil {
		t.Errorf("undelete: %v", err)
	}
}

package godwit_test

import (
	"testing"

	"github.com/godwitkv/godwit"
)

func TestClearedKeys(t *testing.T) {
	id := godwit.NamespaceID{1}
	for key, want := range map[string]string{
		"cleared/" + id.String() + "/":                      "",
		"cleared/" + id.String() + "/a/b":                   "a/b",
		"cleared/" + id.String():                            "none",
		"cleared/" + id.String()[1:] + "/a":                 "none",
		"clear/" + id.String() + "/a":                       "none",
		"cleared/" + godwit.SystemNamespace.String() + "/a": "none",
	} {
		ns, prefix, ok := godwit.ClearedKeys(key)
		if ok != (want != "none") || ok && (prefix != want || ns != id) {
			t.Errorf("%q: %s, %q, %t", key, ns, prefix, ok)
		}
	}
}

func TestFrees(t *testing.T) {
	id := godwit.NamespaceID{1}
	for _, tt := range []struct {
		m    godwit.Mutation
		want bool
	}{
		{godwit.Mutation{Op: godwit.OpPut, Namespace: id, Key: "k"}, false},
		{godwit.Mutation{Op: godwit.OpAdd, Namespace: id, Key: "k"}, false},
		{godwit.Mutation{Op: godwit.OpDelete, Namespace: id, Key: "k"}, true},
		{godwit.Mutation{Op: godwit.OpPut, Key: godwit.ClearingKey(id, "k")}, true},
		{godwit.Mutation{Op: godwit.OpPut, Namespace: id, Key: godwit.ClearingKey(id, "k")}, false},
		{godwit.Mutation{Op: godwit.OpPut, Key: "namespace/" + id.String()}, false},
	} {
		if got := tt.m.Frees(); got != tt.want {
			t.Errorf("%+v: %t", tt.m, got)
		}
	}
}

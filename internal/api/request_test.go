package api_test

import (
	"encoding/hex"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
)

// TestRequestKeysStay holds what request ids come to: a write that is sent again may come to
// a node of another version.
func TestRequestKeysStay(t *testing.T) {
	ns := godwit.NamespaceID{1, 2, 3}
	for _, tt := range []struct {
		name          string
		item          int
		mutation      godwit.Mutation
		expiration    string
		ttl           string
		conditions    []godwit.Condition
		single, whole string
	}{
		{
			name: "put", mutation: godwit.Mutation{Op: godwit.OpPut, Namespace: ns, Key: "k", Metadata: []byte(`{"legs":2}`), Value: godwit.Value{Inline: []byte("v")}},
			expiration: "1900000000", ttl: "60",
			single: "e57bf58e67691f3e14f6ec71a5eeaaf5", whole: "e36a0676b785b473f39ee4059f6e8b48",
		}, {
			name: "item of a bulk write", item: 7, mutation: godwit.Mutation{Op: godwit.OpPut, Namespace: ns, Key: "k"},
			single: "af9f366e927c50e3d39175df98077199", whole: "90b12daa37a17a07bb5e738b8dacabba",
		}, {
			name: "large value", mutation: godwit.Mutation{Op: godwit.OpPut, Namespace: ns, Key: "k", Value: godwit.Value{Blob: godwit.Blob{ID: godwit.BlobID{9}, Hash: [32]byte{8}, Size: 1 << 20}}},
			single: "cdae2c1be4c5046419f429b48cb62efd", whole: "ba91fe4a1961ce54ecf41d9a41fddc6e",
		}, {
			name: "add", mutation: godwit.Mutation{Op: godwit.OpAdd, Namespace: ns, Key: "k", Delta: -3},
			single: "7b0e9e4bdcd9b6533fa4c0de264a2880", whole: "64ea46dbd508de7e822028d2e2abcafb",
		}, {
			name: "delete on conditions", mutation: godwit.Mutation{Op: godwit.OpDelete, Namespace: ns, Key: "k"},
			conditions: []godwit.Condition{{Kind: godwit.MustBeAbsent, Namespace: ns, Key: "k"}, {Kind: godwit.MustMatch, Namespace: ns, Key: "l", Revisions: []godwit.Revision{5, 6}}},
			single:     "bf169871f93cfbbe50811c86dbd11ffc", whole: "4e2e9667f27014c36fd0791ebc177e0a",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			single, whole := api.RequestKeys("an-id", tt.item, tt.mutation, tt.expiration, tt.ttl, tt.conditions...)
			if got := hex.EncodeToString(single[:]); got != tt.single {
				t.Errorf("got %s, want %s", got, tt.single)
			}
			if got := hex.EncodeToString(whole[:]); got != tt.whole {
				t.Errorf("in a transaction: got %s, want %s", got, tt.whole)
			}
		})
	}
}

// BenchmarkRequestKey is what a request id costs a write of 256 bytes.
func BenchmarkRequestKey(b *testing.B) {
	m := &godwit.Mutation{Op: godwit.OpPut, Namespace: godwit.NamespaceID{1, 2, 3}, Key: "key/0000001", Value: godwit.Value{Inline: make([]byte, 256)}}
	b.ReportAllocs()
	for b.Loop() {
		api.RequestKey("0123456789abcdef0123456789abcdef", 7, m)
	}
}

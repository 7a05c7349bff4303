package api_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/apitest"
)

// TestPutValue checks that a value taken in beforehand is written, or dropped.
func TestPutValue(t *testing.T) {
	var k *keeping
	env := apitest.Open(t, apitest.WithService(func(c *api.Config) {
		k = &keeping{Uploader: c.Uploader}
		c.Uploader = k
	}))
	ns := env.Namespace(t, "site")
	value := strings.Repeat("v", 100_000)
	upload := func() godwit.Value {
		t.Helper()
		v, err := env.Service.Upload(t.Context(), ns, strings.NewReader(value))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if _, err := env.Service.PutValue(t.Context(), ns, api.Put{Key: []byte("k"), Metadata: []byte("1")}, upload()); err != nil {
		t.Fatal(err)
	}
	if got := get(t, env, ns, "k"); got != value || len(k.discarded) != 0 {
		t.Errorf("%d bytes, %d values discarded", len(got), len(k.discarded))
	}
	for name, tc := range map[string]struct {
		put  api.Put
		code godwit.Code
	}{
		"metadata":     {api.Put{Key: []byte("k"), Metadata: []byte("{")}, godwit.CodeInvalidMetadata},
		"precondition": {api.Put{Key: []byte("k"), Preconditions: api.Preconditions{IfNoneMatch: "*"}}, godwit.CodePreconditionFailed},
	} {
		k.discarded = nil
		_, err := env.Service.PutValue(t.Context(), ns, tc.put, upload())
		if !errors.Is(err, &godwit.Error{Code: tc.code}) {
			t.Errorf("%s: %v, want code %d", name, err, tc.code)
		}
		if diff := cmp.Diff([]int64{100_000}, k.discarded); diff != "" {
			t.Errorf("%s: discarded (-want +got):\n%s", name, diff)
		}
	}
	if got := get(t, env, ns, "k"); got != value {
		t.Errorf("afterwards: %d bytes", len(got))
	}
}

func TestNamespaceRequestKey(t *testing.T) {
	none := godwit.RequestKey{}
	key := api.NamespaceRequestKey("r", "title", "eu")
	if key == none || key != api.NamespaceRequestKey("r", "title", "eu") {
		t.Error("the same request has different keys")
	}
	if api.NamespaceRequestKey("", "title", "eu") != none {
		t.Error("a key without a request id")
	}
	for _, other := range []godwit.RequestKey{
		api.NamespaceRequestKey("r2", "title", "eu"), api.NamespaceRequestKey("r", "title2", "eu"),
		api.NamespaceRequestKey("r", "title", ""), api.NamespaceRequestKey("r", "titl", "eeu"),
	} {
		if other == key {
			t.Error("different requests have the same key")
		}
	}
}

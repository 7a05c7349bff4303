package api_test

import (
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/apitest"
)

// TestBulkRepeated: a bulk write that is sent again has the revision that it had, whatever
// was written since.
func TestBulkRepeated(t *testing.T) {
	e := apitest.Open(t)
	ns := e.Namespace(t, "birds")
	put := func(key, requestID string) godwit.Result {
		t.Helper()
		res, err := e.Service.BulkPut(t.Context(), ns, []api.BulkPut{{Key: key, Value: godwit.Value{Inline: []byte("v")}}}, requestID)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	first := put("a", "request-1")
	put("b", "")
	if again := put("a", "request-1"); again.Revision != first.Revision || !again.Repeated {
		t.Errorf("revision %d, repeated %t; it was %d", again.Revision, again.Repeated, first.Revision)
	}
}

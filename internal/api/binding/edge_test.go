package binding_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/apitest"
	"github.com/godwitkv/godwit/internal/api/binding"
)

func TestCacheStatusTellsHowReadsWereServed(t *testing.T) {
	edge := new(apitest.Elsewhere)
	w := newWorld(t, binding.Config{}, edge.Option())
	w.ask("PUT", "/k", "v").must(t, 200)
	for _, status := range []godwit.CacheStatus{godwit.StatusHit, godwit.StatusMiss, godwit.StatusStale} {
		edge.Serve(status)
		for _, res := range []*reply{
			w.ask("GET", "/k", ""), w.ask("HEAD", "/k", ""), w.ask("GET", "/absent", ""), w.ask("GET", "/", ""),
			w.ask("POST", "/bulk/get", `{"keys":["k"]}`),
		} {
			if got := res.Header.Get("CF-Cache-Status"); got != status.String() {
				t.Errorf("%s: got %q, want %s", res.Status, got, status)
			}
		}
	}
}

func TestWritesTakeTheirCredentialAlong(t *testing.T) {
	edge := new(apitest.Elsewhere)
	w := newWorld(t, binding.Config{}, edge.Option())
	secret := w.Token(t, godwit.PermissionWrite, w.ns)
	w.ask("PUT", "/k", "v", "Authorization: Bearer "+secret).must(t, 200)
	w.ask("DELETE", "/k", "", "Authorization: bearer  "+secret).must(t, 200)
	if got := edge.Credentials(); !slices.Equal(got, []string{secret, secret}) {
		t.Errorf("%d writes came with the credential of their client", len(got))
	}
}

// TestReplacedValueIsReadAnew holds that what replaced a value is waited for,
// and not for ever.
func TestReplacedValueIsReadAnew(t *testing.T) {
	edge := new(apitest.Elsewhere)
	w := newWorld(t, binding.Config{}, edge.Option())
	value := strings.Repeat("v", 100_000)
	w.ask("PUT", "/k", value).must(t, 200)
	for _, read := range []func() *reply{
		func() *reply { return w.ask("GET", "/k", "") },
		func() *reply { return w.ask("POST", "/bulk/get", `{"keys":["k"]}`) },
	} {
		edge.Replace(api.MaxValueAttempts - 1)
		if res := read(); res.StatusCode != 200 || !strings.Contains(res.body, value) || edge.Strong() != api.MaxValueAttempts-1 {
			t.Errorf("got %s after %d strong reads", res.Status, edge.Strong())
		}
		edge.Replace(api.MaxValueAttempts)
		if res := read(); res.StatusCode != 503 {
			t.Errorf("a value that is always replaced: %s", res.Status)
		}
	}
}

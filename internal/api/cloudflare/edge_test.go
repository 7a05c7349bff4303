package cloudflare_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/apitest"
	"github.com/godwitkv/godwit/internal/api/cloudflare"
)

func TestCacheStatusTellsHowReadsWereServed(t *testing.T) {
	edge := new(apitest.Elsewhere)
	s := open(t, edge.Option())
	base := kvPath + "/" + s.Namespace(t, "n").ID.String()
	s.do(t, apitest.RootToken, "PUT", base+"/values/k", "v")
	for _, status := range []godwit.CacheStatus{godwit.StatusHit, godwit.StatusMiss, godwit.StatusStale} {
		edge.Serve(status)
		for _, q := range [][3]string{
			{"GET", "/values/k"},
			{"HEAD", "/values/k"},
			{"GET", "/values/absent"},
			{"GET", "/metadata/k"},
			{"GET", "/keys"},
			{"POST", "/bulk/get", `{"keys":["k"]}`},
		} {
			res, _ := s.do(t, apitest.RootToken, q[0], base+q[1], q[2])
			if got := res.Header.Get("CF-Cache-Status"); got != status.String() {
				t.Errorf("%s %s: %s with %q, want %s", q[0], q[1], res.Status, got, status)
			}
		}
	}
}

func TestWritesTakeTheirCredentialAlong(t *testing.T) {
	edge := new(apitest.Elsewhere)
	s := open(t, edge.Option())
	ns := s.Namespace(t, "n")
	secret := s.Token(t, godwit.PermissionWrite, ns)
	base := kvPath + "/" + ns.ID.String()
	for _, q := range [][3]string{
		{"PUT", "/values/k", "v"},
		{"DELETE", "/values/k"},
		{"PUT", "/bulk", `[{"key":"a","value":"1"}]`},
		{"POST", "/bulk/delete", `["a"]`},
	} {
		if res, body := s.do(t, secret, q[0], base+q[1], q[2]); res.StatusCode != 200 {
			t.Errorf("%s %s: %s", q[0], q[1], body)
		}
		if got := edge.Credentials(); !slices.Equal(got, []string{secret}) {
			t.Errorf("%s %s: %d proposals, without the client's credential", q[0], q[1], len(got))
		}
	}
}

// TestReplacedValueIsReadAnew holds that what replaced a value is waited for,
// and not for ever.
func TestReplacedValueIsReadAnew(t *testing.T) {
	edge := new(apitest.Elsewhere)
	s := open(t, edge.Option())
	path := kvPath + "/" + s.Namespace(t, "n").ID.String() + "/values/k"
	value := strings.Repeat("v", 100_000)
	s.do(t, apitest.RootToken, "PUT", path, value)
	edge.Replace(api.MaxValueAttempts - 1)
	if res, body := s.do(t, apitest.RootToken, "GET", path, ""); body != value || edge.Strong() != api.MaxValueAttempts-1 {
		t.Errorf("got %s after %d strong reads", res.Status, edge.Strong())
	}
	edge.Replace(api.MaxValueAttempts)
	if res, _ := s.do(t, apitest.RootToken, "GET", path, ""); res.StatusCode != 503 {
		t.Errorf("a value that is always replaced: %s", res.Status)
	}
}

// TestAdministrationIsPassedOn holds that what is decided elsewhere is not
// decided here, and that all else is answered here.
func TestAdministrationIsPassedOn(t *testing.T) {
	env := apitest.Open(t)
	ns := env.Namespace(t, "n")
	var passed string
	var fail error
	h := cloudflare.New(cloudflare.Config{
		Service: env.Service, Logger: slog.New(slog.DiscardHandler), Metrics: env.Metrics, Now: env.Clock.Now,
		PassOn: func(_ http.ResponseWriter, r *http.Request) error {
			passed = r.Method + " " + r.URL.Path
			return fail
		},
	})
	do := func(method, path, token string) *httptest.ResponseRecorder {
		passed = ""
		r := httptest.NewRequest(method, path, strings.NewReader("{}"))
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for _, tt := range []struct {
		method, path string
		passed       bool
	}{
		{"POST", kvPath, true},
		{"PUT", kvPath + "/" + ns.ID.String(), true},
		{"DELETE", kvPath + "/" + ns.ID.String(), true},
		{"POST", "/client/v4/accounts/" + apitest.Account + "/workers/namespaces", true},
		{"GET", kvPath, false},
		{"GET", kvPath + "/" + ns.ID.String(), false},
		{"PUT", kvPath + "/" + ns.ID.String() + "/values/k", false},
		{"GET", "/client/v4/accounts", false},
	} {
		do(tt.method, tt.path, apitest.RootToken)
		if (passed == tt.method+" "+tt.path) != tt.passed {
			t.Errorf("%s %s: passed on %q", tt.method, tt.path, passed)
		}
		if res := do(tt.method, tt.path, "wrong"); res.Code != http.StatusUnauthorized || passed != "" {
			t.Errorf("%s %s with a guess: got %d, passed on %q", tt.method, tt.path, res.Code, passed)
		}
	}
	fail = godwit.ErrNoUpstream
	if res := do("POST", kvPath, apitest.RootToken); res.Code != 503 || !strings.Contains(res.Body.String(), `"code":10001`) {
		t.Errorf("without an upstream: got %d %s", res.Code, res.Body)
	}
}

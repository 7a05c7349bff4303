package native_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/native"
	"github.com/godwitkv/godwit/internal/catalog"
)

// peers stands in for what answers other nodes. It tells who asks.
type peers struct{}

func (*peers) ServeHTTP(w http.ResponseWriter, r *http.Request, p *catalog.Principal) {
	_, _ = w.Write([]byte(r.URL.Path + " " + string(p.Token.Permission) + " " + godwit.CredentialOf(r.Context())))
}

func TestFeedIsToldWhoAsks(t *testing.T) {
	w := newWorld(t)
	secret := w.token(godwit.PermissionReplicate)
	for _, path := range []string{"/godwit/v1/feed", "/godwit/v1/feed/walk"} {
		status, body := w.do("GET", path+"?after=1", secret, "")
		if want := path + " replicate " + secret; status != 200 || body != want {
			t.Errorf("%s: got %d %q, want %q", path, status, body, want)
		}
		if status, _ := w.do("GET", path, "wrong", ""); status != http.StatusUnauthorized {
			t.Errorf("%s without a token: got %d", path, status)
		}
	}
	if status, _ := w.do("GET", "/godwit/v1/feeder", secret, ""); status != http.StatusNotFound {
		t.Errorf("another path: got %d", status)
	}
}

func TestTreeIsShownWhenAskedFor(t *testing.T) {
	w := newWorld(t)
	secret := w.token(godwit.PermissionRead)
	if _, body := w.do("GET", "/godwit/v1/status?tree=1", secret, ""); !strings.Contains(body, `"tree":{"id":"self"`) {
		t.Errorf("got %s", body)
	}
	if _, body := w.do("GET", "/godwit/v1/status", secret, ""); strings.Contains(body, `"tree"`) {
		t.Errorf("unasked: got %s", body)
	}
}

// TestAdministrationIsPassedOn holds that what is decided elsewhere is not
// decided here, and that all else is answered here.
func TestAdministrationIsPassedOn(t *testing.T) {
	w := newWorld(t)
	var passed string
	fail := false
	w.config.PassOn = func(_ http.ResponseWriter, r *http.Request) error {
		passed = r.Method + " " + r.URL.Path
		if fail {
			return godwit.ErrNoUpstream
		}
		return nil
	}
	w.handler = native.New(w.config)
	settings := "/godwit/v1/namespaces/" + w.one.ID.String() + "/settings"
	requests := []struct {
		method, path string
		passed       bool
	}{
		{"GET", "/godwit/v1/tokens", true},
		{"POST", "/godwit/v1/tokens", true},
		{"DELETE", "/godwit/v1/tokens/0000", true},
		{"POST", "/godwit/v1/root-token/rotate", true},
		{"PATCH", settings, true},
		{"GET", settings, false},
		{"GET", "/godwit/v1/namespaces", false},
		{"GET", "/godwit/v1/status", false},
		{"POST", "/godwit/v1/scrub", false},
	}
	for _, tt := range requests {
		passed = ""
		w.do(tt.method, tt.path, rootToken, "{}")
		if (passed == tt.method+" "+tt.path) != tt.passed {
			t.Errorf("%s %s: passed on %q", tt.method, tt.path, passed)
		}
		passed = ""
		if status, _ := w.do(tt.method, tt.path, "wrong", "{}"); status != http.StatusUnauthorized || passed != "" {
			t.Errorf("%s %s with a guess: got %d, passed on %q", tt.method, tt.path, status, passed)
		}
	}
	if w.rotated != 0 || len(w.catalog.Tokens()) != 0 {
		t.Error("administration was carried out here too")
	}
	fail = true
	if status, body := w.do("POST", "/godwit/v1/tokens", rootToken, "{}"); status != 503 || !strings.Contains(body, `"code":"unavailable"`) {
		t.Errorf("without an upstream: got %d %s", status, body)
	}
}

func TestStreams(t *testing.T) {
	for _, tt := range []struct {
		method, path string
		want         bool
	}{
		{"GET", "/godwit/v1/feed", true},
		{"GET", "/godwit/v1/feed/walk", true},
		{"POST", "/godwit/v1/feed/walk", false},
		{"POST", "/godwit/v1/feed/propose", false},
		{"GET", "/godwit/v1/status", false},
		{"GET", "/client/v4/feed", false},
	} {
		if got := native.Streams(httptest.NewRequest(tt.method, tt.path, nil), tt.path); got != tt.want {
			t.Errorf("%s %s: got %v", tt.method, tt.path, got)
		}
	}
}

// elsewhere is a log that notes whose credential came with a write.
type elsewhere struct {
	godwit.Log
	credentials []string
}

// Propose implements godwit.Log.
func (e *elsewhere) Propose(ctx context.Context, txs []godwit.Transaction) ([]godwit.Result, error) {
	e.credentials = append(e.credentials, godwit.CredentialOf(ctx))
	return e.Log.Propose(ctx, txs)
}

// TestTransactionsArePassedOnByTheLog holds that a transaction is validated here
// and decided where the log is, by the client's own credential.
func TestTransactionsArePassedOnByTheLog(t *testing.T) {
	w := newWorld(t)
	log := &elsewhere{Log: w.log}
	w.service.Log, w.service.Metrics = log, prometheus.NewRegistry()
	w.config.Service = api.New(w.service)
	w.config.PassOn = func(http.ResponseWriter, *http.Request) error { return godwit.ErrNoUpstream }
	w.handler = w.contract.over(native.New(w.config))
	secret := w.token(godwit.PermissionWrite, w.one.ID)
	if status, body := w.do("POST", ofOne, secret, putOf("k", `"value":"v"`)); status != 200 {
		t.Errorf("got %d %s", status, body)
	}
	if status, body := w.do("POST", ofOne, secret, putOf("", `"value":"v"`)); status != 400 {
		t.Errorf("a bad one: got %d %s", status, body)
	}
	if !slices.Equal(log.credentials, []string{secret}) {
		t.Errorf("%d were proposed, want one with the client's credential", len(log.credentials))
	}
}

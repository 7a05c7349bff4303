package doctor_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/doctor"
)

// TestTokenStaysWithTheNamed: a follower tells any address as its own. Who answers there
// is looked at, and shown no token.
func TestTokenStaysWithTheNamed(t *testing.T) {
	var asked, shown atomic.Int64
	told := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Header.Get("Authorization") != "" || strings.Contains(r.URL.String(), "secret") {
			shown.Add(1)
		}
		w.Header().Set("Godwit-Revision", "1")
		_ = json.NewEncoder(w).Encode(client.Status{ID: "lhr", Role: "edge", Location: "lhr"})
	}))
	defer told.Close()
	named := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Godwit-Revision", "1")
		_ = json.NewEncoder(w).Encode(struct {
			client.Status
			Tree client.Node `json:"tree"`
		}{
			client.Status{ID: "fra", Role: "central", Location: "fra"},
			client.Node{ID: "fra", Role: "central", Followers: []client.Node{{ID: "lhr", Role: "edge", Location: "lhr", URL: told.URL, Ready: true}}},
		})
	}))
	defer named.Close()

	look := func(urls ...string) (statuses int, warned bool) {
		d := doctor.Look(t.Context(), doctor.Config{
			URLs: urls, Token: func(string) string { return "secret" }, Now: time.Now, HTTP: http.DefaultTransport,
		})
		for i := range d.Nodes {
			if d.Nodes[i].Status != nil {
				statuses++
			}
		}
		for _, f := range d.Findings() {
			warned = warned || f.Node == "lhr" && f.Check == "api port" && strings.Contains(f.Do, "--node "+told.URL)
		}
		return statuses, warned
	}
	if statuses, warned := look(named.URL); statuses != 1 || !warned || asked.Load() == 0 || shown.Load() != 0 {
		t.Errorf("%d statuses, warned %v; who was not named was asked %d times, and shown the token %d times",
			statuses, warned, asked.Load(), shown.Load())
	}
	if statuses, warned := look(named.URL, told.URL); statuses != 2 || warned || shown.Load() == 0 {
		t.Errorf("with both named: %d statuses, warned %v, shown %d times", statuses, warned, shown.Load())
	}
}

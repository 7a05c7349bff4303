package edge_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// TestBarrierInACircle: one that comes back to its node ends once it was passed on too
// often, and at once.
func TestBarrierInACircle(t *testing.T) {
	world(t, func(t *testing.T) {
		n, u, _ := following(t, options{at: 100})
		defer n.stop()
		var hops []string
		u.mu.Lock()
		u.answer = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/barrier") {
				return false
			}
			u.mu.Lock()
			hops = append(hops, r.Header.Get("Godwit-Hops"))
			u.mu.Unlock()
			n.server.ServeHTTP(w, r, &catalog.Principal{Token: &godwit.Token{Permission: godwit.PermissionRead}})
			return true
		}
		u.mu.Unlock()
		began := time.Now()
		_, err := n.Barrier(t.Context())
		if godwit.CodeOf(err) != godwit.CodeUnavailable || !strings.Contains(godwit.MessageOf(err), "in a circle") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took > 0 { // it is the bubble's
			t.Errorf("it took %v", took)
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		if got := strings.Join(hops, " "); got != "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16" {
			t.Errorf("passed on: %s", got)
		}
	})
}

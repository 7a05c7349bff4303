package dashboard_test

import (
	"fmt"
	"html"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/node"
)

var address = regexp.MustCompile(`(?:href|src|data-source)="([^"]*)"`)

// TestEveryLinkLeadsSomewhere follows all links of all pages, of an administrator and of
// others: a page does not lead to what its reader may not see.
func TestEveryLinkLeadsSomewhere(t *testing.T) {
	n := openNode(t, func(cfg *node.Config) { cfg.AuditLog = filepath.Join(t.TempDir(), "audit.log") })
	ns := remembering(t, n, `birds & "waders" %2F`)
	plain := namespace(t, n, "plain")
	for i := range 60 {
		put(t, n, ns, fmt.Sprintf("species/%02d", i), `{"km":1}`)
	}
	for _, key := range []string{"a b/ü?x=1&y=2#%2F", "\u202e\"><'", "species/00"} {
		put(t, n, ns, key, "v")
		put(t, n, plain, key, "v")
	}
	write, id := token(t, n, godwit.PermissionWrite, ns)
	read, _ := token(t, n, godwit.PermissionRead, plain)
	for who, secret := range map[string]string{"root": rootToken, "a writer": write, "a reader": read} {
		t.Run(who, func(t *testing.T) {
			seen := crawl(signedIn(t, n, secret))
			if len(seen) < 15 || who == "root" && !slices.Contains(seen, "/dashboard/access?id="+id) {
				t.Errorf("%d addresses seen: nothing is tested\n%s", len(seen), strings.Join(seen, "\n"))
			}
		})
	}
}

// crawl follows what pages lead to, and returns it.
func crawl(b *browser) (seen []string) {
	b.t.Helper()
	const most = 1000
	for next := []string{"/"}; len(next) > 0 && len(seen) < most; next = next[1:] {
		at := next[0]
		if slices.Contains(seen, at) {
			continue
		}
		seen = append(seen, at)
		if strings.HasPrefix(at, "/dashboard/live/events") {
			continue // it does not end
		}
		got := b.get(at)
		switch {
		case got.status == http.StatusSeeOther:
			next = append(next, got.location())
		case got.status != http.StatusOK:
			b.t.Errorf("%s: got status %d", at, got.status)
		case strings.HasPrefix(got.header.Get("Content-Type"), "text/html"):
			for _, m := range address.FindAllStringSubmatch(got.body, -1) {
				to, _, _ := strings.Cut(strings.TrimPrefix(html.UnescapeString(m[1]), b.base), "#")
				if strings.HasPrefix(to, "/") {
					next = append(next, to)
				}
			}
		}
	}
	return seen
}

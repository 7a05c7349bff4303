package e2e_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// TestHeadersAtEveryNode writes at each node of a tree and reads at each other
// one, at once, with the headers that make that certain.
func TestHeadersAtEveryNode(t *testing.T) {
	t.Parallel()
	world := startTree(t)
	ns := world.centre.createNamespace("headers")
	for i, from := range world.all() {
		for j, at := range from.ports(ns) {
			key, value := fmt.Sprintf("key %d %d", i, j), fmt.Sprintf("value %d %d", i, j)
			t.Run(from.name()+" "+at.name, func(t *testing.T) {
				put := at.insist("PUT", key, value, "Godwit-Request-Id", "put-"+strconv.Itoa(i)+strconv.Itoa(j))
				rev := put.header.Get("Godwit-Revision")
				if put.status != 200 || rev == "" || put.header.Get("Godwit-Request-Id") == "" {
					t.Fatalf("put: %d %v %s", put.status, put.header, put.body)
				}
				for _, to := range world.all() {
					for _, p := range to.ports(ns) {
						where := to.name() + " " + p.name
						for _, ask := range [][]string{
							{"Godwit-Min-Revision", rev},
							{"Godwit-Consistency", "strong"},
						} {
							got := p.insist("GET", key, "", ask...)
							if got.status != 200 || got.body != value || got.header.Get("ETag") != strconv.Quote(rev) {
								t.Errorf("%s: get with %s: %d %q, ETag %s", where, ask[0], got.status, got.body, got.header.Get("ETag"))
							}
							if s := got.header.Get("CF-Cache-Status"); s != "HIT" && s != "MISS" {
								t.Fatalf("%s: get with %s: %s", where, ask[0], s)
							}
						}
						if got := p.insist("GET", key, "", "Godwit-Min-Revision", rev, "If-None-Match", strconv.Quote(rev)); got.status != 304 {
							t.Errorf("%s: get with If-None-Match: %d", where, got.status)
						}
						if got := p.insist("PUT", key, "lost", "If-None-Match", "*"); got.status != 412 {
							t.Errorf("%s: put with If-None-Match: *: %d", where, got.status)
						}
						if got := p.insist("PUT", key, "lost", "If-Match", `"1"`); got.status != 412 {
							t.Errorf("%s: put with If-Match of another: %d", where, got.status)
						}
						got := p.insist("PUT", key, value, "If-Match", strconv.Quote(rev))
						if got.status != 200 {
							t.Fatalf("%s: put with If-Match: %d %s", where, got.status, got.body)
						}
						rev = got.header.Get("Godwit-Revision")
					}
				}
			})
		}
	}
}

// TestRequestIDAtEveryNode sends one write, with one request id, to one node
// after another: it takes effect once.
func TestRequestIDAtEveryNode(t *testing.T) {
	t.Parallel()
	world := startTree(t)
	ns := world.centre.createNamespace("once")
	first := ""
	for _, s := range world.all() {
		for _, p := range s.ports(ns) {
			got := p.insist("PUT", "k", "same", "Godwit-Request-Id", "only-once")
			rev := got.header.Get("Godwit-Revision")
			if first == "" {
				first = rev
			}
			if got.status != 200 || rev != first {
				t.Errorf("%s %s: %d with revision %s, want %s", s.name(), p.name, got.status, rev, first)
			}
		}
	}
}

// TestStrongNamespace has the setting, so that an unchanged Worker reads what
// was written anywhere before.
func TestStrongNamespace(t *testing.T) {
	t.Parallel()
	world := startTree(t)
	ns := world.centre.createNamespace("strong")
	got := world.far.ask("PATCH", "http://"+world.far.api+"/godwit/v1/namespaces/"+ns+"/settings", `{"consistency":"strong"}`, nil)
	if got.status != 200 || !strings.Contains(got.body, `"consistency":"strong"`) {
		t.Fatalf("set up at an edge: %d %s", got.status, got.body)
	}
	settings := func(s *server) bool {
		got := s.ask("GET", "http://"+s.api+"/godwit/v1/namespaces/"+ns+"/settings", "", nil)
		return strings.Contains(got.body, "strong")
	}
	for _, s := range world.all() {
		eventually(t, s.name()+" has the setting", func() bool { return settings(s) })
	}
	for i := range 50 {
		value := strconv.Itoa(i)
		from := world.all()[i%4].ports(ns)
		if got := from[i%2].insist("PUT", "k", value); got.status != 200 {
			t.Fatalf("put: %d %s", got.status, got.body)
		}
		for _, s := range world.all() {
			for _, p := range s.ports(ns) {
				if got := p.insist("GET", "k", ""); got.body != value {
					t.Errorf("%s %s: got %q, want %q", s.name(), p.name, got.body, value)
				}
			}
		}
	}
}

// TestAdministrationAtEdge makes namespaces and tokens at an edge behind a relay:
// they are there at once, and everywhere soon.
func TestAdministrationAtEdge(t *testing.T) {
	t.Parallel()
	world := startTree(t)
	ns := world.far.createNamespace("made at an edge")
	for _, s := range world.all() {
		for _, p := range s.ports(ns) { // unknown here yet, perhaps: asked upstream
			if got := p.insist("GET", "absent", ""); got.status != 404 {
				t.Errorf("%s %s: %d %s", s.name(), p.name, got.status, got.body)
			}
		}
	}
	token := world.far.createToken("write", "made at an edge")
	for _, s := range world.all() {
		for _, p := range s.ports(ns) {
			if got := p.insist("PUT", "k", "v", "Authorization", "Bearer "+token); got.status != 200 {
				t.Errorf("%s %s: put with the new token: %d %s", s.name(), p.name, got.status, got.body)
			}
			if got := p.insist("GET", "k", "", "Authorization", "Bearer wrong"); got.status != 401 {
				t.Errorf("%s %s: get with a wrong token: %d", s.name(), p.name, got.status)
			}
		}
	}
	var list struct{ Tokens []struct{ ID string } }
	got := world.far.ask("GET", "http://"+world.far.api+"/godwit/v1/tokens", "", nil)
	if err := json.Unmarshal([]byte(got.body), &list); err != nil || len(list.Tokens) != 1 {
		t.Fatalf("list tokens at an edge: %d %s", got.status, got.body)
	}
	if got := world.near.ask("DELETE", "http://"+world.near.api+"/godwit/v1/tokens/"+list.Tokens[0].ID, "", nil); got.status != 200 {
		t.Fatalf("revoke at an edge: %d %s", got.status, got.body)
	}
	for _, s := range world.all() {
		for _, p := range s.ports(ns) {
			eventually(t, "revoked at "+s.name(), func() bool {
				return p.insist("GET", "k", "", "Authorization", "Bearer "+token).status == 401
			})
		}
	}
	if got := world.far.ask("DELETE", world.far.kv("/namespaces/"+ns), "", nil); got.status != 200 {
		t.Fatalf("delete at an edge: %d %s", got.status, got.body)
	}
	if got := world.far.ask("GET", world.far.kv("/namespaces"), "", nil); strings.Contains(got.body, ns) {
		t.Errorf("the edge that deleted it still lists it: %s", got.body)
	}
}

// TestStatusTree draws all nodes, from whichever is asked.
func TestStatusTree(t *testing.T) {
	t.Parallel()
	world := startTree(t)
	for _, s := range world.all() {
		var out []byte
		eventually(t, "the tree from "+s.name(), func() bool {
			cmd := exec.CommandContext(t.Context(), clients.godwit, "status", "--tree", "--url", "http://"+s.api, "--token", rootToken)
			var err error
			if out, err = cmd.Output(); err != nil {
				t.Fatalf("godwit status --tree: %v", err)
			}
			text := string(out)
			return strings.Contains(text, "\nfra ") && strings.Contains(text, "lhr ") &&
				strings.Contains(text, "─ bhx ") && strings.Contains(text, "─ ams ") && strings.Contains(text, " relay ")
		})
	}
	if got := world.centre.status(); got.Role != "central" || got.Followers != 2 {
		t.Errorf("the centre: %+v", got)
	}
	if got := world.far.status(); got.Role != "edge" || got.Upstream != "http://"+world.relay.api || got.Account != account {
		t.Errorf("the far edge: %+v", got)
	}
}

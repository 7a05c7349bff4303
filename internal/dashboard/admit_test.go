package dashboard_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/api/apitest"
	"github.com/godwitkv/godwit/internal/node"
)

// TestRequestsPerSecond: what a token, or all of a namespace, may do in a second bounds
// the pages too, whichever way keys are read and written.
func TestRequestsPerSecond(t *testing.T) {
	clock := apitest.NewClock()
	clock.Set(time.Now())
	n := openNode(t, func(cfg *node.Config) { cfg.Now = clock.Now })
	ns := namespace(t, n, "birds")
	put(t, n, ns, "k", "v")
	var slow struct{ Token string }
	if status := api(t, n, http.MethodPost, "/godwit/v1/tokens", []byte(`{"permission":"write","requests_per_second":1}`), &slow); status != 201 && status != 200 {
		t.Fatalf("make a token: %d", status)
	}
	limited := namespace(t, n, "limited")
	put(t, n, limited, "k", "v")
	if status := api(t, n, http.MethodPatch, "/godwit/v1/namespaces/"+limited+"/settings", []byte(`{"requests_per_second":1}`), nil); status != 200 {
		t.Fatalf("limit a namespace: %d", status)
	}
	for _, who := range []struct{ name, token, ns string }{{"token", slow.Token, ns}, {"namespace", rootToken, limited}} {
		clock.Advance(time.Minute)
		b := signedIn(t, n, who.token)
		console := func(command string) func() answer {
			return func() answer {
				got := b.run(who.ns, command)
				if strings.Contains(got.body, "requests_per_second") {
					got.status = http.StatusTooManyRequests
				}
				return got
			}
		}
		get := func(page, key string) func() answer {
			return func() answer { return b.get("/dashboard/" + page + q(who.ns, key)) }
		}
		post := func(page string, fields ...string) func() answer {
			return func() answer { return b.post("/dashboard/"+page+q(who.ns), fields...) }
		}
		for what, do := range map[string]func() answer{
			"keys": get("keys", ""), "key": get("key", "k"), "value": get("value", "k"),
			"save": post("key/save", "key", "s", "text", "typed text", "expire", "never"), "delete selected": post("keys/delete", "pick", "none"),
			"delete": func() answer { return b.post("/dashboard/key/delete"+q(who.ns, "none"), "x", "") },
			"upload": func() answer {
				return b.upload("/dashboard/key/upload"+q(who.ns), []byte("file"), "f", "csrf", b.csrf, "expire", "never")
			},
			"get": console("get k"), "put": console("put c x"), "delete by command": console("delete none"), "list": console("list"),
		} {
			clock.Advance(time.Minute)
			if got := do(); got.status >= 400 {
				t.Errorf("%s: %s: the first is answered %d", who.name, what, got.status)
			}
			got := do()
			if got.status != http.StatusTooManyRequests {
				t.Errorf("%s: %s: the second in a second is answered %d", who.name, what, got.status)
			}
			if what == "save" && !strings.Contains(got.body, "typed text") {
				t.Errorf("%s: the text is lost: %s", who.name, got.body)
			}
		}
	}
}

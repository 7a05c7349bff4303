package dashboard_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/node"
)

// run gives the console a command.
func (b *browser) run(ns, command string) answer {
	b.t.Helper()
	return b.post("/dashboard/console"+q(ns), "command", command)
}

// TestConsole carries each command out.
func TestConsole(t *testing.T) {
	n := openNode(t)
	ns := remembering(t, n, "birds")
	b := signedIn(t, n, rootToken)
	b.contains(b.get("/dashboard/console"), 200, "birds", "put KEY VALUE", `name="command"`)
	b.contains(b.run(ns, `put a/godwit "Limosa <b>lapponica</b>" --metadata '{"km":1}' --ttl 3600`), 200, "Written: 23 bytes.", `data-command="put a/godwit"`)
	if v, _ := value(t, n, ns, "a/godwit"); v != "Limosa <b>lapponica</b>" {
		t.Errorf("it wrote %q", v)
	}
	b.contains(b.run(ns, "get a/godwit"), 200, "Limosa &lt;b&gt;lapponica&lt;/b&gt;", `data-command="get a/godwit"`)
	b.contains(b.run(ns, "GETWITHMETADATA a/godwit"), 200, "&#34;km&#34;: 1", "in 1 hour", "Revision")
	b.contains(b.run(ns, "put a/knot Calidris"), 200, "Written")
	b.contains(b.run(ns, "put b "+strings.Repeat("x", 1000)), 200, "Written: 1\u202f000 bytes.")
	list := b.run(ns, "list --prefix a/ --reverse --limit 1")
	b.contains(list, 200, "1 key, and more", "a/knot")
	if strings.Contains(list.body, ">a/godwit<") {
		t.Error("the list has a key too many")
	}
	b.contains(b.run(ns, "list --start a/h --end b"), 200, "a/knot", "1 key<")
	b.contains(b.run(ns, "count"), 200, "3 keys")
	b.contains(b.run(ns, "count --prefix=a/"), 200, "2 keys")
	b.contains(b.run(ns, "put a/knot mistake"), 200)
	b.contains(b.run(ns, "versions a/knot"), 200, "2 versions", "replaced", "current")
	b.contains(b.run(ns, "versions a/knot --limit 1"), 200, "1 version, and more<")
	b.contains(b.run(ns, "undelete a/knot"), 409, "nothing was put back")
	b.contains(b.run(ns, "delete a/knot"), 200, "Deleted")
	b.contains(b.run(ns, "get a/knot"), 404, "There is no such key", `>get a/knot</textarea>`)
	b.contains(b.run(ns, "undelete a/knot"), 200, "The key is back")
	b.contains(b.run(ns, "help"), 200, "getWithMetadata KEY")
	for command, says := range map[string]string{
		"": "Type a command", "eval 1": "no command", "put a": "Write it as", "list --limit 5000": "from 1 to 1000", "list --limit x": "from 1 to 1000",
		"put k v --ttl 5": "at least 60", "put k v --metadata {": "not JSON", "put k v --ttl soon": "", "get ..": "Illegal key name",
	} {
		got := b.run(ns, command)
		if got.status != 400 || !strings.Contains(got.body, says) {
			t.Errorf("%q: got %d, want 400 with %q", command, got.status, says)
		}
	}
	if _, ok := value(t, n, ns, "k"); ok {
		t.Error("a command that was refused has written")
	}
}

// TestConsoleKeepsNoValue holds that nothing of a value is in what a history keeps, nor
// in the log.
func TestConsoleKeepsNoValue(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	n := openNode(t, func(cfg *node.Config) { cfg.AuditLog = file })
	ns := namespace(t, n, "birds")
	b := signedIn(t, n, rootToken)
	req := b.postRequest("/dashboard/console"+q(ns), url.Values{"csrf": {b.csrf}, "command": {`put godwit 'my secret' --metadata '"secret"'`}})
	req.Header.Set("HX-Request", "true")
	part := b.do(req)
	b.contains(part, 200, `data-command="put godwit"`, `data-good="1"`)
	if strings.Contains(part.body, "secret") || strings.Contains(part.body, "<html") {
		t.Errorf("the answer is %s", part.body)
	}
	if all := keyEntries(t, file, 1); all[0].Operation != "put" || all[0].Outcome != "ok" {
		t.Errorf("the audit log has %+v", all)
	}
	req = b.postRequest("/dashboard/console"+q(ns), url.Values{"csrf": {b.csrf}, "command": {"get none"}})
	req.Header.Set("HX-Request", "true")
	b.contains(b.do(req), 200, "There is no such key", `data-good="0"`) // for a script to show
}

// TestConsoleAsks holds that a command can do no more than its token, and only from a
// page of the session.
func TestConsoleAsks(t *testing.T) {
	n := openNode(t)
	mine, other := namespace(t, n, "mine"), namespace(t, n, "secret")
	put(t, n, mine, "k", "v")
	put(t, n, other, "k", "v")
	reader, _ := token(t, n, godwit.PermissionRead, mine)
	b := signedIn(t, n, reader)
	page := b.get("/dashboard/console")
	b.contains(page, 200, "mine", "may not write here")
	if strings.Contains(page.body, "secret") {
		t.Error("another namespace is shown")
	}
	b.contains(b.run(mine, "get k"), 200, "Open the key")
	b.contains(b.run(mine, "put k x"), 403, "does not reach this far")
	b.contains(b.run(mine, "delete k"), 403)
	b.contains(b.run(mine, "undelete k"), 403)
	b.contains(b.run(other, "get k"), 403)
	if v, _ := value(t, n, mine, "k"); v != "v" {
		t.Errorf("the key has %q", v)
	}
	b.csrf = "x"
	b.contains(b.run(mine, "get k"), 403, "did not come from a page")
	req := b.postRequest("/dashboard/console"+q(mine), url.Values{"command": {"get k"}})
	req.Header.Set("Origin", "https://elsewhere.example")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	if got := b.do(req); got.status != http.StatusForbidden {
		t.Errorf("another site's command: %d", got.status)
	}
	nobody, _ := token(t, n, godwit.PermissionRead, namespace(t, n, "to be deleted"))
	var all struct{ Namespaces []struct{ ID, Title string } }
	api(t, n, http.MethodGet, "/godwit/v1/namespaces", nil, &all)
	for _, one := range all.Namespaces {
		if one.Title == "to be deleted" {
			api(t, n, http.MethodDelete, kvPath(n, "/"+one.ID), nil, nil)
		}
	}
	b = signedIn(t, n, nobody)
	b.contains(b.get("/dashboard/console"), 200, "Nothing to ask")
}

// TestConsoleStaysText gives it what is no harmless text.
func TestConsoleStaysText(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, `<script>window.hit=1</script>`)
	b := signedIn(t, n, rootToken)
	for _, text := range []string{`<script>window.hit=1</script>`, `"><img src=x onerror=alert(1)>`, "</textarea>", "{{.}}"} {
		put(t, n, ns, text, text)
		quoted := strings.ReplaceAll(text, `"`, `\"`)
		for _, command := range []string{`get "` + quoted + `"`, `getWithMetadata "` + quoted + `"`, "list", `nothing "` + quoted + `"`, text} {
			got := b.run(ns, command)
			if strings.Contains(got.body, "<script>window") || strings.Contains(got.body, "<img src=x") || strings.Contains(got.body, "</textarea></textarea>") {
				t.Errorf("%q: %.2000s", command, got.body)
			}
		}
	}
}

// TestAccess shows what each token may do, one's own to everyone.
func TestAccess(t *testing.T) {
	n := openNode(t)
	mine := namespace(t, n, "mine")
	root := signedIn(t, n, rootToken)
	root.contains(root.get("/dashboard/access"), 200, "root token", "until it is rotated", "All, those to come too")
	for p, want := range map[godwit.Permission]string{"read": "10000", "write": "11000", "replicate": "10100", "admin": "11110"} {
		secret, id := token(t, n, p, mine)
		b := signedIn(t, n, secret)
		for who, got := range map[string]answer{"itself": b.get("/dashboard/access"), "root": root.get("/dashboard/access?id=" + id)} {
			root.contains(got, 200, "mine", string(p)+" token", "until it is revoked")
			may := strings.NewReplacer(`<li class="yes">`, "\x001", `<li class="no">`, "\x000").Replace(got.body)
			rights := ""
			for _, part := range strings.Split(may, "\x00")[1:] {
				rights += part[:1]
			}
			if rights != want {
				t.Errorf("%s, to %s: %s, want %s", p, who, rights, want)
			}
		}
		b.contains(b.get("/dashboard/access?id=none"), 403)
	}
	everywhere, _ := token(t, n, godwit.PermissionAdmin)
	b := signedIn(t, n, everywhere)
	if got := b.get("/dashboard/access"); strings.Contains(got.body, `class="no"`) {
		t.Error("an administrator of all may not do all")
	}
	b.contains(b.get("/dashboard/access?id=none"), 404, "No such token")
}

// TestConsoleVersions: a limit over what a page has is reached, and what is left out is
// told.
func TestConsoleVersions(t *testing.T) {
	n := openNode(t)
	ns := remembering(t, n, "birds")
	for i := range 60 {
		put(t, n, ns, "k", fmt.Sprint(i))
	}
	b := signedIn(t, n, rootToken)
	for command, want := range map[string]string{
		"versions k": "20 versions, and more<", "versions k --limit 55": "55 versions, and more<",
		"versions k --limit 60": "60 versions<", "versions k --limit 100": "60 versions<",
	} {
		b.contains(b.run(ns, command), 200, want)
	}
}

package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// dashboardData takes keys out of a namespace and in again, as files.
func dashboardData(t *testing.T, b *tab, s *server) {
	dir := t.TempDir()
	command(b, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir, BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID,
	})
	ns := s.createNamespace("moved")
	b.signIn(rootToken)
	b.open("/dashboard/data?ns=" + ns)
	lines := make([]string, 20_000)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"key":"k%05d","value":"value %d"}`, i, i)
	}
	b.importFile(strings.Join(lines, "\n") + "\n")
	b.await(`document.querySelector("#imported")?.textContent.includes("20\u202f000 keys")`)
	b.await(`document.activeElement.id === "imported"`)
	b.await(`document.querySelector("#held").textContent.includes("20\u202f000 keys")`)
	if v, _ := s.value(ns, "k19999"); v != "value 19999" {
		t.Errorf("imported %q", v)
	}
	lines[12_344] = `{"key":"k12344","value":`
	b.fill("#prefix", "k1")
	b.importFile(strings.Join(lines, "\n"))
	b.await(`document.querySelector("#imported [role=alert]")?.textContent.includes("Line 12\u202f345 is no good")`)
	b.sees("Lines 1 to 12\u202f344 were taken in", "Nothing from line 12\u202f345 on was")
	b.shoot("import-stopped")
	b.accessible("import stopped")

	b.press("#export button")
	b.await(`/^10\u202f000 keys, .*: sent$/.test(document.querySelector("#export-going p").textContent)`)
	var text []byte
	eventually(t, "the file is there", func() bool {
		files, _ := filepath.Glob(filepath.Join(dir, "moved_k1_*.ndjson"))
		if len(files) == 1 {
			text, _ = os.ReadFile(files[0])
		}
		return strings.Count(string(text), "\n") == 10_000
	})
	if want := `{"key":"k10000","value":"value 10000"}`; !strings.HasPrefix(string(text), want) {
		t.Errorf("the file begins %.100q", text)
	}
	b.healthy()
}

// importFile chooses a file of lines, and sends it.
func (b *tab) importFile(text string) {
	b.t.Helper()
	name := filepath.Join(b.t.TempDir(), "lines.ndjson")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{name}))
	b.press("#import button")
}

// dashboardHistory brings back what a key held.
func dashboardHistory(t *testing.T, b *tab, s *server) {
	ns := s.remembering("remembered")
	s.put(ns, "godwit", `{"name":"Limosa"}`)
	s.put(ns, "godwit", "a mistake")
	b.signIn(rootToken)
	b.open("/dashboard/key" + keyQuery(ns, "godwit"))
	b.click(".head a.button")
	b.sees("current", "replaced")
	b.click("tbody tr:nth-child(2) a")
	b.sees(`{"name":"Limosa"}`, "replaced")
	b.click("aside form button")
	b.sees("Restored")
	if v, _ := s.value(ns, "godwit"); v != `{"name":"Limosa"}` {
		t.Errorf("restored %q", v)
	}
	b.press("aside details summary")
	b.click("aside details button")
	b.open("/dashboard/key" + keyQuery(ns, "godwit"))
	b.sees("The key is not there now")
	b.click("section form button")
	b.sees("The key is back")
	b.await(`document.querySelector("#text").value === '{"name":"Limosa"}'`)
	b.healthy(refused)
}

// dashboardConsole types commands, and goes through those of before.
func dashboardConsole(t *testing.T, b *tab, s *server) {
	ns := s.remembering("typed")
	b.signIn(rootToken)
	b.open("/dashboard/console?ns=" + ns)
	b.await(`document.activeElement.id === "command"`)
	run := func(command, sees string) {
		t.Helper()
		before := evaluate[int](b, `document.querySelectorAll("#answers > li").length`)
		b.insert(command)
		b.do(chromedp.KeyEvent(kb.Enter))
		b.await(fmt.Sprintf(`document.querySelectorAll("#answers > li").length > %d`, before))
		b.await(fmt.Sprintf(`document.querySelector("#answers > li").textContent.includes(%q)`, sees))
	}
	run(`put species/godwit '{"name":"Limosa"}' --metadata '{"ringed":40}'`, "Written: 17 bytes.")
	if v, _ := s.value(ns, "species/godwit"); v != `{"name":"Limosa"}` {
		t.Errorf("it wrote %q", v)
	}
	run(`put species/knot 'a very secret value'`, "Written")
	run("getWithMetadata species/godwit", "ringed")
	run("list --prefix species/", "2 keys")
	run("versions species/knot", "1 version")
	run(hostileTexts()[0], "There is no command")
	run(hostileTexts()[1], "is not closed")
	b.look("console")
	if b.truth("window.hit") {
		t.Error("a script ran")
	}
	b.await(`document.activeElement.id === "command"`)
	evaluate[chromedp.Void](b, `document.querySelector("#command").value = ""`)
	b.do(chromedp.Focus(chromedp.CSS("#command")))
	for _, want := range []string{"versions species/knot", "list --prefix=species/", "getWithMetadata species/godwit", "put species/knot"} {
		b.do(chromedp.KeyEvent(kb.ArrowUp))
		b.await(fmt.Sprintf(`document.querySelector("#command").value === %q`, want))
	}
	b.do(chromedp.KeyEvent(kb.ArrowDown))
	b.await(`document.querySelector("#command").value === "getWithMetadata species/godwit"`)
	if b.truth(`JSON.stringify({...sessionStorage, ...localStorage}).includes("secret")`) {
		t.Error("the browser keeps a value")
	}
	b.open("/dashboard/console?ns=" + ns)
	b.do(chromedp.KeyEvent(kb.ArrowUp))
	b.await(`document.querySelector("#command").value === "versions species/knot"`)
	b.click(".who button")
	if b.truth(`sessionStorage.length > 0`) {
		t.Error("commands are left behind after signing out")
	}
	b.healthy()
}

// remembering makes a namespace that keeps versions.
func (s *server) remembering(title string) string {
	s.t.Helper()
	ns := s.createNamespace(title)
	res, got, err := s.do(http.MethodPatch, "http://"+s.api+"/godwit/v1/namespaces/"+ns+"/settings", strings.NewReader(`{"history":"24h"}`))
	if err != nil || res.StatusCode != http.StatusOK {
		s.t.Fatalf("turn history on: %v %s", err, got)
	}
	return ns
}

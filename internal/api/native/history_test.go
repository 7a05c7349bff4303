package native_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/native"
)

const (
	keysOfOne  = "/godwit/v1/namespaces/one/keys/"
	restoreOne = "/godwit/v1/namespaces/one/restore"
)

// remembering is a world whose first namespace keeps earlier versions.
func remembering(t *testing.T, history string) *world {
	t.Helper()
	w := newWorld(t)
	w.setHistory(history)
	return w
}

func (w *world) setHistory(history string) {
	w.t.Helper()
	uri := "/godwit/v1/namespaces/" + w.one.ID.String() + "/settings"
	if status, reply := w.do("PATCH", uri, rootToken, fmt.Sprintf(`{"history":%q}`, history)); status != 200 {
		w.t.Fatalf("set history: %d %s", status, reply)
	}
}

// write puts a value and returns its revision.
func (w *world) write(key, value string) string {
	w.t.Helper()
	return written(w.t, 200, mustTransact(w, putOf(key, fmt.Sprintf(`"value":%q`, value))))
}

func (w *world) remove(key string) string {
	w.t.Helper()
	return written(w.t, 200, mustTransact(w, fmt.Sprintf(`{"mutations":[{"op":"delete","key":%q}]}`, key)))
}

// golden makes an answer comparable: revisions by their names, times as T.
func golden(reply string, revisions map[string]string) string {
	for name, r := range revisions {
		reply = strings.ReplaceAll(reply, r, name)
	}
	return regexp.MustCompile(`\b\d{13}\b`).ReplaceAllString(reply, "T")
}

func TestVersions(t *testing.T) {
	w := remembering(t, "10")
	large := strings.Repeat("large ", 50_000)
	one := w.write("k/é", "first")
	two := written(t, 200, mustTransact(w, putOf("k/é", `"value":"second","metadata":{"n": 1.0},"expiration":4000000000`)))
	three := w.write("k/é", large)
	gone := w.remove("k/é")
	four := w.write("k/é", "fourth")
	names := map[string]string{"one": one, "two": two, "three": three, "gone": gone, "four": four}
	path := keysOfOne + "k%2F%C3%A9/versions"
	status, reply := w.do("GET", path, rootToken, "")
	want := `{"versions":[` +
		`{"name":"k/é","revision":"four","created":T,"modified":T,"size":6,"state":"current"},` +
		`{"name":"k/é","revision":"three","created":T,"modified":T,"size":300000,"state":"deleted","until":"gone","ended":T},` +
		`{"name":"k/é","revision":"two","created":T,"modified":T,"size":6,"expiration":4000000000,"metadata":{"n":1.0},"state":"replaced","until":"three","ended":T},` +
		`{"name":"k/é","revision":"one","created":T,"modified":T,"size":5,"state":"replaced","until":"two","ended":T}],` +
		`"since":"`
	if got := golden(reply, names); status != 200 || !strings.HasPrefix(got, want) || !strings.HasSuffix(got, `,"list_complete":true}`) {
		t.Errorf("got %d\n%s\nwant\n%s", status, got, want)
	}
	for revision, value := range map[string]string{one: "first", two: "second", three: large, four: "fourth"} {
		res := w.response("GET", path+"/"+revision, rootToken, "")
		if res.Code != 200 || res.Body.String() != value || res.Header().Get("ETag") != `"`+revision+`"` {
			t.Errorf("version %s: %d, %d bytes, %v", revision, res.Code, res.Body.Len(), res.Header())
		}
	}
	res := w.response("HEAD", path+"/"+two, rootToken, "")
	h := res.Header()
	if res.Body.Len() != 0 || h.Get("Godwit-Metadata") != "%7B%22n%22:%201.0%7D" || h.Get("Expiration") != "4000000000" || h.Get("Godwit-Until") != three || h.Get("Content-Length") != "6" {
		t.Errorf("head: %d bytes, %v", res.Body.Len(), h)
	}
	for moment, want := range map[string]string{one: "first", three: large, gone: "", four: "fourth"} {
		res := w.response("GET", keysOfOne+"k%2F%C3%A9/at/"+moment, rootToken, "")
		if (res.Code == 404) != (want == "") || want != "" && res.Body.String() != want {
			t.Errorf("at %s: %d, %d bytes", moment, res.Code, res.Body.Len())
		}
	}
	now := time.Now().UTC().Add(time.Millisecond).Format(time.RFC3339Nano)
	_, _ = w.do("GET", path, rootToken, "") // time goes by
	if status, reply := w.do("GET", keysOfOne+"k%2F%C3%A9/at/"+now+"?details=1", rootToken, ""); status != 400 && (status != 200 || !strings.Contains(reply, `"state":"current"`)) {
		t.Errorf("at %s: %d %s", now, status, reply)
	}
}

func TestVersionsByPages(t *testing.T) {
	w := remembering(t, "3")
	var all []string
	for i := range 6 {
		all = append(all, w.write("k", fmt.Sprint(i)))
	}
	var got []string
	for cursor, more := "", true; more; {
		_, reply := w.do("GET", keysOfOne+"k/versions?limit=2&cursor="+cursor, rootToken, "")
		var page struct {
			Versions []struct{ Revision string }
			Since    string
			Cursor   string
		}
		check(t, json.Unmarshal([]byte(reply), &page))
		for _, v := range page.Versions {
			got = append(got, v.Revision)
		}
		if page.Since != all[2] {
			t.Errorf("since %s, want %s", page.Since, all[2])
		}
		cursor, more = page.Cursor, page.Cursor != ""
	}
	if diff := cmp.Diff([]string{all[5], all[4], all[3], all[2]}, got); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	if status, reply := w.do("GET", keysOfOne+"k/at/"+all[1], rootToken, ""); status != http.StatusGone || !strings.Contains(reply, `"code":"history_gone"`) {
		t.Errorf("what is not kept: %d %s", status, reply)
	}
}

func TestUndelete(t *testing.T) {
	w := remembering(t, "24h")
	large := strings.Repeat("large ", 50_000)
	w.write("k", large)
	if status, reply := w.do("POST", keysOfOne+"k/undelete", rootToken, ""); status != http.StatusPreconditionFailed {
		t.Errorf("of a key that stands: %d %s", status, reply)
	}
	w.remove("k")
	header := http.Header{"Godwit-Request-Id": {"undelete-1"}}
	first := w.ask("POST", keysOfOne+"k/undelete", rootToken, "", header)
	if first.Code != 200 || w.value("k") != large {
		t.Fatalf("undelete: %d %s", first.Code, first.Body)
	}
	e, _, err := w.store.Get(t.Context(), w.one.ID, []byte("k"), godwit.ReadOptions{})
	check(t, err)
	was, err := w.store.Versions(t.Context(), w.one.ID, "k", e.Revision, 1)
	check(t, err)
	if v, err := w.store.Version(t.Context(), w.one.ID, "k", was.Versions[0].Revision); err != nil || v.Value.Blob.ID == e.Value.Blob.ID {
		t.Errorf("the key has the version's own large value, which goes with the version (%v)", err)
	}
	again := w.ask("POST", keysOfOne+"k/undelete", rootToken, "", header)
	if written(t, again.Code, again.Body.String()) != written(t, 200, first.Body.String()) {
		t.Errorf("sent again: %s, want %s", again.Body, first.Body)
	}
	w.do("POST", "/godwit/v1/namespaces/one/clear", rootToken, `{"all":true}`)
	if status, reply := w.do("POST", keysOfOne+"k/undelete", rootToken, ""); status != 200 || w.value("k") != large || !strings.Contains(reply, `"state":"cleared"`) {
		t.Errorf("after a clear: %d %s", status, reply)
	}
	if status, reply := w.do("POST", keysOfOne+"none/undelete", rootToken, ""); status != 404 || !strings.Contains(reply, "key_not_found") {
		t.Errorf("of a key that never was: %d %s", status, reply)
	}
}

func TestRestore(t *testing.T) {
	w := remembering(t, "2")
	large := strings.Repeat("large ", 50_000)
	w.write("a/1", "one")
	w.write("a/2", large)
	w.write("a/3", "three")
	w.write("a/lost", "lost")
	at := w.write("b", "b")
	w.write("a/1", "changed")
	w.remove("a/2")
	w.write("a/4", "new")
	w.write("b", "changed")
	for i := range 4 {
		w.write("a/lost", fmt.Sprint(i))
	}
	ask := func(body string) (outcomes []string, cursor string) {
		t.Helper()
		status, reply := w.do("POST", restoreOne, rootToken, body)
		var page struct {
			Keys   []struct{ Name, Outcome, Was, From, Revision string }
			Cursor string
		}
		if err := json.Unmarshal([]byte(reply), &page); err != nil || status != 200 {
			t.Fatalf("%s: %d %s", body, status, reply)
		}
		for _, k := range page.Keys {
			outcomes = append(outcomes, k.Name+" "+k.Outcome)
		}
		return outcomes, page.Cursor
	}
	want := []string{"a/1 put", "a/2 put", "a/4 deleted", "a/lost lost"}
	got, _ := ask(fmt.Sprintf(`{"at":%q,"prefix":"a/","dry_run":true}`, at))
	if diff := cmp.Diff(want, got); diff != "" || w.value("a/1") != "changed" {
		t.Errorf("dry run (-want +got):\n%s", diff)
	}
	got = nil
	for cursor, more := "", true; more; {
		var part []string
		part, cursor = ask(fmt.Sprintf(`{"at":%q,"prefix":"a/","limit":1,"cursor":%q}`, at, cursor))
		got, more = append(got, part...), cursor != ""
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("restore (-want +got):\n%s", diff)
	}
	for key, want := range map[string]string{"a/1": "one", "a/2": large, "a/3": "three", "a/4": "absent", "a/lost": "3", "b": "changed"} {
		if got := w.value(key); got != want {
			t.Errorf("%s is %.20s, want %.20s", key, got, want)
		}
	}
	if again, _ := ask(fmt.Sprintf(`{"at":%q,"prefix":"a/"}`, at)); len(again) != 1 {
		t.Errorf("again: %q, want only what is lost", again)
	}
	if rest, _ := ask(fmt.Sprintf(`{"at":%q,"all":true}`, at)); len(rest) != 2 || w.value("b") != "b" {
		t.Errorf("all: %q", rest)
	}
}

func TestHistoryRefused(t *testing.T) {
	w := remembering(t, "")
	w.write("k", "v")
	w.write("k", "w")
	later := fmt.Sprint(uint64(godwit.MaxRevision))
	for _, tt := range []struct {
		method, uri, body string
		status            int
		want              string
	}{
		{"GET", keysOfOne + "k/versions", "", 410, "keeps no history"},
		{"GET", keysOfOne + "k/at/1700000000", "", 410, "keeps no history"},
		{"POST", restoreOne, `{"all":true,"at":1700000000}`, 410, "keeps no history"},
		{"GET", keysOfOne + "k/versions?limit=0", "", 400, "1 to 1000"},
		{"GET", keysOfOne + "k/versions?limit=%2B5", "", 400, "1 to 1000"},
		{"GET", keysOfOne + "k/versions?limit=1001", "", 400, "1 to 1000"},
		{"GET", keysOfOne + "k/versions?cursor=x", "", 400, "invalid_cursor"},
		{"GET", keysOfOne + "k/versions?before=1", "", 400, "Unknown parameter"},
		{"GET", keysOfOne + "k/versions/x", "", 400, "Invalid revision"},
		{"GET", keysOfOne + "k/versions/0", "", 400, "Invalid revision"},
		{"GET", keysOfOne + "k/at/yesterday", "", 400, "Invalid moment"},
		{"GET", keysOfOne + "k/at/" + later, "", 400, "not been given yet"},
		{"GET", keysOfOne + "k/at/9999999999", "", 400, "yet to come"},
		{"GET", keysOfOne + "k/at/-5", "", 400, "Invalid moment"},
		{"GET", keysOfOne + strings.Repeat("k", 513) + "/versions", "", 414, "key_too_long"},
		{"GET", keysOfOne + "%2E/versions", "", 400, "invalid_key"},
		{"POST", keysOfOne + "k/versions", "", 405, "GET"},
		{"GET", restoreOne, "", 405, "POST"},
		{"POST", restoreOne, `{}`, 400, "Say which keys"},
		{"POST", restoreOne, `{"all":true}`, 400, "Say which moment"},
		{"POST", restoreOne, `{"all":true,"at":""}`, 400, "Say which moment"},
		{"POST", restoreOne, `{"all":true,"at":{}}`, 400, "Invalid moment"},
		{"POST", restoreOne, `{"all":true,"at":1e3}`, 400, "Invalid moment"},
		{"POST", restoreOne, `{"all":true,"prefix":"a","at":1}`, 400, "Say which keys"},
		{"POST", restoreOne, `{"all":true,"at":1,"limit":-1}`, 400, "1 to 1000"},
		{"POST", restoreOne, `{"all":true,"at":1,"limit":1001}`, 400, "1 to 1000"},
		{"POST", restoreOne, `{"all":true,"at":1,"cursor":"x"}`, 400, "invalid_cursor"},
		{"POST", restoreOne, `{"all":true,"at":1,"to":2}`, 400, "Unknown field"},
		{"POST", restoreOne, `{"prefix":"` + strings.Repeat("k", 513) + `","at":1}`, 414, "key_too_long"},
	} {
		if status, reply := w.do(tt.method, tt.uri, rootToken, tt.body); status != tt.status || !strings.Contains(reply, tt.want) {
			t.Errorf("%s %.80s %.60s: got %d %s, want %d %s", tt.method, tt.uri, tt.body, status, reply, tt.status, tt.want)
		}
	}
	settings := "/godwit/v1/namespaces/" + w.one.ID.String() + "/settings"
	for _, bad := range []string{"0", "-1", "1001", "010", "91d", "0d", "1ms", "3000h", "ten", "10,24h", " 10"} {
		if status, reply := w.do("PATCH", settings, rootToken, fmt.Sprintf(`{"history":%q}`, bad)); status != 400 || !strings.Contains(reply, "history must be") {
			t.Errorf("setting %q: %d %s", bad, status, reply)
		}
	}
}

// TestHistoryIsPassedOn holds that a node without a history has another one answer.
func TestHistoryIsPassedOn(t *testing.T) {
	w := newWorld(t)
	var passed []string
	w.config.PassOn = func(_ http.ResponseWriter, r *http.Request) error {
		passed = append(passed, r.Method+" "+r.RequestURI)
		return nil
	}
	w.handler = native.New(w.config)
	requests := []string{
		"GET " + keysOfOne + "k/versions", "GET " + keysOfOne + "k/versions/1", "GET " + keysOfOne + "k/at/1",
		"POST " + keysOfOne + "k/undelete", "POST " + restoreOne,
	}
	for _, r := range requests {
		method, uri, _ := strings.Cut(r, " ")
		w.do(method, uri, rootToken, "{}")
	}
	if diff := cmp.Diff(requests, passed); diff != "" {
		t.Errorf("passed on (-want +got):\n%s", diff)
	}
}

// between is a log that another writer comes before.
type between struct {
	godwit.Log
	other func()
}

// Propose implements godwit.Log.
func (b *between) Propose(ctx context.Context, txs []godwit.Transaction) ([]godwit.Result, error) {
	if other := b.other; other != nil {
		b.other = nil
		other()
	}
	return b.Log.Propose(ctx, txs)
}

// TestRestoreInBetween: what others write meanwhile stays, whatever it is.
func TestRestoreInBetween(t *testing.T) {
	w := remembering(t, "10")
	large := strings.Repeat("large ", 50_000)
	w.write("changed", large)
	w.write("made again", large)
	at := w.write("quiet", "then")
	w.write("changed", "now")
	w.remove("made again")
	w.write("quiet", "now")
	w.write("removed", "now")
	log := &between{Log: w.log}
	w.service.Log, w.service.Metrics = log, prometheus.NewRegistry()
	w.config.Service = api.New(w.service)
	w.handler = native.New(w.config)
	log.other = func() {
		w.write("changed", "meanwhile")
		w.write("made again", "meanwhile")
		w.write("removed", "meanwhile")
	}
	status, reply := w.do("POST", restoreOne, rootToken, fmt.Sprintf(`{"at":%q,"all":true}`, at))
	for _, key := range []string{"changed", "made again", "removed"} {
		if got := w.value(key); got != "meanwhile" || !strings.Contains(reply, fmt.Sprintf(`"name":%q,"outcome":"conflict"`, key)) {
			t.Errorf("%s is %.20s: %d %s", key, got, status, reply)
		}
	}
	if got := w.value("quiet"); status != 200 || got != "then" {
		t.Errorf("quiet is %s: %d %s", got, status, reply)
	}
	w.write("k", "v")
	w.remove("k")
	log.other = func() { w.write("k", "meanwhile") }
	if status, reply := w.do("POST", keysOfOne+"k/undelete", rootToken, ""); status != http.StatusPreconditionFailed || w.value("k") != "meanwhile" {
		t.Errorf("undelete: %d %s, k is %s", status, reply, w.value("k"))
	}
	files, err := w.fs.List("data/blobs")
	check(t, err)
	if len(files) != 2 {
		t.Errorf("%d files of large values, want those of the two versions", len(files))
	}
}

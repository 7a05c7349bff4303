package dashboard_test

import (
	"bytes"
	"fmt"
	"html"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	rowLink  = regexp.MustCompile(`<td class="main mono"><a href="([^"]+)">`)
	nextLink = regexp.MustCompile(`href="([^"]+)" rel="next"`)
	prevLink = regexp.MustCompile(`href="([^"]+)" rel="prev"`)
	revision = regexp.MustCompile(`name="revision" value="(\d*)"`)
)

func first(t *testing.T, what *regexp.Regexp, page string) string {
	t.Helper()
	m := what.FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("found no %v in:\n%.3000s", what, page)
	}
	return html.UnescapeString(m[1])
}

// shownKeys are the keys that a page of a list leads to.
func shownKeys(t *testing.T, page string) (keys []string) {
	t.Helper()
	for _, m := range rowLink.FindAllStringSubmatch(page, -1) {
		u, err := url.Parse(html.UnescapeString(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, u.Query().Get("key"))
	}
	return keys
}

// TestPaging goes through all keys forwards and back, and each page is the same both
// ways.
func TestPaging(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "many")
	var bulk bytes.Buffer
	for i := range 230 {
		fmt.Fprintf(&bulk, `,{"key":"a/%03d","value":"v"}`, i)
	}
	bulk.WriteString(`,{"key":"b","value":"v"}]`)
	body := append([]byte("["), bulk.Bytes()[1:]...)
	if status := api(t, n, http.MethodPut, kvPath(n, "/"+ns+"/bulk"), body, nil); status != 200 {
		t.Fatalf("bulk put: %d", status)
	}
	b := signedIn(t, n, rootToken)
	pages := []string{b.get("/dashboard/keys" + q(ns) + "&prefix=a/").body}
	for nextLink.MatchString(pages[len(pages)-1]) {
		pages = append(pages, b.get(first(t, nextLink, pages[len(pages)-1])).body)
	}
	var all []string
	for _, page := range pages {
		all = append(all, shownKeys(t, page)...)
	}
	if len(pages) != 5 || len(all) != 230 || all[0] != "a/000" || all[229] != "a/229" {
		t.Fatalf("got %d keys on %d pages", len(all), len(pages))
	}
	for i := len(pages) - 1; i > 0; i-- {
		back := b.get(first(t, prevLink, pages[i])).body
		if got, want := shownKeys(t, back), shownKeys(t, pages[i-1]); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("back from page %d: got %v, want %v", i, got, want)
		}
	}
	if prevLink.MatchString(pages[0]) {
		t.Error("there is a page before the first")
	}
	got := b.get("/dashboard/keys" + q(ns) + "&prefix=zzz")
	b.contains(got, 200, "No key begins with this")
	b.contains(b.get("/dashboard/keys"+q(ns)+"&prefix="+strings.Repeat("x", 513)), 400, "exceeds key length")
}

// TestListAlone holds that a script gets the list without the page around it.
func TestListAlone(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "one")
	put(t, n, ns, "godwit", "Limosa")
	b := signedIn(t, n, rootToken)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.APIURL()+"/dashboard/keys"+q(ns)+"&prefix=g", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("HX-Request", "true")
	req.Header.Set("HX-Target", "list")
	got := b.do(req)
	b.contains(got, 200, "godwit", `name="csrf"`)
	if strings.Contains(got.body, "<html") || strings.Contains(got.body, `id="prefix"`) {
		t.Error("it is a whole page")
	}
}

func TestKeyIsMadeEditedAndDeleted(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "birds")
	b := signedIn(t, n, rootToken)
	b.contains(b.get("/dashboard/key/new"+q(ns)), 200, "New key", `name="key"`)
	got := b.post("/dashboard/key/save"+q(ns), "key", "godwit", "text", "Limosa\r\nlapponica", "metadata", `{"km": 13560}`, "expire", "in", "in", "2", "unit", "hours")
	if got.status != 303 || !strings.Contains(got.location(), "key=godwit") {
		t.Fatalf("create: %d %s", got.status, got.body)
	}
	if v, _ := value(t, n, ns, "godwit"); v != "Limosa\nlapponica" {
		t.Errorf("got %q", v)
	}
	page := b.get("/dashboard/key" + q(ns, "godwit"))
	b.contains(page, 200, "Limosa\nlapponica", "&#34;km&#34;: 13560", "in 2 hours", `value="keep" checked`)
	b.contains(b.get("/dashboard/keys"+q(ns)), 200, "godwit", "13560", "in 2 hours")

	rev := first(t, revision, page.body)
	expiration := first(t, regexp.MustCompile(`name="expiration" value="(\d+)"`), page.body)
	if got := b.post("/dashboard/key/save"+q(ns, "godwit"), "revision", rev, "text", "new", "expire", "keep", "expiration", expiration); got.status != 303 {
		t.Fatalf("save: %d %s", got.status, got.body)
	}
	page = b.get("/dashboard/key" + q(ns, "godwit"))
	b.contains(page, 200, ">\nnew</textarea>", `name="expiration" value="`+expiration+`"`)

	got = b.post("/dashboard/key/delete"+q(ns, "godwit"), "revision", rev)
	b.contains(got, 409, "It was not deleted")
	if _, ok := value(t, n, ns, "godwit"); !ok {
		t.Fatal("it was deleted although it had changed")
	}
	if got := b.post("/dashboard/key/delete"+q(ns, "godwit"), "revision", first(t, revision, got.body)); got.status != 303 {
		t.Errorf("delete: %d", got.status)
	}
	b.contains(b.get("/dashboard/key"+q(ns, "godwit")), 404, "No such key", `<p class="mono">godwit</p>`)
}

func TestRefusedEditsLoseNothing(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "birds")
	b := signedIn(t, n, rootToken)
	for _, tt := range []struct {
		says   string
		fields []string
	}{
		{"line 2, column 8", []string{"text", "{\n  \"a\": x\n}", "json", "1"}},
		{"metadata is not JSON", []string{"text", "kept text", "metadata", "{bad"}},
		{"Metadata length of", []string{"text", "kept text", "metadata", `"` + strings.Repeat("m", 1100) + `"`}},
		{"at least 60", []string{"text", "kept text", "expire", "in", "in", "5", "unit", "seconds"}},
		{"a whole number", []string{"text", "kept text", "expire", "in", "in", "0", "unit", "hours"}},
		{"a whole number", []string{"text", "kept text", "expire", "in", "in", "9223372036854775807", "unit", "days"}},
		{"a date with a time", []string{"text", "kept text", "expire", "at", "at", "soon"}},
		{"greater than the current", []string{"text", "kept text", "expire", "at", "at", "2001-01-01T00:00"}},
	} {
		got := b.post("/dashboard/key/save"+q(ns), append(tt.fields, "key", "k")...)
		b.contains(got, 400, tt.says, html.EscapeString(tt.fields[1]))
		if _, ok := value(t, n, ns, "k"); ok {
			t.Fatalf("%s: it was written", tt.says)
		}
	}
	for key, says := range map[string]string{"": "must not be empty", "..": "Illegal key name", strings.Repeat("k", 513): "exceeds key length"} {
		b.contains(b.post("/dashboard/key/save"+q(ns), "key", key, "text", "kept text"), 400, says, "kept text")
	}
	b.contains(b.post("/dashboard/key/save"+q(ns), "key", "k", "text", strings.Repeat("x", 300<<10)), 413, "Upload it as a file")
	b.contains(b.post("/dashboard/key/save"+q(ns), "key", "k", "text", strings.Repeat("x", 3<<20)), 413, "too large")
}

func TestFormatKeepsNumbersAndOrder(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "birds")
	b := signedIn(t, n, rootToken)
	got := b.post("/dashboard/key/save"+q(ns), "do", "format", "key", "k", "text", `{"b":12345678901234567890,"a":1.0}`)
	b.contains(got, 200, html.EscapeString("{\n  \"b\": 12345678901234567890,\n  \"a\": 1.0\n}"), `name="json" value="1" checked`)
	if _, ok := value(t, n, ns, "k"); ok {
		t.Error("formatting wrote it")
	}
	b.contains(b.post("/dashboard/key/save"+q(ns), "do", "format", "key", "k", "text", `[1,`), 400, "line 1, column")
}

func TestConflictIsShown(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "birds")
	put(t, n, ns, "k", "one\ntwo\nthree")
	b := signedIn(t, n, rootToken)
	rev := first(t, revision, b.get("/dashboard/key"+q(ns, "k")).body)
	put(t, n, ns, "k", "one\nTHEIRS\nthree")

	got := b.post("/dashboard/key/save"+q(ns, "k"), "revision", rev, "text", "one\nMINE\nthree", "expire", "never")
	b.contains(got, 409, "Someone else changed this key", `<span class="hidden">theirs: </span>THEIRS`, `<span class="hidden">yours: </span>MINE`,
		"Save mine over theirs", "one\nMINE\nthree</textarea>")
	if v, _ := value(t, n, ns, "k"); v != "one\nTHEIRS\nthree" {
		t.Fatalf("it was overwritten: %q", v)
	}
	again := first(t, revision, got.body)
	if got := b.post("/dashboard/key/save"+q(ns, "k"), "revision", again, "text", "one\nMINE\nthree", "expire", "never"); got.status != 303 {
		t.Errorf("save over: %d", got.status)
	}
	if v, _ := value(t, n, ns, "k"); v != "one\nMINE\nthree" {
		t.Errorf("got %q", v)
	}

	api(t, n, http.MethodDelete, kvPath(n, "/"+ns+"/values/k"), nil, nil)
	got = b.post("/dashboard/key/save"+q(ns, "k"), "revision", again, "text", "mine", "expire", "never")
	b.contains(got, 409, "Someone else deleted this key", `name="revision" value=""`, "mine</textarea>")
	put(t, n, ns, "new", "theirs")
	b.contains(b.post("/dashboard/key/save"+q(ns), "key", "new", "text", "mine"), 409, "This key is there already")
}

// TestLineEndsStay holds that a value that is opened and saved is what it was.
func TestLineEndsStay(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "lines")
	b := signedIn(t, n, rootToken)
	for _, text := range []string{"a\nb\n", "a\r\nb\r\n", "\na", "\n\na", "a", "", "  a  \n\n"} {
		put(t, n, ns, "k", text)
		page := b.get("/dashboard/key" + q(ns, "k")).body
		// A browser drops the first line break of a text area, and sends all as "\r\n".
		area := first(t, regexp.MustCompile(`(?s)<textarea id="text"[^>]*>\r?\n(.*?)</textarea>`), page)
		sent := strings.ReplaceAll(strings.ReplaceAll(area, "\r\n", "\n"), "\n", "\r\n")
		fields := []string{"revision", first(t, revision, page), "text", sent, "expire", "never"}
		if strings.Contains(page, `name="crlf"`) {
			fields = append(fields, "crlf", "1")
		}
		if got := b.post("/dashboard/key/save"+q(ns, "k"), fields...); got.status != 303 {
			t.Fatalf("save: %d", got.status)
		}
		if v, _ := value(t, n, ns, "k"); v != text {
			t.Errorf("%q became %q", text, v)
		}
	}
	for _, text := range []string{"a\r\nb\n", "a\rb", "a\x00b", "\xff\xfe", "a\x1bb"} {
		put(t, n, ns, "k", text)
		if page := b.get("/dashboard/key" + q(ns, "k")); strings.Contains(page.body, `<textarea id="text"`) || page.status != 200 {
			t.Errorf("%q can be edited: %d", text, page.status)
		}
	}
}

func hostileKeys() []string {
	return []string{
		"a/b//c", "../../etc/passwd", "...", "/", "//", "%2F", "%", "%00", "a\x00b", "a\nb", "a\r\nb", " ", " lead", "tail ", "+", "a+b", "&", "a=b&c=d", "?", "#frag",
		`"`, `'`, "`", "\\", "<script>window.hit=1</script>", `"><img src=x onerror=alert(1)>`, "</textarea><script>x</script>", "javascript:alert(1)", "{{.}}", "${x}",
		"💥", "é", "e\u0301", "日本語", "a\u202eb", "\u200b", "\ufeffbom", "\u2028", strings.Repeat("k", 512), strings.Repeat("é", 256),
	}
}

// TestHostileKeys makes, finds, opens, saves, downloads and deletes each key through
// the pages.
func TestHostileKeys(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "hostile")
	b := signedIn(t, n, rootToken)
	for _, key := range hostileKeys() {
		put(t, n, ns, key, key)
		list := b.get("/dashboard/keys" + q(ns) + "&prefix=" + url.QueryEscape(key))
		if keys := shownKeys(t, list.body); len(keys) != 1 || keys[0] != key {
			t.Errorf("%q: the list leads to %q", key, keys)
			continue
		}
		page := b.get(first(t, rowLink, list.body))
		if page.status != 200 {
			t.Errorf("%q: its page: %d", key, page.status)
			continue
		}
		save := first(t, regexp.MustCompile(`action="(/dashboard/key/save[^"]+)"|action="(/dashboard/key/upload)`), page.body)
		if save != "" {
			if got := b.post(save, "revision", first(t, revision, page.body), "text", "saved", "expire", "never"); got.status != 303 {
				t.Errorf("%q: save: %d", key, got.status)
			} else if v, _ := value(t, n, ns, key); v != "saved" {
				t.Errorf("%q: saved %q", key, v)
			}
		}
		pick := first(t, regexp.MustCompile(`name="pick" value="([^"]+)"`), list.body)
		if got := b.post("/dashboard/keys/delete"+q(ns), "pick", pick); got.status != 303 {
			t.Errorf("%q: delete: %d", key, got.status)
		}
		if _, ok := value(t, n, ns, key); ok {
			t.Errorf("%q is still there", key)
		}
	}
}

func TestHostileValuesStayText(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "hostile")
	b := signedIn(t, n, rootToken)
	for i, text := range []string{
		"</textarea><script>window.hit=1</script>", `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`,
		"<!doctype html><html><script>alert(1)</script>", "GIF89a<script>alert(1)</script>", `{"a":"</textarea><img src=x onerror=alert(1)>"}`,
	} {
		key := strconv.Itoa(i)
		put(t, n, ns, key, text)
		b.contains(b.get("/dashboard/key"+q(ns, key)), 200)
		got := b.get("/dashboard/value" + q(ns, key))
		if got.body != text || got.header.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment") {
			t.Errorf("download: %v %q", got.header, got.body)
		}
		preview := b.get("/dashboard/preview" + q(ns, key))
		if strings.HasPrefix(text, "GIF89a") {
			if preview.header.Get("Content-Type") != "image/gif" || !strings.Contains(preview.header.Get("Content-Security-Policy"), "sandbox") {
				t.Errorf("preview: %v", preview.header)
			}
		} else if preview.status != http.StatusUnsupportedMediaType {
			t.Errorf("%q has a preview: %d", text, preview.status)
		}
	}
	// Metadata is shown, too.
	body := new(bytes.Buffer)
	form := multipart.NewWriter(body)
	_ = form.WriteField("value", "v")
	_ = form.WriteField("metadata", `{"x":"</pre><script>alert(1)</script>"}`)
	_ = form.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, n.APIURL()+kvPath(n, "/"+ns+"/values/meta"), body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+rootToken)
	req.Header.Set("Content-Type", form.FormDataContentType())
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("put with metadata: %v %v", res, err)
	}
	_ = res.Body.Close()
	b.contains(b.get("/dashboard/key"+q(ns, "meta")), 200, html.EscapeString("</pre><script>"))
	b.contains(b.get("/dashboard/keys"+q(ns)), 200, html.EscapeString("</pre><script>"))
}

func TestDownloadNames(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "files")
	b := signedIn(t, n, rootToken)
	for key, want := range map[string]string{
		"a/b/report.pdf": `attachment; filename=report.pdf`,
		"a/":             `attachment; filename=value`,
		"...":            `attachment; filename=value`,
		"a\r\nX: y":      `attachment; filename="a__X_ y"`,
		"é.txt":          `attachment; filename*=utf-8''%C3%A9.txt`,
		`x";y="z`:        `attachment; filename="x_;y=_z"`,
	} {
		put(t, n, ns, key, "v")
		if got := b.get("/dashboard/value" + q(ns, key)).header.Get("Content-Disposition"); got != want {
			t.Errorf("%q: got %s, want %s", key, got, want)
		}
	}
}

// upload sends a file through the form of a key.
func (b *browser) upload(path string, file []byte, name string, fields ...string) answer {
	b.t.Helper()
	body := new(bytes.Buffer)
	form := multipart.NewWriter(body)
	for i := 0; i < len(fields); i += 2 {
		if err := form.WriteField(fields[i], fields[i+1]); err != nil {
			b.t.Fatal(err)
		}
	}
	part, err := form.CreateFormFile("file", name)
	if err != nil {
		b.t.Fatal(err)
	}
	_, _ = part.Write(file)
	_ = form.Close()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.base+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Origin", b.base)
	return b.do(req)
}

// picture is a small PNG.
func picture(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFilesAreUploadedAndShown(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "files")
	b := signedIn(t, n, rootToken)
	shown := picture(t)
	large := bytes.Repeat([]byte{0, 1, 2, 3}, 25<<18) // 25 MiB
	for name, file := range map[string][]byte{"bird.png": shown, "large.bin": large} {
		got := b.upload("/dashboard/key/upload"+q(ns), file, name, "csrf", b.csrf, "expire", "never")
		if got.status != 303 {
			t.Fatalf("upload %s: %d %s", name, got.status, got.body)
		}
		if v, _ := value(t, n, ns, name); v != string(file) {
			t.Errorf("%s: got another value of %d bytes", name, len(v))
		}
		if got := b.get("/dashboard/value" + q(ns, name)); got.body != string(file) {
			t.Errorf("%s: the download is another, of %d bytes", name, len(got.body))
		}
	}
	b.contains(b.get("/dashboard/key"+q(ns, "bird.png")), 200, `<img class="preview" src="/dashboard/preview?key=bird.png&amp;ns=`)
	if got := b.get("/dashboard/preview" + q(ns, "bird.png")); got.header.Get("Content-Type") != "image/png" || got.body != string(shown) {
		t.Errorf("preview: %v", got.header)
	}
	page := b.get("/dashboard/key" + q(ns, "large.bin"))
	b.contains(page, 200, "00000000  00 01 02 03", "00000ff0  00 01 02 03", "The first 4 KiB", "25.0 MiB")
	if strings.Contains(page.body, "00001000  00") {
		t.Error("more than 4 KiB are shown")
	}
	b.contains(b.upload("/dashboard/key/upload"+q(ns), append(large, 1), "larger.bin", "csrf", b.csrf), 413, "exceeds limit")
	b.contains(b.upload("/dashboard/key/upload"+q(ns), []byte("x"), "k", "expire", "never"), 403, "Not from this page")
	b.contains(b.upload("/dashboard/key/upload"+q(ns, "bird.png"), []byte("x"), "k", "csrf", b.csrf), 409, "Nothing was uploaded", "preview")
	b.contains(b.upload("/dashboard/key/upload"+q(ns), []byte("x"), "bird.png", "csrf", b.csrf), 409, "Nothing was uploaded")
	b.contains(b.post("/dashboard/key/upload"+q(ns, "bird.png")), 403, "Not from this page")
}

// TestRefusedUploadKeepsTheText holds that the form of a text, shown with what was wrong
// with a file, has the text that the key has.
func TestRefusedUploadKeepsTheText(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "files")
	put(t, n, ns, "k", "the text")
	b := signedIn(t, n, rootToken)
	for _, fields := range [][]string{{"revision", "1"}, {"metadata", "{bad"}} {
		got := b.upload("/dashboard/key/upload"+q(ns, "k"), []byte("x"), "f", append(fields, "csrf", b.csrf)...)
		if got.status != 409 && got.status != 400 {
			t.Errorf("%v: got %d", fields, got.status)
		}
		b.contains(got, got.status, ">\nthe text</textarea>")
	}
	if v, _ := value(t, n, ns, "k"); v != "the text" {
		t.Errorf("got %q", v)
	}
	b.contains(b.upload("/dashboard/key/upload"+q(ns), []byte("x"), "", "csrf", b.csrf, "key", "kept name"), 400, "Choose a file", "kept name")
}

func TestASentTwiceFormIsOneWrite(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "birds")
	b := signedIn(t, n, rootToken)
	fields := []string{"key", "k", "text", "v", "expire", "never", "once", "0123456789abcdef"}
	for i := range 2 {
		if got := b.post("/dashboard/key/save"+q(ns), fields...); got.status != 303 {
			t.Errorf("time %d: got %d", i+1, got.status)
		}
	}
}

func TestExpirationIsShownInWords(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "birds")
	b := signedIn(t, n, rootToken)
	at := time.Now().UTC().Add(49 * time.Hour).Format("2006-01-02T15:04")
	if got := b.post("/dashboard/key/save"+q(ns), "key", "k", "text", "v", "expire", "at", "at", at); got.status != 303 {
		t.Fatalf("save: %d %s", got.status, got.body)
	}
	b.contains(b.get("/dashboard/key"+q(ns, "k")), 200, "in 2 days", strings.Replace(at, "T", " ", 1)+":00 UTC")
}

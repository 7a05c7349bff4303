package cloudflare_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/apitest"
	"github.com/godwitkv/godwit/internal/api/cloudflare"
)

// root sends a request with the root token to the namespace ns.
func (s *server) root(t *testing.T, method, uri, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	return s.do(t, s.RootToken, method, uri, body, headers...)
}

func (s *server) namespacePath(t *testing.T) string {
	return kvPath + "/" + s.Namespace(t, "books").ID.String()
}

func mustBe(t *testing.T, want int, resp *http.Response, body string) {
	t.Helper()
	if resp.StatusCode != want {
		t.Fatalf("%s, want %d: %.300s", resp.Status, want, body)
	}
}

// A title that is not UTF-8 is refused, where a decoder would make another of it.
func TestTitlesAreUTF8(t *testing.T) {
	s := open(t)
	books := s.namespacePath(t)
	for _, tt := range []struct{ method, uri string }{{"POST", kvPath}, {"PUT", books}} {
		resp, body := s.root(t, tt.method, tt.uri, "{\"title\":\"\xff\"}")
		mustBe(t, http.StatusBadRequest, resp, body)
		if !strings.Contains(body, `{"code":10010,"message":"malformed namespace: the body is not UTF-8"}`) {
			t.Errorf("%s: %s", tt.method, body)
		}
	}
	if _, body := s.root(t, "GET", kvPath, ""); !strings.Contains(body, `"title":"books"`) || strings.Contains(body, "\uFFFD") {
		t.Errorf("listed %s", body)
	}
}

// TestNamespacePages walks the pages as clients do: until one is empty.
func TestNamespacePages(t *testing.T) {
	s := open(t)
	for i := range 25 {
		s.Namespace(t, fmt.Sprintf("n%02d", i))
	}
	for _, query := range []string{"order=id&direction=asc", "order=id&direction=desc", "order=title&direction=desc", ""} {
		var ids []string
		for page := 1; ; page++ {
			_, body := s.root(t, "GET", fmt.Sprintf("%s?%s&per_page=10&page=%d", kvPath, query, page), "")
			var list struct{ Result []struct{ ID, Title string } }
			if err := json.Unmarshal([]byte(body), &list); err != nil {
				t.Fatal(err)
			}
			if len(list.Result) == 0 {
				break
			}
			for _, ns := range list.Result {
				ids = append(ids, map[bool]string{true: ns.Title, false: ns.ID}[strings.HasPrefix(query, "order=title")])
			}
		}
		if strings.HasSuffix(query, "desc") {
			slices.Reverse(ids)
		}
		if len(ids) != 25 || !slices.IsSorted(ids) || len(slices.Compact(ids)) != 25 {
			t.Errorf("%q: %d namespaces in order %v", query, len(ids), ids)
		}
	}
}

// TestKeyPages walks a list with limits that change, while keys come and go.
func TestKeyPages(t *testing.T) {
	s := open(t)
	ns := s.namespacePath(t)
	var pairs []string
	for i := range 100 {
		pairs = append(pairs, fmt.Sprintf(`{"key":"k%03d","value":""}`, i))
	}
	resp, body := s.root(t, "PUT", ns+"/bulk", "["+strings.Join(pairs, ",")+"]")
	mustBe(t, http.StatusOK, resp, body)
	var names []string
	for cursor, limit := "", 10; ; limit += 7 {
		_, body := s.root(t, "GET", fmt.Sprintf("%s/keys?prefix=k&limit=%d&cursor=%s", ns, limit, cursor), "")
		var list struct {
			Result []struct{ Name string }
			Info   struct {
				Count   int
				Cursor  string
				Cursors struct{ After string }
			} `json:"result_info"`
		}
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatal(err)
		}
		if list.Info.Count != len(list.Result) || list.Info.Cursor != list.Info.Cursors.After || list.Info.Cursor != "" && len(list.Result) != limit {
			t.Errorf("a page of %d, limit %d: %+v", len(list.Result), limit, list.Info)
		}
		for _, k := range list.Result {
			names = append(names, k.Name)
		}
		if limit == 10 { // behind and ahead of where the list is
			s.root(t, "PUT", ns+"/values/k000a", "")
			s.root(t, "PUT", ns+"/values/k050a", "")
			s.root(t, "DELETE", ns+"/values/k099", "")
		}
		if cursor = list.Info.Cursor; cursor == "" {
			break
		}
	}
	if len(names) != 100 || !slices.IsSorted(names) || !slices.Contains(names, "k050a") || slices.Contains(names, "k000a") {
		t.Errorf("%d keys: %v", len(names), names)
	}
}

// TestLargeValues has values at the limit and past it, by every way in.
func TestLargeValues(t *testing.T) {
	limits := godwit.DefaultLimits()
	limits.MaxValueBytes = 3 << 20 // like 25 MiB, but sooner done
	s := open(t, apitest.WithLimits(limits))
	ns := s.namespacePath(t)
	most := strings.Repeat("godwit! ", int(limits.MaxValueBytes)/8)
	const form = "Content-Type: multipart/form-data; boundary=b"
	for _, tt := range []struct {
		name, method, path, body, header string
	}{
		{"raw", "PUT", "/values/k", most, "X: y"},
		{"form", "PUT", "/values/k", part(`name="value"`, most) + "--b--", form},
		{"form, metadata after", "PUT", "/values/k", part(`name="value"; filename="f"`, most) + part(`name="metadata"`, "1") + "--b--\r\n\r\n", form},
		{"bulk", "PUT", "/bulk", `[{"key":"k","value":` + quote(most) + `}]`, "X: y"},
	} {
		s.root(t, "DELETE", ns+"/values/k", "")
		resp, body := s.root(t, tt.method, ns+tt.path, tt.body, tt.header)
		mustBe(t, http.StatusOK, resp, body)
		resp, body = s.root(t, "GET", ns+"/values/k", "")
		if body != most || resp.ContentLength != int64(len(most)) {
			t.Errorf("%s: got %d bytes back, want %d", tt.name, len(body), len(most))
		}
		over := strings.Replace(tt.body, "godwit!", "godwits!", 1)
		resp, body = s.root(t, tt.method, ns+tt.path, over, tt.header)
		if resp.StatusCode != 413 || !strings.Contains(body, `"code":10024`) || !strings.Contains(body, "Value length of 3145729 exceeds limit of 3145728.") {
			t.Errorf("%s, a byte more: %s %s", tt.name, resp.Status, body)
		}
	}
	if resp, body := s.root(t, "GET", ns+"/values/k", ""); body != most {
		t.Errorf("a value that is too large left something behind: %s", resp.Status)
	}
}

// TestValuesOutOfAllBounds: a value that says how long it is is told by that, unread, and one
// that does not is not read on without end.
func TestValuesOutOfAllBounds(t *testing.T) {
	limits := godwit.DefaultLimits()
	limits.MaxValueBytes = 1 << 10
	s := open(t, apitest.WithLimits(limits))
	path := s.namespacePath(t) + "/values/k"
	resp, body := s.raw(t, fmt.Sprintf("PUT %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nExpect: 100-continue\r\nContent-Length: 10000000000\r\n\r\n", path, s.RootToken))
	if resp.StatusCode != 413 || !strings.Contains(body, "Value length of 10000000000 exceeds limit of 1024.") {
		t.Errorf("%s %s", resp.Status, body)
	}
	sent := &endless{}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL+path, sent)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.RootToken)
	if resp, err := http.DefaultClient.Do(req); err == nil { // or the connection ended amid the body
		_ = resp.Body.Close()
		if resp.StatusCode != 413 {
			t.Error(resp.Status)
		}
	}
	if n := sent.n.Load(); n > 300<<20 {
		t.Errorf("%d MiB of a value without end were read", n>>20)
	}
}

// endless is a body without an end.
type endless struct{ n atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.n.Add(int64(len(p)))
	return len(p), nil
}

// TestBulkTextLikeBase64: text that could be base64 is written as it is, however long values
// may be.
func TestBulkTextLikeBase64(t *testing.T) {
	limits := godwit.DefaultLimits()
	limits.MaxValueBytes = 64 << 20
	s := open(t, apitest.WithLimits(limits))
	ns := s.namespacePath(t)
	text := strings.Repeat("a", 40_000_000)
	resp, body := s.root(t, "PUT", ns+"/bulk", `[{"key":"k","value":"`+text+`"}]`)
	mustBe(t, http.StatusOK, resp, body)
	if resp, body = s.root(t, "GET", ns+"/values/k", ""); body != text {
		t.Errorf("%s, %d bytes", resp.Status, len(body))
	}
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func TestBulkBodyTooLarge(t *testing.T) {
	const most = 1 << 20
	s := open(t)
	cloudflare.SetMaxBulk(s.api, most)
	ns := s.namespacePath(t)
	fitting := `[{"key":"k","value":"1"}]`
	fitting += strings.Repeat(" ", most-len(fitting))
	resp, got := s.root(t, "PUT", ns+"/bulk", fitting)
	mustBe(t, http.StatusOK, resp, got)
	resp, got = s.root(t, "PUT", ns+"/bulk", fitting+" ")
	if resp.StatusCode != 413 || !strings.Contains(got, `"code":10024`) {
		t.Errorf("%s %s", resp.Status, got)
	}
	head := fmt.Sprintf("PUT %s/bulk HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n\r\n", ns, s.RootToken)
	resp, got = s.raw(t, head+fmt.Sprintf("%x\r\n%s \r\n0\r\n\r\n", most+1, fitting))
	if resp.StatusCode != 413 || !strings.Contains(got, `"code":10024`) {
		t.Errorf("chunked: %s %s", resp.Status, got)
	}
}

// TestParallelBulk sends what wrangler does for a large site, smaller.
func TestParallelBulk(t *testing.T) {
	s := open(t)
	ns := s.namespacePath(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			var items []string
			for j := range 200 {
				value := strings.Repeat(fmt.Sprint(j%10), 10_000)
				items = append(items, fmt.Sprintf(`{"key":"k%d-%d","value":%q,"base64":true}`, i, j, value))
			}
			if resp, body := s.root(t, "PUT", ns+"/bulk", "["+strings.Join(items, ",")+"]"); resp.StatusCode != http.StatusOK {
				t.Errorf("%s %s", resp.Status, body)
			}
		})
	}
	wg.Wait()
	if _, body := s.root(t, "GET", ns+"/keys", ""); strings.Count(body, `"name"`) != 1000 {
		t.Errorf("%d keys on the first page", strings.Count(body, `"name"`))
	}
}

// TestGodwitHeaders checks that every response tells the revision and the
// request's id, and that a request id makes a write happen once.
func TestGodwitHeaders(t *testing.T) {
	s := open(t)
	ns := s.namespacePath(t)
	for _, tt := range []struct{ method, uri, body string }{
		{"PUT", ns + "/values/k", "v"}, {"GET", ns + "/values/k", ""}, {"GET", ns + "/values/absent", ""}, {"GET", ns + "/keys", ""},
		{"POST", ns + "/bulk/get", `{"keys":["k"]}`}, {"PUT", ns + "/bulk", "{"}, {"GET", "/client/v4/zones", ""}, {"POST", kvPath, `{"title":"x"}`}, {"DELETE", ns, ""},
	} {
		resp, _ := s.root(t, tt.method, tt.uri, tt.body)
		if resp.Header.Get(api.HeaderRevision) == "" || resp.Header.Get(api.HeaderRequestID) == "" {
			t.Errorf("%s %s: %v", tt.method, tt.uri, resp.Header)
		}
	}
	const id = api.HeaderRequestID + ": request-1"
	first, body := s.root(t, "POST", kvPath, `{"title":"once"}`, id)
	mustBe(t, http.StatusOK, first, body)
	second, again := s.root(t, "POST", kvPath, `{"title":"once"}`, id)
	if second.StatusCode != http.StatusOK || again != body || second.Header.Get(api.HeaderRequestID) != "request-1" {
		t.Errorf("created again: %s %s", second.Status, again)
	}
	resp, body := s.root(t, "POST", kvPath, `{"title":"once"}`, api.HeaderRequestID+": request-2")
	mustBe(t, http.StatusBadRequest, resp, body)
}

// TestValidators writes and reads by the tags that writes and reads give.
func TestValidators(t *testing.T) {
	s := open(t)
	ns := s.namespacePath(t)
	made, _ := s.root(t, "PUT", ns+"/values/k", "1")
	resp, _ := s.root(t, "GET", ns+"/values/k", "")
	tag := resp.Header.Get("Etag")
	if tag == "" || made.Header.Get("Etag") != tag {
		t.Errorf("the put says %q, the get %q", made.Header.Get("Etag"), tag)
	}
	for _, path := range []string{"/values/k", "/metadata/k"} {
		resp, body := s.root(t, "GET", ns+path, "", `If-None-Match: "7", `+tag)
		if resp.StatusCode != http.StatusNotModified || body != "" || resp.Header.Get("Etag") != tag {
			t.Errorf("%s: %s %q", path, resp.Status, body)
		}
	}
	resp, body := s.root(t, "PUT", ns+"/values/k", "2", "If-Match: "+tag)
	mustBe(t, http.StatusOK, resp, body)
	resp, body = s.root(t, "PUT", ns+"/values/k", "3", "If-Match: "+tag)
	mustBe(t, http.StatusPreconditionFailed, resp, body)
	if resp, body = s.root(t, "GET", ns+"/values/k", ""); body != "2" || resp.Header.Get("Etag") == tag {
		t.Errorf("%s %q", resp.Header.Get("Etag"), body)
	}
}

func TestWriteRate(t *testing.T) {
	limits := godwit.DefaultLimits()
	limits.WritesPerKey = 1
	s := open(t, apitest.WithLimits(limits))
	ns := s.namespacePath(t)
	resp, body := s.root(t, "PUT", ns+"/values/k", "1")
	mustBe(t, http.StatusOK, resp, body)
	resp, body = s.root(t, "PUT", ns+"/values/k", "2")
	mustBe(t, http.StatusTooManyRequests, resp, body)
	if resp.Header.Get("Retry-After") != "1" || !strings.Contains(body, `"code":10022`) {
		t.Errorf("%s %s", resp.Header.Get("Retry-After"), body)
	}
}

// broken is a reader and log that fail, or panic.
type broken struct {
	godwit.Reader
	godwit.Log
	fault error
	value io.ReadCloser
}

func (b *broken) Get(context.Context, godwit.NamespaceID, []byte, godwit.ReadOptions) (*godwit.Entry, godwit.Served, error) {
	if b.fault == nil && b.value == nil {
		panic("secret detail")
	}
	e := &godwit.Entry{Revision: 1, Value: godwit.Value{Blob: godwit.Blob{ID: godwit.BlobID{1}, Size: 200_000}}}
	return e, godwit.Served{}, b.fault
}

func (b *broken) OpenValue(context.Context, godwit.NamespaceID, *godwit.Entry) (io.ReadCloser, error) {
	return b.value, nil
}

// openBroken is a server whose reads fail, and its log.
func openBroken(t *testing.T, b *broken) (*httptest.Server, string, *bytes.Buffer) {
	log := new(bytes.Buffer)
	env := apitest.Open(t, apitest.WithService(func(c *api.Config) {
		b.Reader = c.Reader
		c.Reader = b
	}))
	srv := httptest.NewServer(cloudflare.New(cloudflare.Config{
		Service: env.Service, Logger: slog.New(slog.NewTextHandler(log, nil)), Metrics: env.Metrics, Now: env.Clock.Now,
	}))
	t.Cleanup(srv.Close)
	return srv, srv.URL + kvPath + "/" + env.Namespace(t, "books").ID.String() + "/values/key", log
}

func get(t *testing.T, url string) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+apitest.RootToken)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// TestFaultsAreLogged checks that faults of ours are logged whole and told
// without their details.
func TestFaultsAreLogged(t *testing.T) {
	for name, b := range map[string]*broken{
		"error": {fault: errors.New("secret detail")},
		"panic": {},
	} {
		srv, url, log := openBroken(t, b)
		resp, body, err := get(t, url)
		srv.Close()
		if err != nil || resp.StatusCode != 500 || strings.Contains(body, "secret") || !strings.Contains(body, `"code":10500`) {
			t.Errorf("%s: %s %s %v", name, resp.Status, body, err)
		}
		if !strings.Contains(log.String(), "secret detail") || strings.Contains(log.String(), apitest.RootToken) {
			t.Errorf("%s: logged %q", name, log)
		}
	}
}

// TestClientsFaultsAreNotLogged: whoever can reach the port could fill the log
// else, and raise alerts.
func TestClientsFaultsAreNotLogged(t *testing.T) {
	srv, url, log := openBroken(t, &broken{fault: godwit.ErrNoUpstream})
	for path, status := range map[string]int{
		url:                            http.StatusServiceUnavailable,
		srv.URL + kvPath + "?page=0":   http.StatusBadRequest,
		srv.URL + "/client/v4/nothing": http.StatusNotFound,
		strings.Replace(url, "values/key", "bulk", 1): http.StatusMethodNotAllowed,
	} {
		if resp, body, err := get(t, path); err != nil || resp.StatusCode != status {
			t.Errorf("%s: %s %s %v, want %d", path, resp.Status, body, err, status)
		}
	}
	if log.Len() != 0 {
		t.Errorf("logged %q", log)
	}
}

// TestDamagedValue checks that a value found damaged at its end never looks
// whole.
func TestDamagedValue(t *testing.T) {
	for name, tail := range map[string]io.Reader{
		"checksum": errReader{errors.New("checksum mismatch")},
		"short":    strings.NewReader(""),
		"long":     strings.NewReader("xx"),
	} {
		value := io.MultiReader(strings.NewReader(strings.Repeat("x", map[bool]int{true: 200_000, false: 199_999}[name == "checksum"])), tail)
		srv, url, log := openBroken(t, &broken{value: io.NopCloser(value)})
		_, body, err := get(t, url)
		srv.Close()
		if err == nil || len(body) >= 200_000 {
			t.Errorf("%s: %d bytes, error %v", name, len(body), err)
		}
		if !strings.Contains(log.String(), "cut short") {
			t.Errorf("%s: logged %q", name, log)
		}
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// TestMetrics checks that requests are counted by endpoint.
func TestMetrics(t *testing.T) {
	s := open(t)
	ns := s.namespacePath(t)
	s.root(t, "PUT", ns+"/values/k", "1")
	s.root(t, "GET", ns+"/values/absent", "")
	s.root(t, "GET", "/client/v4/zones", "")
	families, err := s.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range families {
		if f.GetName() != "godwit_rest_requests_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			got = append(got, fmt.Sprintf("%s %v", strings.Join(labels, " "), m.GetCounter().GetValue()))
		}
	}
	if want := []string{"none 404 1", "value_get 404 1", "value_put 200 1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestBulkGetLargeText has characters, escapes and broken bytes where a large
// value is cut into pieces.
func TestBulkGetLargeText(t *testing.T) {
	s := open(t)
	ns := s.namespacePath(t)
	for name, unit := range map[string]string{"characters": "\U0001F913", "escapes": "\"\x01", "broken": "\xf0\x9f", "tails": "\x80"} {
		value := "x" + strings.Repeat(unit, 30_000)
		if resp, body := s.root(t, "PUT", ns+"/values/"+name, value); resp.StatusCode != http.StatusOK {
			t.Fatalf("put: %s", body)
		}
		for _, query := range []string{`{"keys":["%s"]}`, `{"keys":["%s"],"withMetadata":true}`} {
			_, body := s.root(t, "POST", ns+"/bulk/get", fmt.Sprintf(query, name))
			var got struct {
				Result struct{ Values map[string]any }
			}
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			text := got.Result.Values[name]
			if with, ok := text.(map[string]any); ok {
				text = with["value"]
			}
			if text != string([]rune(value)) {
				t.Errorf("%s, %s: not the value that was put", name, query)
			}
		}
	}
}

// TestRepeatedAdministration sends what changes a namespace twice with one
// request id: the second changes nothing and is answered as the first.
func TestRepeatedAdministration(t *testing.T) {
	s := open(t)
	ns := s.Namespace(t, "a")
	path := kvPath + "/" + ns.ID.String()
	for _, q := range []struct{ method, body, id string }{
		{"PUT", `{"title":"b"}`, "rename-1"},
		{"DELETE", "", "delete-1"},
	} {
		for range 2 {
			if res, body := s.do(t, apitest.RootToken, q.method, path, q.body, "Godwit-Request-Id: "+q.id); res.StatusCode != 200 {
				t.Errorf("%s: %d %s", q.method, res.StatusCode, body)
			}
		}
		if q.method == "PUT" { // meanwhile someone else gave it another title
			s.do(t, apitest.RootToken, "PUT", path, `{"title":"c"}`)
			s.do(t, apitest.RootToken, "PUT", path, q.body, "Godwit-Request-Id: "+q.id)
			if _, body := s.do(t, apitest.RootToken, "GET", path, ""); !strings.Contains(body, `"title":"c"`) {
				t.Errorf("a rename took effect twice: %s", body)
			}
		}
	}
	for _, headers := range [][]string{nil, {"Godwit-Request-Id: delete-2"}} {
		if res, _ := s.do(t, apitest.RootToken, "DELETE", path, "", headers...); res.StatusCode != 404 {
			t.Errorf("another deletion of what is gone: %d", res.StatusCode)
		}
	}
}

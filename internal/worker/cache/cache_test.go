package cache_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/godwitkv/godwit/internal/worker/cache"
)

// world is a cache with a clock.
type world struct {
	t     *testing.T
	cache *cache.Cache
	now   time.Time
}

func newWorld(t *testing.T, most int64) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	w.cache = cache.New(most, func() time.Time { return w.now })
	return w
}

// ask makes a request as workerd does.
func (w *world) ask(method, url, body string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	r.RequestURI = r.URL.RequestURI()
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res := httptest.NewRecorder()
	w.cache.ServeHTTP(res, r)
	return res
}

// response is one as workerd sends it to be stored.
func response(status int, body string, headers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\n", status, http.StatusText(status), len(body))
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	return b.String() + "\r\n" + body
}

// streamed is response where workerd knows no length: it says that chunks follow, and none
// do.
func streamed(status int, body string, headers ...string) string {
	known := fmt.Sprintf("Content-Length: %d\r\n", len(body))
	return strings.Replace(response(status, body, headers...), known, "Transfer-Encoding: chunked\r\n", 1)
}

// TestStorable holds which responses are stored, and for how long.
func TestStorable(t *testing.T) {
	for name, test := range map[string]struct {
		response string
		status   int           // of the put
		life     time.Duration // 0: not stored
	}{
		"max-age":              {response(200, "x", "Cache-Control: public, max-age=60"), 204, time.Minute},
		"s-maxage wins":        {response(200, "x", "Cache-Control: max-age=1, S-MaxAge=60"), 204, time.Minute},
		"Expires":              {response(200, "x", "Expires: Thu, 01 Jan 2026 00:02:00 GMT"), 204, 2 * time.Minute},
		"a bad Expires":        {response(200, "x", "Expires: 0"), 204, 0},
		"nothing said, 200":    {response(200, "x"), 204, 2 * time.Hour},
		"nothing said, 404":    {response(404, "x"), 204, 3 * time.Minute},
		"nothing said, 500":    {response(500, "x"), 204, 0},
		"max-age=0":            {response(200, "x", "Cache-Control: max-age=0"), 204, 0},
		"no number":            {response(200, "x", "Cache-Control: max-age=soon"), 204, 0},
		"a long life":          {response(200, "x", "Cache-Control: max-age=99999999999"), 204, 365 * 24 * time.Hour},
		"no-store":             {response(200, "x", "Cache-Control: no-store"), 413, 0},
		"private":              {response(200, "x", "Cache-Control: private, max-age=60"), 413, 0},
		"a cookie":             {response(200, "x", "Cache-Control: max-age=60", "Set-Cookie: a=b"), 413, 0},
		"a cookie, private":    {response(200, "x", "Cache-Control: private=Set-Cookie, max-age=60", "Set-Cookie: a=b"), 204, time.Minute},
		"a part":               {response(206, "x", "Cache-Control: max-age=60"), 413, 0},
		"varies by everything": {response(200, "x", "Cache-Control: max-age=60", "Vary: *"), 413, 0},
		"no length":            {streamed(200, "x", "Cache-Control: max-age=60"), 204, time.Minute},
		"no length, too large": {streamed(200, strings.Repeat("x", 600), "Cache-Control: max-age=60"), 413, 0},
		"a head without end":   {"HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 20_000), 413, 0},
		"a head that is cut":   {"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n", 413, 0},
		"no response":          {"rubbish", 413, 0},
		"cut off":              {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx", 413, 0},
		"too large":            {response(200, strings.Repeat("x", 600), "Cache-Control: max-age=60"), 413, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1000)
			if res := w.ask("PUT", "http://a/x", test.response); res.Code != test.status {
				t.Errorf("put: %d %s, want %d", res.Code, res.Body, test.status)
			}
			if test.life == 0 {
				w.missing("http://a/x")
				return
			}
			w.now = w.now.Add(test.life - time.Second)
			if res := w.ask("GET", "http://a/x", ""); res.Body.String() != "x" || res.Header().Get("CF-Cache-Status") != "HIT" || res.Header().Get("Set-Cookie") != "" {
				t.Errorf("just before the end: %d %v %s", res.Code, res.Header(), res.Body)
			}
			w.now = w.now.Add(time.Second)
			w.missing("http://a/x")
		})
	}
}

// TestStreamThatFails holds that a stream which its request does not bring to an end is
// not taken for a shorter one.
func TestStreamThatFails(t *testing.T) {
	w := newWorld(t, 1<<20)
	r := httptest.NewRequest("PUT", "http://a/x", io.MultiReader(
		strings.NewReader(streamed(200, "half", "Cache-Control: max-age=60")), iotest.ErrReader(io.ErrUnexpectedEOF),
	))
	r.RequestURI = r.URL.RequestURI()
	res := httptest.NewRecorder()
	w.cache.ServeHTTP(res, r)
	if res.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("put: %d", res.Code)
	}
	w.missing("http://a/x")
}

func (w *world) missing(url string, headers ...string) {
	w.t.Helper()
	if res := w.ask("GET", url, "", headers...); res.Code != http.StatusGatewayTimeout || res.Header().Get("CF-Cache-Status") != "MISS" {
		w.t.Errorf("%s is there: %d %v", url, res.Code, res.Header())
	}
}

// TestKeys holds that one cache, host, scheme or query is not another.
func TestKeys(t *testing.T) {
	w := newWorld(t, 1<<20)
	w.ask("PUT", "http://a/x?q=1", response(404, "stored", "Content-Type: text/x", "ETag: \"1\""), "CF-Cache-Namespace", "mine")
	res := w.ask("GET", "http://a/x?q=1", "", "CF-Cache-Namespace", "mine")
	if res.Code != 404 || res.Body.String() != "stored" || res.Header().Get("Content-Type") != "text/x" {
		t.Errorf("%d %v %s", res.Code, res.Header(), res.Body)
	}
	w.missing("http://a/x?q=1")
	w.missing("http://a/x", "CF-Cache-Namespace", "mine")
	w.missing("http://b/x?q=1", "CF-Cache-Namespace", "mine")
	w.missing("http://a/x?q=1", "CF-Cache-Namespace", "mine", "X-Forwarded-Proto", "https")
	if res := w.ask("PURGE", "http://a/x?q=1", ""); res.Code != 404 {
		t.Errorf("purge of another: %d", res.Code)
	}
	if res := w.ask("PURGE", "http://a/x?q=1", "", "CF-Cache-Namespace", "mine"); res.Code != 200 {
		t.Errorf("purge: %d", res.Code)
	}
	w.missing("http://a/x?q=1", "CF-Cache-Namespace", "mine")
}

// TestParts answers ranges and conditions.
func TestParts(t *testing.T) {
	w := newWorld(t, 1<<20)
	w.ask("PUT", "http://a/x", response(200, "0123456789", "ETag: \"1\"", "Cache-Control: max-age=60"))
	if res := w.ask("GET", "http://a/x", "", "Range", "bytes=2-4"); res.Code != 206 || res.Body.String() != "234" {
		t.Errorf("a range: %d %s", res.Code, res.Body)
	}
	if res := w.ask("GET", "http://a/x", "", "If-None-Match", `"1"`); res.Code != 304 || res.Body.Len() > 0 {
		t.Errorf("a condition: %d %s", res.Code, res.Body)
	}
}

// TestBound holds the cache to its size: what was used least lately goes.
func TestBound(t *testing.T) {
	w := newWorld(t, 1000)
	body := strings.Repeat("x", 200)
	put := func(name string) { w.ask("PUT", "http://a/"+name, response(200, body, "Cache-Control: max-age=60")) }
	for _, name := range []string{"1", "2", "3"} {
		put(name)
	}
	w.ask("GET", "http://a/1", "")
	put("4")
	w.missing("http://a/2")
	for _, name := range []string{"1", "4"} {
		if res := w.ask("GET", "http://a/"+name, ""); res.Code != 200 {
			t.Errorf("%s went, which was used lately", name)
		}
	}
}

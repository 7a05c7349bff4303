package cloudflare_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestHostile sends what no client of ours sends. Each request gets a 4xx, with
// an envelope where it got as far as this package, and changes nothing.
func TestHostile(t *testing.T) {
	s := open(t)
	ns := kvPath + "/" + s.Namespace(t, "books").ID.String()
	if resp, _ := s.do(t, s.RootToken, "PUT", ns+"/values/k", "v"); resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	state := func() string {
		_, list := s.do(t, s.RootToken, "GET", kvPath, "")
		_, keys := s.do(t, s.RootToken, "GET", ns+"/keys", "")
		_, value := s.do(t, s.RootToken, "GET", ns+"/values/k", "")
		return list + keys + value
	}
	before := state()
	for name, request := range hostile(ns, "Host: kv.example\r\nAuthorization: Bearer "+s.RootToken+"\r\n") {
		resp, body := s.raw(t, request)
		if resp.StatusCode < 400 || resp.StatusCode > 499 {
			t.Errorf("%s: %s\n%s", name, resp.Status, body)
		}
		if resp.Header.Get("Content-Type") == "application/json" && !strings.HasPrefix(body, `{"result":null,"success":false,"errors":[{"code":`) {
			t.Errorf("%s: no envelope: %s", name, body)
		}
	}
	if diff := cmp.Diff(before, state()); diff != "" {
		t.Errorf("something changed (-before +after):\n%s", diff)
	}
}

func hostile(ns, head string) map[string]string {
	sized := func(line, headers, body string) string {
		return fmt.Sprintf("%s HTTP/1.1\r\n%s%sContent-Length: %d\r\n\r\n%s", line, head, headers, len(body), body)
	}
	chunked := func(line, headers, body string) string {
		return line + " HTTP/1.1\r\n" + head + headers + "Transfer-Encoding: chunked\r\n\r\n" + body
	}
	const form = "Content-Type: multipart/form-data; boundary=b\r\n"
	deep := strings.Repeat("[", 200_000)
	requests := map[string]string{
		"no route":                sized("GET /client/v4/%2e%2e/%2e%2e/etc/passwd", "", ""),
		"bad method":              sized("BREW "+ns, "", ""),
		"connect":                 sized("CONNECT "+ns, "", ""),
		"dots to the namespace":   sized("DELETE "+ns+"/values/../", "If-Match: \"1\"\r\n", ""),
		"namespace by dots":       sized("DELETE "+ns+"/..", "", ""),
		"encoded slash":           sized("DELETE "+ns+"%2f", "", ""),
		"null in the id":          sized("GET "+ns+"%00/keys", "", ""),
		"bad escape":              sized("GET "+ns+"/values/%zz", "", ""),
		"body not asked for":      "PUT " + ns + "/values/.. HTTP/1.1\r\n" + head + "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
		"bad query":               sized("GET "+ns+"/keys?limit=%", "", ""),
		"semicolon query":         sized("GET "+ns+"/keys?limit=10;a=1", "", ""),
		"huge limit":              sized("GET "+ns+"/keys?limit="+strings.Repeat("9", 5000), "", ""),
		"huge cursor":             sized("GET "+ns+"/keys?cursor="+strings.Repeat("A", 50_000), "", ""),
		"cursor of nulls":         sized("GET "+ns+"/keys?cursor=%00%00%00", "", ""),
		"huge expiration":         sized("PUT "+ns+"/values/k?expiration="+strings.Repeat("9", 5000), "", "x"),
		"nan ttl":                 sized("PUT "+ns+"/values/k?expiration_ttl=NaN", "", "x"),
		"invalid UTF-8 key":       sized("PUT "+ns+"/values/%ff", "", "x"),
		"bad request id":          sized("PUT "+ns+"/values/k", "Godwit-Request-Id: "+strings.Repeat("x", 1000)+"\r\n", "x"),
		"bad min revision":        sized("GET "+ns+"/values/k", "Godwit-Min-Revision: -1\r\n", ""),
		"many tags":               sized("PUT "+ns+"/values/k", "If-Match: "+strings.Repeat(`"1",`, 2000)+"\"1\"\r\n", "x"),
		"huge header":             sized("GET "+ns+"/keys", "X: "+strings.Repeat("x", 2<<20)+"\r\n", ""),
		"deep namespace":          sized("POST "+kvPath, "", `{"title":`+deep),
		"deep bulk get":           sized("POST "+ns+"/bulk/get", "", `{"keys":["k"],"x":`+deep),
		"deep bulk metadata":      sized("PUT "+ns+"/bulk", "", `[{"key":"k","value":"","metadata":`+deep),
		"deep bulk field":         sized("PUT "+ns+"/bulk", "", `[{"key":"k","value":"","x":`+deep),
		"long number":             sized("PUT "+ns+"/bulk", "", `[{"key":"k","value":"","x":`+strings.Repeat("1", 1<<20)+`}]`),
		"huge ttl":                sized("PUT "+ns+"/bulk", "", `[{"key":"k","value":"","expiration_ttl":1e999999}]`),
		"bulk of binary":          sized("PUT "+ns+"/bulk", "", "\x00\xff\xfe"),
		"bulk with a bad string":  sized("PUT "+ns+"/bulk", "", "[{\"key\":\"k\",\"value\":\"\xff\"}]"),
		"title with a bad string": sized("POST "+kvPath, "", "{\"title\":\"\\ud800\",\"jurisdiction\":\"\xff\"}"),
		"large bulk get":          sized("POST "+ns+"/bulk/get", "", `{"keys":["`+strings.Repeat("k", 9<<20)+`"]}`),
		"long form part header":   sized("PUT "+ns+"/values/k", form, "--b\r\nContent-Disposition: form-data; name=\""+strings.Repeat("x", 11<<20)+"\"\r\n\r\n\r\n--b--"),
		"many form headers":       sized("PUT "+ns+"/values/k", form, "--b\r\n"+strings.Repeat("A: b\r\n", 20_000)+"\r\n\r\n--b--"),
		"long boundary":           sized("PUT "+ns+"/values/k", "Content-Type: multipart/form-data; boundary="+strings.Repeat("b", 9000)+"\r\n", "--b--"),
		"form in a form":          sized("PUT "+ns+"/values/k", form, "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--"),
		"chunked garbage":         chunked("PUT "+ns+"/values/k", "", "zz\r\nhello\r\n0\r\n\r\n"),
		"chunked garbage in JSON": chunked("PUT "+ns+"/bulk", "", "5\r\n[{\"ke\r\nxx\r\n"),
		"chunked garbage in form": chunked("PUT "+ns+"/values/k", form, "3\r\n--b\r\nqq\r\n"),
		"chunked and sized":       chunked("PUT "+ns+"/values/k", "Content-Length: 3\r\n", "-1\r\nabc\r\n0\r\n\r\n"),
		"two lengths":             "PUT " + ns + "/values/k HTTP/1.1\r\n" + head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"no host":                 "GET " + ns + " HTTP/1.1\r\n\r\n",
		"not HTTP":                "\x16\x03\x01\x02\x00\x01\r\n\r\n",
	}
	return requests
}

// TestCutBody cuts connections off in the middle of bodies: nothing is written.
func TestCutBody(t *testing.T) {
	s := open(t)
	ns := kvPath + "/" + s.Namespace(t, "books").ID.String()
	for _, path := range []string{"/values/k", "/bulk"} {
		for _, body := range []string{`half`, `[{"key":"k","value":"v"}`} {
			s.cut(t, fmt.Sprintf("PUT %s%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\n%s", ns, path, s.RootToken, body))
		}
	}
	if _, keys := s.do(t, s.RootToken, "GET", ns+"/keys", ""); !strings.Contains(keys, `"result":[]`) {
		t.Errorf("something was written: %s", keys)
	}
}

// TestHTTP10Bodies holds that a body of HTTP/1.0 without a length is not taken for none.
func TestHTTP10Bodies(t *testing.T) {
	s := open(t)
	kv := kvPath + "/" + s.Namespace(t, "books").ID.String()
	if resp, _ := s.do(t, s.RootToken, "PUT", kv+"/values/k", "precious"); resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	ask := func(line, headers, body string) (*http.Response, string) {
		return s.raw(t, line+" HTTP/1.0\r\nAuthorization: Bearer "+s.RootToken+"\r\n"+headers+"\r\n"+body)
	}
	for _, line := range []string{
		"PUT " + kv + "/values/k", "PUT " + kv + "/bulk", "POST " + kv + "/bulk/delete", "POST " + kvPath, "DELETE " + kv + "/bulk",
	} {
		for _, headers := range []string{"", "Connection: keep-alive\r\n", "Transfer-Encoding: chunked\r\n"} {
			if resp, body := ask(line, headers, `["k"]`); resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%s %q: %s %s", line, headers, resp.Status, body)
			}
		}
	}
	if _, value := s.do(t, s.RootToken, "GET", kv+"/values/k", ""); value != "precious" {
		t.Errorf("value %q", value)
	}
	if resp, body := ask("PUT "+kv+"/values/k", "Content-Length: 0\r\n", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("an empty value: %s %s", resp.Status, body)
	}
	if resp, body := ask("DELETE "+kv+"/values/k", "", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("delete: %s %s", resp.Status, body)
	}
}

package binding_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/internal/api/binding"
)

// oddKeys are keys as workerd encodes them for a get or put; a delete is
// encoded more thoroughly.
var oddKeys = []struct{ key, path string }{
	{"a/b/c", "a%2Fb%2Fc"},
	{"/lead", "%2Flead"}, {"trail/", "trail%2F"}, {"a//b", "a%2F%2Fb"}, {"/", "%2F"}, {"//", "%2F%2F"},
	{"../x", "..%2Fx"}, {"a/../b", "a%2F..%2Fb"}, {"./x", ".%2Fx"}, {"a/.", "a%2F."}, {"/..", "%2F.."},
	{"...", "..."}, {"..x", "..x"},
	{"sp ace", "sp%20ace"}, {" ", "%20"},
	{"pct%41", "pct%2541"}, {"pct%zz", "pct%25zz"}, {"%", "%25"},
	{"q?x=1&y", "q%3Fx=1&y"},
	{"h#ash", "h%23ash"},
	{"plus+eq=", "plus+eq="},
	{"a:b!c@d$e,f;g", "a:b!c@d$e,f;g"},
	{"[]{}|^`", "[]%7B%7D|^%60"},
	{`quote"<>`, "quote%22%3C%3E"}, {`back\slash`, "back%5Cslash"},
	{"tab\tnl\nnul\x00cr\r", "tab%09nl%0Anul%00cr%0D"},
	{"uni-é-漢-🤓", "uni-%C3%A9-%E6%BC%A2-%F0%9F%A4%93"},
	{"it's(*)~", "it's(*)~"},
	{"bulk/get", "bulk%2Fget"},
	{"a://b", "a:%2F%2Fb"},
	{"true", "true"}, {"0", "0"}, {"__proto__", "__proto__"}, {"*", "*"},
	{strings.Repeat("x", 512), strings.Repeat("x", 512)},
	{strings.Repeat("é", 256), strings.Repeat("%C3%A9", 256)},
}

func TestOddKeys(t *testing.T) {
	w := newWorld(t, binding.Config{})
	p := w.dial()
	var names []string
	for _, k := range oddKeys {
		names = append(names, k.key)
		p.ask(w, "PUT", "/"+k.path+"?urlencoded=true", "value of "+k.key).must(t, 200)
	}
	slices.Sort(names)

	for _, k := range oddKeys {
		for _, path := range []string{k.path, url.PathEscape(k.key), url.QueryEscape(strings.ReplaceAll(k.key, " ", "_"))} {
			if strings.ContainsAny(k.key, " _") && path != k.path && path != url.PathEscape(k.key) {
				continue
			}
			res := p.ask(w, "GET", "/"+path+"?urlencoded=true", "").must(t, 200)
			if res.body != "value of "+k.key {
				t.Errorf("GET %s: %q", path, res.body)
			}
		}
	}
	if diff := cmp.Diff(names, listNames(t, p.ask(w, "GET", "/", "").must(t, 200).body)); diff != "" {
		t.Errorf("listed: -want +got:\n%s", diff)
	}

	for _, k := range oddKeys {
		body, _ := json.Marshal(map[string]any{"keys": []string{k.key}})
		var got map[string]string
		res := p.ask(w, "POST", "/bulk/get", string(body)).must(t, 200)
		if err := json.Unmarshal([]byte(res.body), &got); err != nil || got[k.key] != "value of "+k.key || len(got) != 1 {
			t.Errorf("bulk get %q: %s", k.key, res.body)
		}
		p.ask(w, "DELETE", "/"+url.PathEscape(k.key)+"?urlencoded=true", "").must(t, 200)
		p.ask(w, "GET", "/"+k.path+"?urlencoded=true", "").must(t, 404)
	}
	if left := listNames(t, p.ask(w, "GET", "/", "").body); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}

func listNames(t *testing.T, body string) []string {
	t.Helper()
	var page struct {
		Keys     []struct{ Name string }
		Complete *bool `json:"list_complete"`
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil || page.Complete == nil {
		t.Fatalf("list %s: %v", body, err)
	}
	var names []string
	for _, k := range page.Keys {
		names = append(names, k.Name)
	}
	return names
}

// Raw slashes are a part of the key, nothing is cleaned or redirected, and
// what is not said to be encoded is not decoded.
func TestRawPaths(t *testing.T) {
	w := newWorld(t, binding.Config{})
	p := w.dial()
	for _, c := range []struct{ target, key string }{
		{"/a/b/?urlencoded=true", "a/b/"},
		{"//x?urlencoded=true", "/x"},
		{"/a/../b?urlencoded=true", "a/../b"},
		{"/%2e%2e%2e?urlencoded=TRUE", "..."},
		{"/a%2Fb", "a%2Fb"},
		{"/a%2Fb?urlencoded=false", "a%2Fb"},
		{"/a%zz?urlencoded=", "a%zz"},
		{"http://fake-host/abs?urlencoded=true", "abs"},
		{"/uni-\xc3\xa9?urlencoded=true", "uni-é"},
		{"/fr#ag?urlencoded=true", "fr#ag"},
	} {
		p.ask(w, "PUT", c.target, c.target).must(t, 200)
		want := []string{c.key}
		if diff := cmp.Diff(want, listNames(t, p.ask(w, "GET", "/", "").body)); diff != "" {
			t.Errorf("PUT %s: -want +got:\n%s", c.target, diff)
		}
		if res := p.ask(w, "GET", c.target, ""); res.body != c.target {
			t.Errorf("GET %s: %s %q", c.target, res.Status, res.body)
		}
		p.ask(w, "DELETE", c.target, "").must(t, 200)
	}
}

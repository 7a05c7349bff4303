package native_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestCopy walks what may stand in the body of a copy.
func TestCopy(t *testing.T) {
	w := newWorld(t)
	const uri = "/godwit/v1/namespaces/one/copy"
	for _, key := range []string{"a/1", "a/2", "b"} {
		w.put(key, "value of "+key)
	}
	for _, tt := range []struct {
		body   string
		status int
		want   string // a part of the answer
		key    string // under which there is then in two
		value  string // this
	}{
		{`{"prefix":"a/","to_namespace":"two"}`, 200, `{"copied":2,"bytes":24,"present":0,"revision":"`, "a/2", "value of a/2"},
		{`{"prefix":"a/","to_namespace":"` + w.two.ID.String() + `","to_prefix":"x"}`, 200, `"complete":true}`, "x2", "value of a/2"},
		{`{"prefix":"","to_namespace":"two","to_prefix":"all/","limit":1}`, 200, `"complete":false,"cursor":"`, "all/a/1", "value of a/1"},
		{`{"key":"b","to_namespace":"two"}`, 200, `"copied":1`, "b", "value of b"},
		{`{"key":"b","to_namespace":"two","to_key":"c"}`, 200, `"copied":1`, "c", "value of b"},
		{`{"key":"a/1","to_namespace":"two","to_key":"c","if_absent":true}`, 200, `"copied":0,"bytes":0,"present":1`, "c", "value of b"},
		{`{"prefix":"a/","to_namespace":"two","to_prefix":"` + strings.Repeat("p", 512) + `"}`, 200,
			`"failed":[{"key":"a/1","code":"key_too_long","message":"UTF-8 encoded length of 513`, "", ""},
		{`{"key":"none","to_namespace":"two"}`, 404, "key_not_found", "", ""},
		{`{"key":"b","to_namespace":"none"}`, 404, "namespace_not_found", "none", ""},
		{`{"key":"b","to_namespace":"one"}`, 400, "copied to itself", "", ""},
		{`{"key":"","to_namespace":"two"}`, 400, "invalid_key", "", ""},
		{`{"key":"b","to_key":"","to_namespace":"two"}`, 400, "invalid_key", "", ""},
		{`{"key":"b","to_key":"\u002e.","to_namespace":"two"}`, 400, "invalid_key", "", ""},
		{`{"key":"b"}`, 400, "to_namespace is missing", "", ""},
		{`{"to_namespace":"two"}`, 400, "Give a key or a prefix", "", ""},
		{`{"to_key":"b","to_namespace":"two"}`, 400, "Give a key or a prefix", "", ""},
		{`{"key":"b","prefix":"","to_namespace":"two"}`, 400, "invalid_request", "", ""},
		{`{"key":"b","to_prefix":"","to_namespace":"two"}`, 400, "invalid_request", "", ""},
		{`{"prefix":"b","to_key":"c","to_namespace":"two"}`, 400, "invalid_request", "", ""},
		{`{"prefix":"","to_prefix":"x","to_namespace":"one"}`, 400, "neither prefix", "", ""},
		{`{"prefix":"","to_namespace":"two","limit":0}`, 400, "invalid_limit", "", ""},
		{`{"prefix":"","to_namespace":"two","limit":1001}`, 400, "invalid_limit", "", ""},
		{`{"prefix":"","to_namespace":"two","limit":1e99}`, 400, "limit must not be", "", ""},
		{`{"prefix":"","to_namespace":"two","cursor":"zz"}`, 400, "invalid_cursor", "", ""},
		{`{"prefix":"","to_namespace":"two","prefx":"a"}`, 400, "Unknown field", "", ""},
		{"{\"key\":\"b\xff\",\"to_namespace\":\"two\"}", 400, "not UTF-8", "", ""},
		{``, 400, "empty", "", ""},
		{`{"prefix":"` + strings.Repeat("p", 2<<20) + `"}`, 413, "body_too_large", "", ""},
	} {
		status, body := w.do("POST", uri, rootToken, tt.body)
		if status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%.100s: got %d %s, want %d with %s", tt.body, status, body, tt.status, tt.want)
		}
		if tt.key == "" {
			continue
		}
		if got := w.valueOf("two", tt.key); got != tt.value {
			t.Errorf("%.100s: %s is then %q, want %q", tt.body, tt.key, got, tt.value)
		}
	}
	for _, header := range []http.Header{{"Godwit-Request-Id": {"a b"}}, {"Godwit-Consistency": {"odd"}}, {"Godwit-Min-Revision": {"x"}}} {
		if res := w.ask("POST", uri, rootToken, `{"prefix":"","to_namespace":"two"}`, header); res.Code != 400 {
			t.Errorf("%v: got %d %s", header, res.Code, res.Body)
		}
	}
}

// valueOf is the value of a small key, "" if there is none.
func (w *world) valueOf(namespace, key string) string {
	w.t.Helper()
	_, body := w.do("GET", "/godwit/v1/namespaces/"+namespace+"/keys?values=1&start="+key, rootToken, "")
	var list struct {
		Keys []struct{ Name, Value string }
	}
	check(w.t, json.Unmarshal([]byte(body), &list))
	for _, k := range list.Keys {
		if k.Name == key {
			return k.Value
		}
	}
	return ""
}

// TestCopyInPages goes through with the cursors that it is given.
func TestCopyInPages(t *testing.T) {
	w := newWorld(t)
	for i := range 25 {
		w.put(fmt.Sprint("key ", i), "v")
	}
	total, cursor := int64(0), ""
	for pages := 1; ; pages++ {
		_, body := w.do("POST", "/godwit/v1/namespaces/one/copy", rootToken, `{"prefix":"","to_namespace":"two","limit":10,"cursor":"`+cursor+`"}`)
		var out struct {
			Copied   int64
			Complete bool
			Cursor   string
		}
		check(t, json.Unmarshal([]byte(body), &out))
		total += out.Copied
		if cursor = out.Cursor; out.Complete != (cursor == "") || pages == 3 != out.Complete {
			t.Fatalf("page %d: %s", pages, body)
		}
		if out.Complete {
			break
		}
	}
	if total != 25 {
		t.Errorf("copied %d keys", total)
	}
}

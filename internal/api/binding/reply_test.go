package binding_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/internal/api/binding"
)

func TestGetHeaders(t *testing.T) {
	w := newWorld(t, binding.Config{})
	p := w.dial()
	expiration := strconv.FormatInt(w.Clock.Now().Unix()+3600, 10)
	put := p.ask(w, "PUT", "/k?expiration="+expiration, "\x00value\xff",
		`CF-KV-Metadata: {"u":"é🤓", "n":1.0}`, "Content-Type: application/x-www-form-urlencoded", "Content-Encoding: gzip", "Godwit-Request-Id: mine").must(t, 200)
	revision := put.Header.Get("Godwit-Revision")
	if put.Header.Get("ETag") != `"`+revision+`"` || put.Header.Get("Godwit-Request-Id") != "mine" || revision == "" {
		t.Errorf("put: %v", put.Header)
	}

	get := p.ask(w, "GET", "/k", "").must(t, 200)
	if get.body != "\x00value\xff" {
		t.Errorf("value %q", get.body)
	}
	if get.Header.Get("Godwit-Request-Id") == "" {
		t.Error("no Godwit-Request-Id")
	}
	get.Header.Del("Godwit-Request-Id")
	want := http.Header{
		"Content-Length":  {"7"},
		"Content-Type":    {"application/octet-stream"},
		"Cf-Kv-Metadata":  {`{"u":"é🤓", "n":1.0}`},
		"Cf-Cache-Status": {"HIT"},
		"Cf-Expiration":   {expiration},
		"Etag":            {`"` + revision + `"`},
		"Godwit-Revision": {revision},
	}
	if diff := cmp.Diff(want, get.Header); diff != "" {
		t.Errorf("headers: -want +got:\n%s", diff)
	}

	head := p.ask(w, "HEAD", "/k", "").must(t, 200)
	head.Header.Del("Godwit-Request-Id")
	if diff := cmp.Diff(want, head.Header); diff != "" || head.body != "" {
		t.Errorf("HEAD: body %q, headers: -want +got:\n%s", head.body, diff)
	}

	// A put clears what it does not give.
	p.ask(w, "PUT", "/k", "").must(t, 200)
	get = p.ask(w, "GET", "/k", "").must(t, 200)
	for _, h := range []string{"CF-KV-Metadata", "CF-Expiration"} {
		if _, ok := get.Header[http.CanonicalHeaderKey(h)]; ok {
			t.Errorf("%s is still there: %v", h, get.Header)
		}
	}
	if get.body != "" || get.ContentLength != 0 {
		t.Errorf("an empty value is %q", get.body)
	}

	absent := p.ask(w, "GET", "/absent", "").must(t, 404)
	if absent.Header.Get("CF-Cache-Status") != "HIT" || absent.Header.Get("Godwit-Revision") == "" || absent.body != "" {
		t.Errorf("absent: %q %v", absent.body, absent.Header)
	}
}

func TestExpiry(t *testing.T) {
	w := newWorld(t, binding.Config{})
	w.ask("PUT", "/k?expiration_ttl=60", "v").must(t, 200)
	w.Clock.Advance(59*time.Second + 999*time.Millisecond)
	w.ask("GET", "/k", "").must(t, 200)
	w.Clock.Advance(time.Millisecond)
	w.ask("GET", "/k", "").must(t, 404)
	if names := listNames(t, w.ask("GET", "/", "").body); len(names) != 0 {
		t.Errorf("listed %q", names)
	}
}

func TestConditions(t *testing.T) {
	w := newWorld(t, binding.Config{})
	p := w.dial()
	tag := p.ask(w, "PUT", "/k", "1", "If-None-Match: *").must(t, 200).Header.Get("ETag")
	p.ask(w, "PUT", "/k", "2", "If-None-Match: *").must(t, 412)
	tag2 := p.ask(w, "PUT", "/k", "2", "If-Match: "+tag).must(t, 200).Header.Get("ETag")
	failed := p.ask(w, "PUT", "/k", strings.Repeat("3", 100_000), "If-Match: "+tag).must(t, 412)
	if failed.Header.Get("Godwit-Revision") == "" || failed.Header.Get("ETag") != "" {
		t.Errorf("412: %v", failed.Header)
	}

	fresh := p.ask(w, "GET", "/k", "", "If-None-Match: "+tag2).must(t, 304)
	if fresh.body != "" || fresh.Header.Get("ETag") != tag2 {
		t.Errorf("304: %q %v", fresh.body, fresh.Header)
	}
	p.ask(w, "HEAD", "/k", "", "If-None-Match: "+tag2).must(t, 304)
	p.ask(w, "GET", "/k", "", "If-None-Match: "+tag).must(t, 200)
	p.ask(w, "GET", "/k", "", `If-None-Match: "1"`, "If-None-Match: "+tag2).must(t, 304)
	p.ask(w, "PUT", "/k", "3", `If-None-Match: "1"`, "If-None-Match: *").must(t, 400)
	p.ask(w, "PUT", "/k", "2", `If-None-Match: "1"`, "If-None-Match: "+tag2).must(t, 412)
	tag, tag2 = tag2, p.ask(w, "PUT", "/k", "2", `If-Match: "1"`, "If-Match: "+tag2).must(t, 200).Header.Get("ETag")
	p.ask(w, "DELETE", "/k", "", "If-Match: "+tag).must(t, 412)
	p.ask(w, "DELETE", "/k", "", "If-Match: "+tag2).must(t, 200)
	p.ask(w, "DELETE", "/k", "").must(t, 200)
	p.ask(w, "GET", "/k", "", "If-None-Match: *").must(t, 404)
}

func TestReadOptions(t *testing.T) {
	w := newWorld(t, binding.Config{})
	p := w.dial()
	revision := p.ask(w, "PUT", "/k", "v").must(t, 200).Header.Get("Godwit-Revision")
	for _, target := range []string{"/k", "/"} {
		p.ask(w, "GET", target, "", "Godwit-Min-Revision: "+revision, "Godwit-Consistency: strong").must(t, 200)
		p.ask(w, "GET", target, "", "Godwit-Consistency: sometimes").must(t, 400)
	}
	n, _ := strconv.ParseUint(revision, 10, 64)
	p.ask(w, "GET", "/k", "", fmt.Sprintf("Godwit-Min-Revision: %d", n+1_000_000)).must(t, 503)
}

func TestList(t *testing.T) {
	w := newWorld(t, binding.Config{})
	p := w.dial()
	for i := range 25 {
		p.ask(w, "PUT", fmt.Sprintf("/a%%2F%02d?urlencoded=true", i), "v", fmt.Sprintf(`CF-KV-Metadata: "m%d"`, i)).must(t, 200)
	}
	p.ask(w, "PUT", "/b", "v").must(t, 200)

	var all []string
	cursor, pages := "", 0
	for {
		res := p.ask(w, "GET", "/?key_count_limit=10&prefix=a%2F&cursor="+cursor, "").must(t, 200)
		if res.Header.Get("CF-Cache-Status") != "HIT" || res.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("headers %v", res.Header)
		}
		var page struct {
			Keys []struct {
				Name, Metadata string
			}
			Complete bool    `json:"list_complete"`
			Cursor   *string `json:"cursor"`
		}
		if err := json.Unmarshal([]byte(res.body), &page); err != nil {
			t.Fatalf("%s: %v", res.body, err)
		}
		for _, k := range page.Keys {
			if want := fmt.Sprintf(`"m%d"`, len(all)); k.Metadata != want {
				t.Errorf("metadata of %s is %s, want %s", k.Name, k.Metadata, want)
			}
			all = append(all, k.Name)
		}
		pages++
		if page.Complete != (page.Cursor == nil) || pages > 3 {
			t.Fatalf("page %d: %s", pages, res.body)
		}
		if page.Complete {
			break
		}
		cursor = strings.ReplaceAll(*page.Cursor, "+", "%2B")
	}
	if len(all) != 25 || pages != 3 || all[0] != "a/00" || all[24] != "a/24" {
		t.Errorf("listed %q in %d pages", all, pages)
	}
	if head := p.ask(w, "HEAD", "/", "").must(t, 200); head.ContentLength <= 0 || head.body != "" {
		t.Errorf("HEAD of a list: %v", head.Header)
	}
}

func TestBulkGet(t *testing.T) {
	w := newWorld(t, binding.Config{})
	p := w.dial()
	p.ask(w, "PUT", "/b", `{"n": 1}`, `CF-KV-Metadata: {"m":true}`).must(t, 200)
	p.ask(w, "PUT", "/a", `"s"`).must(t, 200)
	p.ask(w, "PUT", "/7", "\"\xff\n").must(t, 200)
	for _, c := range []struct{ body, want string }{
		{`{"keys":["b","7","a","absent","b"]}`, `{"b":"{\"n\": 1}","7":"\"` + "\uFFFD" + `\n","a":"\"s\"","absent":null}`},
		{`{"keys":["b","a"],"type":"json"}`, `{"b":{"n": 1},"a":"s"}`},
		{`{"keys":["a","b","x"],"type":"text","withMetadata":true,"cacheTtl":"60"}`, `{"a":{"value":"\"s\"","metadata":null},"b":{"value":"{\"n\": 1}","metadata":{"m":true}},"x":null}`},
		{`{"keys":["b"],"type":"json","withMetadata":true}`, `{"b":{"value":{"n": 1},"metadata":{"m":true}}}`},
	} {
		res := p.ask(w, "POST", "/bulk/get", c.body, "Content-Type: application/json").must(t, 200)
		if diff := cmp.Diff(c.want, res.body); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.body, diff)
		}
		if res.Header.Get("CF-Cache-Status") != "HIT" || res.Header.Get("Godwit-Revision") == "" {
			t.Errorf("%s: headers %v", c.body, res.Header)
		}
	}
}

// A reply too large to hold is streamed, and says the same.
func TestBulkGetLarge(t *testing.T) {
	w := newWorld(t, binding.Config{})
	p := w.dial()
	value := strings.Repeat("é🤓\"\n\x01", 500_000)
	p.ask(w, "PUT", "/k", value, `CF-KV-Metadata: 1`).must(t, 200)
	for range 2 {
		res := p.ask(w, "POST", "/bulk/get", `{"keys":["none","k"],"withMetadata":true}`).must(t, 200)
		var got map[string]*struct {
			Value    string
			Metadata int
		}
		if err := json.Unmarshal([]byte(res.body), &got); err != nil {
			t.Fatal(err)
		}
		if got["k"] == nil || got["k"].Value != value || got["k"].Metadata != 1 || len(got) != 2 {
			t.Errorf("got %d bytes that say something else", len(res.body))
		}
	}
	p.send("POST /bulk/get HTTP/1.0\r\nAuthorization: Bearer %s\r\nGodwit-Namespace: things\r\nContent-Length: 14\r\n\r\n{\"keys\":[\"k\"]}", w.RootToken)
	if res := p.reply("POST"); res.StatusCode != 200 || !json.Valid([]byte(res.body)) {
		t.Errorf("HTTP/1.0: %s, %d bytes", res.Status, len(res.body))
	}
}

// TestBulkGetsGiveBackMemory reads more, one after another, than may be held at
// once, some of it by a client that goes away.
func TestBulkGetsGiveBackMemory(t *testing.T) {
	w := newWorld(t, binding.Config{})
	w.ask("PUT", "/k", strings.Repeat("v", 20<<20)).must(t, 200)
	for range 5 {
		if res := w.ask("POST", "/bulk/get", `{"keys":["k"]}`).must(t, 200); len(res.body) < 20<<20 {
			t.Errorf("%d bytes", len(res.body))
		}
		p := w.dial()
		p.send("POST /bulk/get HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nGodwit-Namespace: things\r\nContent-Length: 14\r\n\r\n{\"keys\":[\"k\"]}", w.RootToken)
		if _, err := p.r.Peek(1); err != nil {
			t.Error(err)
		}
		p.Close()
	}
}

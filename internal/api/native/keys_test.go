package native_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api/native"
)

const keysURI = "/godwit/v1/namespaces/one/keys"

// fill writes an entry of the first namespace, with all that one may have.
func (w *world) fill(key string, value []byte, metadata string, expiration int64) godwit.Revision {
	w.t.Helper()
	m := godwit.Mutation{Op: godwit.OpPut, Namespace: w.one.ID, Key: key, Value: godwit.Value{Inline: value}, Expiration: expiration}
	if metadata != "" {
		m.Metadata = []byte(metadata)
	}
	return w.propose(m)
}

// listed is a list as a client reads it.
type listed struct {
	Keys []struct {
		Name, Revision          string
		Created, Modified, Size int64
		Expiration              int64
		Metadata                json.RawMessage
		Value                   *string
		Base64                  bool
		ValueOmitted            bool `json:"value_omitted"`
	}
	ListComplete bool `json:"list_complete"`
	Cursor       string
}

func (w *world) list(query url.Values) (l listed) {
	w.t.Helper()
	status, body := w.do("GET", keysURI+"?"+query.Encode(), rootToken, "")
	if status != 200 {
		w.t.Fatalf("%v: got %d %s", query, status, body)
	}
	check(w.t, json.Unmarshal([]byte(body), &l))
	if l.ListComplete != (l.Cursor == "") {
		w.t.Errorf("%v: complete %v, cursor %q", query, l.ListComplete, l.Cursor)
	}
	return l
}

// names pages through a list.
func (w *world) names(query url.Values) (names []string) {
	w.t.Helper()
	for {
		l := w.list(query)
		for _, k := range l.Keys {
			names = append(names, k.Name)
		}
		if l.Cursor == "" {
			return names
		}
		query.Set("cursor", l.Cursor)
	}
}

func TestListKeys(t *testing.T) {
	w := newWorld(t)
	for i := range 30 {
		w.fill(fmt.Sprintf("k%02d", i), nil, fmt.Sprintf(`{"mod":%d,"odd":"%v"}`, i%3, i%2 == 1), 0)
	}
	w.fill("z", nil, "", 0)
	span := func(from, to, step int) (names []string) {
		for i := from; i < to; i += step {
			names = append(names, fmt.Sprintf("k%02d", i))
		}
		return names
	}
	reversed := func(names []string) []string {
		slices.Reverse(names)
		return names
	}
	for _, tt := range []struct {
		query string
		want  []string
	}{
		{"", append(span(0, 30, 1), "z")},
		{"prefix=k", span(0, 30, 1)},
		{"prefix=k1", span(10, 20, 1)},
		{"prefix=k1&reverse=1", reversed(span(10, 20, 1))},
		{"start=k05&end=k08", span(5, 8, 1)},
		{"start=k05&end=k08&reverse=1", reversed(span(5, 8, 1))},
		{"start=k05%00&end=k08%00", span(6, 9, 1)},
		{"prefix=k1&start=k05&end=k15", span(10, 15, 1)},
		{"start=k28", []string{"k28", "k29", "z"}},
		{"end=k02&reverse=0", span(0, 2, 1)},
		{"start=k08&end=k05", nil},
		{"start=k05&end=k05", nil},
		{"prefix=none", nil},
		{"metadata.mod=1", span(1, 30, 3)},
		{"metadata.odd=true&prefix=k0&reverse=1", reversed(span(1, 10, 2))},
		{"metadata.none=", nil},
	} {
		for _, limit := range []string{"1", "2", "7", "10000", ""} {
			query, err := url.ParseQuery(tt.query)
			check(t, err)
			if limit != "" {
				query.Set("limit", limit)
			}
			if diff := cmp.Diff(tt.want, w.names(query)); diff != "" {
				t.Errorf("%s, limit %s (-want +got):\n%s", tt.query, limit, diff)
			}
		}
	}
}

func TestListKeysTellsAll(t *testing.T) {
	w := newWorld(t)
	blob, err := w.store.Upload(t.Context(), bytes.NewReader(make([]byte, 100<<10)), 1<<20)
	check(t, err)
	expiration := time.Now().Unix() + 3600
	values := map[string][]byte{"empty": {}, "text": []byte("é<&>"), "bytes": {0xff, 0}, "long": bytes.Repeat([]byte("l"), 64<<10)}
	revisions := map[string]godwit.Revision{}
	for key, v := range values {
		revisions[key] = w.fill(key, v, `{"a":[1,2.50]}`, expiration)
	}
	revisions["blob"] = w.propose(godwit.Mutation{Op: godwit.OpPut, Namespace: w.one.ID, Key: "blob", Value: blob})
	l := w.list(url.Values{"values": {"1"}})
	if len(l.Keys) != 5 {
		t.Fatalf("%d keys", len(l.Keys))
	}
	for _, k := range l.Keys {
		v := values[k.Name]
		size, meta, exp := int64(len(v)), `{"a":[1,2.50]}`, expiration
		if k.Name == "blob" {
			size, meta, exp = 100<<10, "", 0
		}
		if k.Revision != revisions[k.Name].String() || k.Size != size || string(k.Metadata) != meta || k.Expiration != exp {
			t.Errorf("%s: got %+v", k.Name, k)
		}
		if age := time.Now().UnixMilli() - k.Created; age < 0 || age > 60_000 || k.Modified != k.Created {
			t.Errorf("%s: created %d, modified %d", k.Name, k.Created, k.Modified)
		}
		if k.ValueOmitted != (k.Name == "blob") || k.ValueOmitted != (k.Value == nil) || k.Base64 != (k.Name == "bytes") {
			t.Errorf("%s: omitted %v, base64 %v", k.Name, k.ValueOmitted, k.Base64)
		}
		if k.Value != nil && !bytes.Equal(valueOf(t, *k.Value, k.Base64), v) {
			t.Errorf("%s: got another value", k.Name)
		}
	}
	for _, k := range w.list(nil).Keys {
		if k.Value != nil || k.ValueOmitted {
			t.Errorf("%s: a value, unasked", k.Name)
		}
	}
}

func valueOf(t *testing.T, text string, inBase64 bool) []byte {
	t.Helper()
	if !inBase64 {
		return []byte(text)
	}
	b, err := base64.StdEncoding.DecodeString(text)
	check(t, err)
	return b
}

// oddKeys are of every byte that UTF-8 has, and as long as a key may be.
func oddKeys() (keys []string) {
	for c := range rune(0x80) {
		keys = append(keys, "a"+string(c), string(c)+"/b")
	}
	for c := rune(0x80); c <= 0x10ffff; c = c*2 + 1 {
		keys = append(keys, string(c))
	}
	return append(keys, "%2F", "+", "a+b", "..a", strings.Repeat("é", 256), strings.Repeat("%", 512))
}

// TestOddKeys lists, counts and asks for keys that are easily taken for something
// else on the way.
func TestOddKeys(t *testing.T) {
	w := newWorld(t)
	keys := oddKeys()
	for _, k := range keys {
		w.fill(k, []byte(k), "", 0)
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	if diff := cmp.Diff(keys, w.names(url.Values{"limit": {"50"}})); diff != "" {
		t.Fatalf("list (-want +got):\n%s", diff)
	}
	for i, k := range keys {
		if got := w.list(url.Values{"start": {k}, "limit": {"1"}, "values": {"1"}}).Keys[0]; got.Name != k || *got.Value != k {
			t.Errorf("%q: list from it gives %+v", k, got)
		}
		if got := w.list(url.Values{"end": {k}, "limit": {"1"}, "reverse": {"1"}}).Keys; i > 0 && got[0].Name != keys[i-1] {
			t.Errorf("%q: list down from it gives %+v", k, got)
		}
		status, body := w.do("GET", keysURI+"/"+url.PathEscape(k), rootToken, "")
		var d struct{ Name string }
		check(t, json.Unmarshal([]byte(body), &d))
		if status != 200 || d.Name != k {
			t.Errorf("%q: got %d %s", k, status, body)
		}
	}
}

func TestKeyDetails(t *testing.T) {
	w := newWorld(t)
	expiration := time.Now().Unix() + 3600
	r := w.fill("a/b", []byte("value"), `{"b":1}`, expiration)
	w.fill("gone", nil, "", 1)
	uri := "/godwit/v1/namespaces/" + w.one.ID.String() + "/keys/a%2Fb"
	res := w.response("GET", uri, rootToken, "")
	for _, want := range []string{
		`"name":"a/b"`, `"revision":"` + r.String() + `"`, `"size":5`, `"metadata":{"b":1}`, fmt.Sprintf(`"expiration":%d`, expiration), `"created":`, `"modified":`,
	} {
		if !strings.Contains(res.Body.String(), want) {
			t.Errorf("no %s in %s", want, res.Body)
		}
	}
	if strings.Contains(res.Body.String(), "value") || res.Header().Get("CF-Cache-Status") != "HIT" || res.Header().Get("Godwit-Revision") == "" {
		t.Errorf("got %s with %v", res.Body, res.Header())
	}
	if status, _ := w.do("HEAD", uri, rootToken, ""); status != 200 {
		t.Errorf("HEAD: got %d", status)
	}
	for key, code := range map[string]string{"none": "key_not_found", "gone": "key_not_found", "%FF": "invalid_key", "%2E": "invalid_key", strings.Repeat("k", 513): "key_too_long"} {
		if _, body := w.do("GET", keysURI+"/"+key, rootToken, ""); !strings.Contains(body, `"`+code+`"`) {
			t.Errorf("%.10s: got %s, want %s", key, body, code)
		}
	}
}

func TestCountKeys(t *testing.T) {
	w := newWorld(t)
	for i := range 20 {
		w.fill(fmt.Sprintf("k%02d", i), []byte("12345"), fmt.Sprintf(`{"mod":%d}`, i%4), 0)
	}
	for query, want := range map[string]string{
		"":                           `{"keys":7,"bytes":70,"complete":true}`, // the counters of the tests
		"prefix=":                    `{"keys":20,"bytes":340,"complete":true}`,
		"prefix=k1":                  `{"keys":10,"bytes":170,"complete":true}`,
		"start=k05&end=k08":          `{"keys":3,"bytes":51,"complete":true}`,
		"metadata.mod=2&end=k10":     `{"keys":2,"bytes":34,"complete":true}`,
		"prefix=none&cache_ttl=60":   `{"keys":0,"bytes":0,"complete":true}`,
		"prefix=k&start=k9&end=k991": `{"keys":0,"bytes":0,"complete":true}`,
	} {
		if status, body := w.do("GET", "/godwit/v1/namespaces/one/count?"+query, rootToken, ""); status != 200 || body != want {
			t.Errorf("%s: got %d %s, want %s", query, status, body, want)
		}
	}
}

func TestKeysRefused(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("k", 513)
	for _, tt := range []struct {
		path, code string
		status     int
	}{
		{"one/keys?limit=0", "invalid_limit", 400},
		{"one/keys?limit=10001", "invalid_limit", 400},
		{"one/keys?limit=x", "invalid_limit", 400},
		{"one/keys?limit=%2B5", "invalid_limit", 400},
		{"one/keys?limit=-1", "invalid_limit", 400},
		{"one/keys?cursor=x", "invalid_cursor", 400},
		{"one/keys?prefix=" + long, "key_too_long", 414},
		{"one/keys?start=" + long, "key_too_long", 414},
		{"one/keys?end=" + long, "key_too_long", 414},
		{"one/keys?reverse=yes", "invalid_request", 400},
		{"one/keys?values=2", "invalid_request", 400},
		{"one/keys?metadata.=1", "invalid_request", 400},
		{"one/keys?metadata.a=1&metadata.b=2", "invalid_request", 400},
		{"one/keys?metadata.a=1&metadata.a=2", "invalid_request", 400},
		{"one/keys?metadata=1", "invalid_request", 400},
		{"one/keys?metadta.a=1", "invalid_request", 400},
		{"one/keys?prefix=a&prefix=b", "invalid_request", 400},
		{"one/keys?prefix=%zz", "invalid_request", 400},
		{"one/keys?a;b", "invalid_request", 400},
		{"one/keys?cache_ttl=1", "invalid_cache_ttl", 400},
		{"one/count?values=1", "invalid_request", 400},
		{"one/count?cursor=x", "invalid_cursor", 400},
		{"one/keys/k?prefix=a", "invalid_request", 400},
		{"none/keys", "namespace_not_found", 404},
		{"none/keys/k", "namespace_not_found", 404},
		{"none/count", "namespace_not_found", 404},
		{"one/keys/", "not_found", 404},
		{"one/keys/a/b", "not_found", 404},
	} {
		status, body := w.do("GET", "/godwit/v1/namespaces/"+tt.path, rootToken, "")
		if status != tt.status || !strings.Contains(body, `"`+tt.code+`"`) {
			t.Errorf("%.60s: got %d %s, want %d %s", tt.path, status, body, tt.status, tt.code)
		}
	}
}

// TestCountOfWhatIsNotCarried is answered by another node; lists are the reader's.
func TestCountOfWhatIsNotCarried(t *testing.T) {
	w := newWorld(t)
	w.config.PassUncarried = func(rw http.ResponseWriter, _ *http.Request, ns godwit.NamespaceID) (bool, error) {
		switch ns {
		case w.one.ID:
			return false, godwit.ErrNoUpstream
		case w.two.ID:
			_, err := rw.Write([]byte("from elsewhere"))
			return true, err
		}
		return false, nil
	}
	w.handler = native.New(w.config)
	if status, body := w.do("GET", "/godwit/v1/namespaces/two/count", rootToken, ""); status != 200 || body != "from elsewhere" {
		t.Errorf("got %d %s", status, body)
	}
	if status, body := w.do("GET", "/godwit/v1/namespaces/one/count", rootToken, ""); status != 503 {
		t.Errorf("without an upstream: got %d %s", status, body)
	}
	if status, body := w.do("GET", "/godwit/v1/namespaces/two/count?prefix=", rootToken, ""); status != 200 || !strings.Contains(body, `"keys":0`) {
		t.Errorf("a scan: got %d %s", status, body)
	}
}

// TestKeysAreReadAsAsked: what a read may ask of the copy, these do too.
func TestKeysAreReadAsAsked(t *testing.T) {
	w := newWorld(t)
	w.fill("k", nil, "", 0)
	for _, path := range []string{"/keys", "/keys/k", "/count?prefix=k"} {
		for header, want := range map[[2]string]int{
			{"Godwit-Consistency", "strong"}:            200,
			{"Godwit-Consistency", "odd"}:               400,
			{"Godwit-Min-Revision", "1"}:                200,
			{"Godwit-Min-Revision", "x"}:                400,
			{"Godwit-Min-Revision", "9007199254740990"}: 503,
		} {
			ctx := t.Context()
			if want == 503 { // its revision never comes
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, time.Second/4)
				defer cancel()
			}
			r := httptest.NewRequestWithContext(ctx, "GET", "/godwit/v1/namespaces/one"+path, nil)
			r.Header.Set("Authorization", "Bearer "+rootToken)
			r.Header.Set(header[0], header[1])
			res := httptest.NewRecorder()
			w.handler.ServeHTTP(res, r)
			if res.Code != want {
				t.Errorf("%s with %v: got %d %s, want %d", path, header, res.Code, res.Body, want)
			}
		}
	}
}

// FuzzListQuery feeds queries to the decoder of lists: what it takes may be carried
// out.
func FuzzListQuery(f *testing.F) {
	for _, seed := range []string{
		"", "prefix=a&start=b&end=c&limit=10&cursor=x&reverse=1&values=1&metadata.a=b", "limit=1e3", "limit=+5", "metadata.=", "prefix=%00%ff", "a;b", "&&=", "values=1&values=1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		r := &http.Request{URL: &url.URL{RawQuery: raw}}
		q, err := native.ParseList(r)
		if err != nil {
			if godwit.CodeOf(err) == godwit.CodeInternal {
				t.Errorf("%q: %v", raw, err)
			}
			return
		}
		if err := q.Scan.Validate(); err != nil || q.Limit < 0 || q.Limit > q.MaxLimit() || len(q.Prefix) > godwit.MaxKeyBytes {
			t.Errorf("%q gives %+v, %v", raw, q, err)
		}
	})
}

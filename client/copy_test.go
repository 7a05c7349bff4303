package client_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/godwitkv/godwit/client"
)

// TestCopy copies some thousand keys and large values from namespace to namespace.
func TestCopy(t *testing.T) {
	c := serve(t)
	ctx := t.Context()
	kv := namespace(t, c)
	_, err := c.CreateNamespace(ctx, "copies", client.NamespaceOptions{})
	check(t, err)
	copies := c.KV("copies")

	pairs := make([]client.Pair, 2500)
	for i := range pairs {
		pairs[i] = client.Pair{Key: fmt.Sprintf("a/%04d", i), Value: fmt.Append(nil, i)}
	}
	_, err = kv.BulkPut(ctx, pairs)
	check(t, err)
	large := randomBytes(5 << 20)
	for _, key := range []string{"a/large 1", "a/large 2", "b"} {
		_, err = kv.Put(ctx, key, bytes.NewReader(large), client.PutOptions{Metadata: []byte(`{"n":1}`)})
		check(t, err)
	}

	to, told := "c/", []int64{}
	sum, err := kv.Copy(ctx, "copies", client.CopyOptions{
		Prefix: "a/", ToPrefix: &to, Progress: func(c client.Copied) { told = append(told, c.Keys) },
	})
	check(t, err)
	if sum.Keys != 2502 || sum.Present != 0 || len(sum.Failed) != 0 || sum.Revision == "" || len(told) < 3 || told[len(told)-1] != sum.Keys {
		t.Errorf("copied %+v, told %v", sum, told)
	}
	count, err := copies.Count(ctx, client.CountOptions{})
	check(t, err)
	if count.Keys != 2502 {
		t.Errorf("the target has %d keys", count.Keys)
	}
	v, err := copies.Get(ctx, "c/large 2")
	check(t, err)
	details, err := copies.Details(ctx, "c/large 2")
	check(t, err)
	if string(details.Metadata) != `{"n":1}` || !bytes.Equal(read(t, v), large) {
		t.Errorf("a large value is not what it was: %+v", details)
	}
	again, err := kv.Copy(ctx, "copies", client.CopyOptions{Prefix: "a/", ToPrefix: &to, IfAbsent: true})
	check(t, err)
	if again.Keys != 0 || again.Present != 2502 {
		t.Errorf("copied again %+v", again)
	}

	for _, want := range []bool{true, false} {
		did, err := kv.CopyKey(ctx, "b", "copies", "d", true)
		if check(t, err); did != want {
			t.Errorf("copied one key: %t, want %t", did, want)
		}
	}
	_, err = kv.CopyKey(ctx, "none", "copies", "d", false)
	wantError(t, "no such key", err, client.ErrKeyNotFound)
	_, err = kv.Copy(ctx, "nowhere", client.CopyOptions{})
	wantError(t, "no such target", err, client.ErrNamespaceNotFound)
	_, err = c.KV("nowhere").Copy(ctx, "copies", client.CopyOptions{})
	wantError(t, "no such source", err, client.ErrNamespaceNotFound)
	_, err = kv.CopyKey(ctx, "b\xff", "copies", "d", false)
	wantError(t, "a key that is not UTF-8", err, client.ErrInvalid)
	long := strings.Repeat("x", 510)
	sum, err = kv.Copy(ctx, "copies", client.CopyOptions{Prefix: "b", ToPrefix: &long})
	if check(t, err); sum.Keys != 1 || len(sum.Failed) != 0 {
		t.Errorf("a key that just fits: %+v", sum)
	}
	long += "xxx"
	sum, err = kv.Copy(ctx, "copies", client.CopyOptions{Prefix: "b", ToPrefix: &long})
	wantError(t, "a prefix that is too long", err, client.ErrTooLarge)
	if sum.Keys != 0 {
		t.Errorf("and yet: %+v", sum)
	}
}

// TestCopyAgainAfterALostAnswer has a page's answer lost on its way: the client asks
// again under the same request id, and what was written in between stays.
func TestCopyAgainAfterALostAnswer(t *testing.T) {
	n := open(t)
	direct := connect(t, n.APIURL(), rootToken)
	kv := namespace(t, direct)
	_, err := kv.Put(t.Context(), "k", strings.NewReader("copied"), client.PutOptions{})
	check(t, err)
	_, err = direct.CreateNamespace(t.Context(), "copies", client.NamespaceOptions{})
	check(t, err)

	target, err := url.Parse(n.APIURL())
	check(t, err)
	transport := &http.Transport{DisableKeepAlives: true}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: transport}
	var lost atomic.Bool
	proxy.ModifyResponse = func(res *http.Response) error {
		if strings.HasSuffix(res.Request.URL.Path, "/copy") && !lost.Swap(true) {
			_, err := direct.KV("copies").Put(t.Context(), "k", strings.NewReader("later"), client.PutOptions{})
			check(t, err)
			panic(http.ErrAbortHandler)
		}
		return nil
	}
	srv := httptest.NewServer(proxy)
	defer srv.Close()
	c := connect(t, srv.URL, rootToken)
	id, err := direct.NamespaceID(t.Context(), "ns")
	check(t, err)
	sum, err := c.KV(id).Copy(t.Context(), "copies", client.CopyOptions{})
	if check(t, err); sum.Keys != 1 || !lost.Load() {
		t.Errorf("copied %+v, an answer was lost: %t", sum, lost.Load())
	}
	if got := get(t, direct.KV("copies"), "k"); string(got) != "later" {
		t.Errorf("the write after the copy is undone: %q", got)
	}
}

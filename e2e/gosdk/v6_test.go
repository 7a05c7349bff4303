package gosdk_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/cloudflare-go/v6/kv"
	"github.com/cloudflare/cloudflare-go/v6/option"
	"github.com/cloudflare/cloudflare-go/v6/shared"
)

// v6 is a client and the account it works in.
type v6 struct {
	t       *testing.T
	ns      *kv.NamespaceService
	account string
}

func newV6(t *testing.T) v6 {
	t.Helper()
	e := environment(t)
	ns := kv.NewNamespaceService(option.WithBaseURL(e.base+"/"), option.WithAPIToken(e.token))
	return v6{t, ns, e.account}
}

// with sets fields of an SDK's parameters, by name, as its cloudflare.F does.
// That function is in the SDK's root package, which takes minutes to compile.
func with[P any](params P, fields ...any) P {
	p := reflect.ValueOf(&params).Elem()
	for i := 0; i < len(fields); i += 2 {
		field := p.FieldByName(fields[i].(string))
		value := field.FieldByName("Value")
		value.Set(reflect.ValueOf(fields[i+1]).Convert(value.Type()))
		field.FieldByName("Present").SetBool(true)
	}
	return params
}

// in is with, in the client's account.
func in[P any](c v6, params P, fields ...any) P {
	return with(params, append(fields, "AccountID", c.account)...)
}

func (c v6) create(title string) string {
	c.t.Helper()
	ns, err := c.ns.New(wait(c.t), in(c, kv.NamespaceNewParams{}, "Title", title))
	must(c.t, err)
	equal(c.t, "title", ns.Title, title)
	equal(c.t, "supports_url_encoding", ns.SupportsURLEncoding, true)
	return ns.ID
}

// put writes an entry; the SDK leaves the escaping of keys to its caller.
func (c v6) put(id, key, value string, more kv.NamespaceValueUpdateParams) error {
	more = in(c, with(more, "Value", shared.UnionString(value)))
	_, err := c.ns.Values.Update(wait(c.t), id, url.PathEscape(key), more)
	return err
}

func (c v6) get(id, key string) (string, http.Header, error) {
	res, err := c.ns.Values.Get(wait(c.t), id, url.PathEscape(key), in(c, kv.NamespaceValueGetParams{}))
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return string(body), res.Header, err
}

func (c v6) remove(id, key string) error {
	_, err := c.ns.Values.Delete(wait(c.t), id, url.PathEscape(key), in(c, kv.NamespaceValueDeleteParams{}))
	return err
}

// code wants an API error of this status and number.
func (c v6) code(what string, err error, status int, number int64) {
	c.t.Helper()
	var e *kv.Error
	if !errors.As(err, &e) {
		c.t.Errorf("%s: got %v, want an error of the API", what, err)
		return
	}
	if e.StatusCode != status || len(e.Errors) != 1 || e.Errors[0].Code != number {
		c.t.Errorf("%s: got %v, want %d and %d", what, err, status, number)
	}
}

func TestV6Namespaces(t *testing.T) {
	c := newV6(t)
	ctx := wait(t)
	ids := make([]string, 12)
	for i := range ids {
		ids[i] = c.create(fmt.Sprintf("v6 %02d", i))
	}
	pages := c.ns.ListAutoPaging(ctx, in(c, kv.NamespaceListParams{}, "Order", kv.NamespaceListParamsOrderTitle, "Direction", kv.NamespaceListParamsDirectionDesc, "PerPage", 5.0))
	var got []string
	for pages.Next() && len(got) < 1000 {
		if ns := pages.Current(); slices.Contains(ids, ns.ID) {
			got = append(got, ns.ID)
		}
	}
	must(t, pages.Err())
	slices.Reverse(got)
	equal(t, "namespaces", got, ids)

	_, err := c.ns.New(ctx, in(c, kv.NamespaceNewParams{}, "Title", "v6 01"))
	c.code("create twice", err, http.StatusBadRequest, 10014)
	renamed, err := c.ns.Update(ctx, ids[0], in(c, kv.NamespaceUpdateParams{}, "Title", "v6 é"))
	must(t, err)
	equal(t, "renamed", renamed.Title, "v6 é")
	found, err := c.ns.Get(ctx, ids[0], in(c, kv.NamespaceGetParams{}))
	must(t, err)
	equal(t, "found", found.Title, "v6 é")
	for _, id := range ids {
		_, err = c.ns.Delete(ctx, id, in(c, kv.NamespaceDeleteParams{}))
		must(t, err)
	}
	_, err = c.ns.Get(ctx, ids[0], in(c, kv.NamespaceGetParams{}))
	c.code("get what is deleted", err, http.StatusNotFound, 10013)
	_, err = c.ns.Get(ctx, "nonsense", in(c, kv.NamespaceGetParams{}))
	c.code("get nonsense", err, http.StatusBadRequest, 10011)
}

func TestV6Values(t *testing.T) {
	c := newV6(t)
	id := c.create("v6 values")
	for _, key := range oddKeys {
		must(t, c.put(id, key, "value of "+key, kv.NamespaceValueUpdateParams{}))
		got, header, err := c.get(id, key)
		must(t, err)
		equal(t, key, got, "value of "+key)
		equal(t, "type", header.Get("Content-Type"), "application/octet-stream")
	}
	for _, key := range oddKeys {
		must(t, c.remove(id, key))
		_, _, err := c.get(id, key)
		c.code(key, err, http.StatusNotFound, 10009)
	}
	for _, key := range []string{".", ".."} {
		if c.put(id, key, "v", kv.NamespaceValueUpdateParams{}) == nil || c.remove(id, key) == nil {
			t.Errorf("the key %s was accepted", key)
		}
	}
	_, err := c.ns.Get(wait(t), id, in(c, kv.NamespaceGetParams{}))
	must(t, err)
	err = c.put(id, strings.Repeat("k", 513), "v", kv.NamespaceValueUpdateParams{})
	c.code("a key too long", err, http.StatusRequestURITooLong, 10030)
}

func TestV6Expiration(t *testing.T) {
	c := newV6(t)
	id := c.create("v6 expiration")
	must(t, c.put(id, "at", "v", with(kv.NamespaceValueUpdateParams{}, "Expiration", 1999999999.0)))
	_, header, err := c.get(id, "at")
	must(t, err)
	equal(t, "expiration", header.Get("Expiration"), "1999999999")
	before := time.Now().Unix()
	must(t, c.put(id, "both", "v", with(kv.NamespaceValueUpdateParams{}, "Expiration", 1999999999.0, "ExpirationTTL", 120.0)))
	_, header, err = c.get(id, "both")
	must(t, err)
	var at int64
	if _, err := fmt.Sscan(header.Get("Expiration"), &at); err != nil || at < before+120 || at > time.Now().Unix()+121 {
		t.Errorf("expiration: got %q (%v), want 120 s from %d", header.Get("Expiration"), err, before)
	}
	c.code("59 s", c.put(id, "k", "v", with(kv.NamespaceValueUpdateParams{}, "ExpirationTTL", 59.0)), http.StatusBadRequest, 10034)
	c.code("the past", c.put(id, "k", "v", with(kv.NamespaceValueUpdateParams{}, "Expiration", 5.0)), http.StatusBadRequest, 10033)
}

func TestV6Metadata(t *testing.T) {
	c := newV6(t)
	id := c.create("v6 metadata")
	metadata := func() any {
		got, err := c.ns.Metadata.Get(wait(t), id, "k", in(c, kv.NamespaceMetadataGetParams{}))
		must(t, err)
		return *got
	}
	// A string goes as it is, and is read as JSON.
	must(t, c.put(id, "k", "v", with(kv.NamespaceValueUpdateParams{}, "Metadata", `{"a":1,"b":["é"]}`)))
	equal(t, "text", metadata(), map[string]any{"a": 1.0, "b": []any{"é"}})
	// An object goes flattened: its leaves are text.
	must(t, c.put(id, "k", "v", with(kv.NamespaceValueUpdateParams{}, "Metadata", map[string]any{"a": "x", "b": map[string]any{"c": []string{"y", "z"}}})))
	got, _, err := c.get(id, "k")
	must(t, err)
	equal(t, "value", got, "v")
	equal(t, "object", metadata(), map[string]any{"a": "x", "b": map[string]any{"c": []any{"y", "z"}}})
	must(t, c.put(id, "k", "v", kv.NamespaceValueUpdateParams{}))
	equal(t, "none", metadata(), any(nil))
	_, err = c.ns.Metadata.Get(wait(t), id, "absent", in(c, kv.NamespaceMetadataGetParams{}))
	c.code("absent", err, http.StatusNotFound, 10009)
}

func TestV6Keys(t *testing.T) {
	c := newV6(t)
	ctx := wait(t)
	id := c.create("v6 keys")
	want := numbered(1234)
	body := make([]kv.NamespaceBulkUpdateParamsBody, len(want))
	for i, key := range want {
		body[i] = with(kv.NamespaceBulkUpdateParamsBody{}, "Key", key, "Value", "aGk=", "Base64", true, "Metadata", map[string]any{"i": i})
	}
	written, err := c.ns.BulkUpdate(ctx, id, in(c, kv.NamespaceBulkUpdateParams{Body: body}))
	must(t, err)
	equal(t, "written", written.SuccessfulKeyCount, 1234.0)
	for _, limit := range []float64{10, 100, 1000} {
		params := in(c, kv.NamespaceKeyListParams{}, "Limit", limit, "Prefix", "k0")
		if limit > 10 {
			params = with(params, "Prefix", "")
		}
		var names []string
		pages := c.ns.Keys.ListAutoPaging(ctx, id, params)
		for pages.Next() && len(names) < 10_000 {
			equal(t, "metadata", pages.Current().Metadata, map[string]any{"i": float64(len(names))})
			names = append(names, pages.Current().Name)
		}
		must(t, pages.Err())
		if limit > 10 {
			equal(t, "keys", names, want)
		} else {
			equal(t, "keys with a prefix", names, want[:1000])
		}
	}
	_, err = c.ns.Keys.List(ctx, id, in(c, kv.NamespaceKeyListParams{}, "Limit", 9.0))
	c.code("a limit of 9", err, http.StatusBadRequest, 10028)
	_, err = c.ns.Keys.List(ctx, id, in(c, kv.NamespaceKeyListParams{}, "Cursor", "nonsense"))
	c.code("a bad cursor", err, http.StatusBadRequest, 10041)
	gone, err := c.ns.BulkDelete(ctx, id, in(c, kv.NamespaceBulkDeleteParams{Body: want}))
	must(t, err)
	equal(t, "deleted", gone.SuccessfulKeyCount, 1234.0)
}

func TestV6Bulk(t *testing.T) {
	c := newV6(t)
	ctx := wait(t)
	id := c.create("v6 bulk")
	_, err := c.ns.Keys.BulkUpdate(ctx, id, in(c, kv.NamespaceKeyBulkUpdateParams{Body: []kv.NamespaceKeyBulkUpdateParamsBody{
		with(kv.NamespaceKeyBulkUpdateParamsBody{}, "Key", "a", "Value", `{"n":1}`, "Metadata", "m"),
		with(kv.NamespaceKeyBulkUpdateParamsBody{}, "Key", "b", "Value", "text", "ExpirationTTL", 120.0),
	}}))
	must(t, err)
	values := func(raw string) any {
		var v struct{ Values map[string]any }
		must(t, json.Unmarshal([]byte(raw), &v))
		return v.Values
	}
	plain, err := c.ns.BulkGet(ctx, id, in(c, kv.NamespaceBulkGetParams{}, "Keys", []string{"a", "b", "absent"}))
	must(t, err)
	equal(t, "plain", values(plain.JSON.RawJSON()), map[string]any{"a": `{"n":1}`, "b": "text", "absent": nil})
	parsed, err := c.ns.Keys.BulkGet(ctx, id, in(c, kv.NamespaceKeyBulkGetParams{}, "Keys", []string{"a"}, "Type", kv.NamespaceKeyBulkGetParamsTypeJson, "WithMetadata", true))
	must(t, err)
	equal(t, "with metadata", values(parsed.JSON.RawJSON()), map[string]any{"a": map[string]any{"value": map[string]any{"n": 1.0}, "metadata": "m"}})
	_, err = c.ns.BulkGet(ctx, id, in(c, kv.NamespaceBulkGetParams{}, "Keys", numbered(101)))
	c.code("101 keys", err, http.StatusBadRequest, 10029)
	_, err = c.ns.Keys.BulkDelete(ctx, id, in(c, kv.NamespaceKeyBulkDeleteParams{Body: []string{"a", "b", "absent"}}))
	must(t, err)
	_, _, err = c.get(id, "a")
	c.code("what is deleted", err, http.StatusNotFound, 10009)
}

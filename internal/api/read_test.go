package api_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/apitest"
)

func TestReadOptions(t *testing.T) {
	env := apitest.Open(t)
	plain := env.Namespace(t, "plain")
	least := int64(5)
	strong := env.Set(t, env.Namespace(t, "strong"), godwit.Settings{Consistency: "strong", MinCacheTTL: &least})
	for name, tc := range map[string]struct {
		ns   *godwit.Namespace
		read api.Read
		want godwit.ReadOptions
		code godwit.Code
	}{
		"nothing asked":    {plain, api.Read{}, godwit.ReadOptions{MaxStaleness: time.Minute}, 0},
		"cache_ttl":        {plain, api.Read{CacheTTL: "30"}, godwit.ReadOptions{MaxStaleness: 30 * time.Second}, 0},
		"short cache_ttl":  {plain, api.Read{CacheTTL: "29"}, godwit.ReadOptions{}, godwit.CodeInvalidCacheTTL},
		"no number":        {plain, api.Read{CacheTTL: "x"}, godwit.ReadOptions{}, godwit.CodeInvalidCacheTTL},
		"own least":        {strong, api.Read{CacheTTL: "5"}, godwit.ReadOptions{MaxStaleness: 5 * time.Second, Strong: true}, 0},
		"revision":         {plain, api.Read{MinRevision: "12"}, godwit.ReadOptions{MinRevision: 12, MaxStaleness: time.Minute}, 0},
		"bad revision":     {plain, api.Read{MinRevision: "012"}, godwit.ReadOptions{}, godwit.CodeInvalidRequest},
		"strong":           {plain, api.Read{Consistency: "strong"}, godwit.ReadOptions{MaxStaleness: time.Minute, Strong: true}, 0},
		"strong by itself": {strong, api.Read{}, godwit.ReadOptions{MaxStaleness: time.Minute, Strong: true}, 0},
		"not this time":    {strong, api.Read{Consistency: "eventual"}, godwit.ReadOptions{MaxStaleness: time.Minute}, 0},
		"another word":     {plain, api.Read{Consistency: "weak\n"}, godwit.ReadOptions{}, godwit.CodeInvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := env.Service.ReadOptions(tc.ns, tc.read)
			if (err != nil) != (tc.code != 0) || err != nil && godwit.CodeOf(err) != tc.code {
				t.Fatalf("got error %v, want code %d", err, tc.code)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGetValidatesItsKey(t *testing.T) {
	env := apitest.Open(t)
	ns := env.Namespace(t, "site")
	for key, code := range map[string]godwit.Code{
		"": godwit.CodeInvalidKey, ".": godwit.CodeInvalidKey, "\xff": godwit.CodeInvalidKey,
		strings.Repeat("k", 513): godwit.CodeKeyTooLong, "...": godwit.CodeKeyNotFound,
	} {
		_, _, err := env.Service.Get(t.Context(), ns, []byte(key), godwit.ReadOptions{})
		if godwit.CodeOf(err) != code {
			t.Errorf("get %.10q: %v, want code %d", key, err, code)
		}
	}
}

func TestList(t *testing.T) {
	env := apitest.Open(t)
	ns := env.Namespace(t, "site")
	pairs := make([]api.BulkPut, 1200)
	for i := range pairs {
		pairs[i].Key = fmt.Sprintf("k%04d", i)
	}
	if _, err := env.Service.BulkPut(t.Context(), ns, pairs, ""); err != nil {
		t.Fatal(err)
	}
	page, err := env.Service.List(t.Context(), ns, godwit.ListQuery{}, godwit.ReadOptions{})
	if err != nil || len(page.Entries) != godwit.MaxListKeys || !page.More {
		t.Fatalf("list: %d entries, more %v, error %v", len(page.Entries), page.More, err)
	}
	page, err = env.Service.List(t.Context(), ns, godwit.ListQuery{Cursor: page.Cursor, Limit: 300}, godwit.ReadOptions{})
	if err != nil || len(page.Entries) != 200 || page.More {
		t.Errorf("next page: %d entries, more %v, error %v", len(page.Entries), page.More, err)
	}
	page, err = env.Service.List(t.Context(), ns, godwit.ListQuery{Limit: godwit.MaxScanKeys, Scan: &godwit.Scan{}}, godwit.ReadOptions{})
	if err != nil || len(page.Entries) != 1200 || page.More {
		t.Errorf("scan: %d entries, more %v, error %v", len(page.Entries), page.More, err)
	}
	for name, tc := range map[string]struct {
		query godwit.ListQuery
		code  godwit.Code
	}{
		"prefix": {godwit.ListQuery{Prefix: strings.Repeat("p", 513)}, godwit.CodeKeyTooLong},
		"limit":  {godwit.ListQuery{Limit: 1001}, godwit.CodeInvalidLimit},
		"below":  {godwit.ListQuery{Limit: -1}, godwit.CodeInvalidLimit},
		"cursor": {godwit.ListQuery{Cursor: "x"}, godwit.CodeInvalidCursor},
		"scan":   {godwit.ListQuery{Limit: 10_001, Scan: &godwit.Scan{}}, godwit.CodeInvalidLimit},
		"end":    {godwit.ListQuery{Scan: &godwit.Scan{End: strings.Repeat("e", 513)}}, godwit.CodeKeyTooLong},
	} {
		if _, err := env.Service.List(t.Context(), ns, tc.query, godwit.ReadOptions{}); err == nil || godwit.CodeOf(err) != tc.code {
			t.Errorf("%s: %v, want code %d", name, err, tc.code)
		}
	}
}

func TestRequestID(t *testing.T) {
	env := apitest.Open(t)
	first, err := env.Service.RequestID(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := env.Service.RequestID([]byte("x"), nil)
	if err != nil || string(second[1:]) == string(first) || len(first) < 18 {
		t.Errorf("ids %q, %q, error %v", first, second, err)
	}
	given := []byte("a-client's-id")
	if got, err := env.Service.RequestID(nil, given); err != nil || string(got) != string(given) {
		t.Errorf("a given id: %q, %v", got, err)
	}
	for _, bad := range []string{"a b", "a\n", "é", strings.Repeat("a", 129), "\x7f"} {
		got, err := env.Service.RequestID(nil, []byte(bad))
		if godwit.CodeOf(err) != godwit.CodeInvalidRequest || err == nil || string(got) == bad || len(got) == 0 {
			t.Errorf("id %q: %q, %v", bad, got, err)
		}
	}
	buf := make([]byte, 0, 200)
	if n := testing.AllocsPerRun(100, func() { _, _ = env.Service.RequestID(buf, nil) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	env := apitest.Open(t)
	ns := env.Namespace(t, "site")
	put(t, env, ns, "k", "v")
	secret := []byte(env.Token(t, godwit.PermissionRead, ns))
	key, absent, ref := []byte("k"), []byte("absent"), []byte("site")
	ctx := t.Context()
	hit := func() {
		p, err := env.Service.Authenticate(ctx, local, secret)
		if err != nil || p.Root {
			t.Fatal(err)
		}
		if _, err := env.Catalog.Resolve(ctx, ref); err != nil {
			t.Fatal(err)
		}
		opts, err := env.Service.ReadOptions(ns, api.Read{})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := env.Service.Get(ctx, ns, key, opts); err != nil {
			t.Fatal(err)
		}
	}
	hit()
	if n := testing.AllocsPerRun(200, hit); n != 0 {
		t.Errorf("a hit: %v allocations", n)
	}
	// What the store needs to look for an absent key is its own affair.
	_, _, _ = env.Store.Get(ctx, ns.ID, absent, godwit.ReadOptions{})
	store := testing.AllocsPerRun(200, func() { _, _, _ = env.Store.Get(ctx, ns.ID, absent, godwit.ReadOptions{}) })
	service := testing.AllocsPerRun(200, func() {
		if _, _, err := env.Service.Get(ctx, ns, absent, godwit.ReadOptions{}); !errors.Is(err, godwit.ErrKeyNotFound) {
			t.Fatal(err)
		}
	})
	if service > store {
		t.Errorf("a miss: %v allocations, of which %v are the store's", service, store)
	}
}

func BenchmarkServiceGet(b *testing.B) {
	env := apitest.Open(b)
	ns := env.Namespace(b, "site")
	put(b, env, ns, "k", strings.Repeat("v", 288))
	key, ctx := []byte("k"), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := env.Service.Get(ctx, ns, key, godwit.ReadOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkServiceAuthenticate(b *testing.B) {
	env := apitest.Open(b)
	secret := []byte(env.Token(b, godwit.PermissionRead))
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := env.Service.Authenticate(ctx, local, secret); err != nil {
			b.Fatal(err)
		}
	}
}

package gosdk_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/cloudflare/cloudflare-go"
)

// v0 returns a client of cloudflare-go before its v1.
func v0(t *testing.T) (*cloudflare.API, *cloudflare.ResourceContainer) {
	t.Helper()
	e := environment(t)
	api, err := cloudflare.NewWithAPIToken(e.token, cloudflare.BaseURL(e.base), cloudflare.UsingRateLimit(1000))
	must(t, err)
	return api, cloudflare.AccountIdentifier(e.account)
}

func v0Namespace(t *testing.T, title string) string {
	t.Helper()
	api, rc := v0(t)
	made, err := api.CreateWorkersKVNamespace(wait(t), rc, cloudflare.CreateWorkersKVNamespaceParams{Title: title})
	must(t, err)
	equal(t, "title", made.Result.Title, title)
	return made.Result.ID
}

func TestV0Namespaces(t *testing.T) {
	api, rc := v0(t)
	ctx := wait(t)
	ids := map[string]string{}
	for i := range 60 { // more than a page of 50
		title := fmt.Sprintf("v0 %02d", i)
		ids[title] = v0Namespace(t, title)
	}
	all, _, err := api.ListWorkersKVNamespaces(ctx, rc, cloudflare.ListWorkersKVNamespacesParams{})
	must(t, err)
	seen := 0
	for _, ns := range all {
		if ids[ns.Title] == ns.ID {
			seen++
		}
	}
	equal(t, "namespaces listed", seen, len(ids))
	page, info, err := api.ListWorkersKVNamespaces(ctx, rc, cloudflare.ListWorkersKVNamespacesParams{
		ResultInfo: cloudflare.ResultInfo{Page: 2, PerPage: 10},
	})
	must(t, err)
	equal(t, "page", len(page), 10)
	equal(t, "result_info", []int{info.Page, info.PerPage, info.Count, info.Total}, []int{2, 10, 10, len(all)})

	_, err = api.CreateWorkersKVNamespace(ctx, rc, cloudflare.CreateWorkersKVNamespaceParams{Title: "v0 01"})
	refused(t, "create twice", err, "already exists", "10014")
	_, err = api.UpdateWorkersKVNamespace(ctx, rc, cloudflare.UpdateWorkersKVNamespaceParams{NamespaceID: ids["v0 00"], Title: "v0 renamed"})
	must(t, err)
	_, err = api.UpdateWorkersKVNamespace(ctx, rc, cloudflare.UpdateWorkersKVNamespaceParams{NamespaceID: ids["v0 00"], Title: "v0 02"})
	refused(t, "rename to a title in use", err, "10014")
	for _, id := range ids {
		_, err = api.DeleteWorkersKVNamespace(ctx, rc, id)
		must(t, err)
	}
	_, err = api.DeleteWorkersKVNamespace(ctx, rc, ids["v0 00"])
	refused(t, "delete twice", err, "namespace not found", "10013")
}

func TestV0Entries(t *testing.T) {
	api, rc := v0(t)
	ctx := wait(t)
	id := v0Namespace(t, "v0 entries")
	write := func(key string, value []byte) error {
		_, err := api.WriteWorkersKVEntry(ctx, rc, cloudflare.WriteWorkersKVEntryParams{NamespaceID: id, Key: key, Value: value})
		return err
	}
	read := func(key string) ([]byte, error) {
		return api.GetWorkersKV(ctx, rc, cloudflare.GetWorkersKVParams{NamespaceID: id, Key: key})
	}
	remove := func(key string) error {
		_, err := api.DeleteWorkersKVEntry(ctx, rc, cloudflare.DeleteWorkersKVEntryParams{NamespaceID: id, Key: key})
		return err
	}
	for _, key := range oddKeys {
		want := []byte("value \x00\xff of " + key)
		must(t, write(key, want))
		got, err := read(key)
		must(t, err)
		if !bytes.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", key, got, want)
		}
	}
	listed, err := api.ListWorkersKVKeys(ctx, rc, cloudflare.ListWorkersKVsParams{NamespaceID: id})
	must(t, err)
	var names []string
	for _, k := range listed.Result {
		names = append(names, k.Name)
	}
	equal(t, "keys", names, sorted(oddKeys))
	for _, key := range oddKeys {
		must(t, remove(key))
		_, err := read(key)
		refused(t, key, err, "get: 'key not found'", "10009")
	}
	for _, key := range []string{".", ".."} {
		refused(t, "write "+key, write(key, []byte("v")), "")
		refused(t, "delete "+key, remove(key), "")
		_, err := read(key)
		refused(t, "read "+key, err, "")
	}
	refused(t, "a key too long", write(strings.Repeat("k", 513), nil), "513", "10030")
	must(t, write("after", []byte("the namespace is still there")))
}

func TestV0Bulk(t *testing.T) {
	api, rc := v0(t)
	ctx := wait(t)
	id := v0Namespace(t, "v0 bulk")
	keys := numbered(25)
	pairs := make([]*cloudflare.WorkersKVPair, len(keys))
	for i, key := range keys {
		pairs[i] = &cloudflare.WorkersKVPair{Key: key, Value: "aGk=", Base64: true, Expiration: 2000000000, Metadata: map[string]any{"i": i}}
	}
	_, err := api.WriteWorkersKVEntries(ctx, rc, cloudflare.WriteWorkersKVEntriesParams{NamespaceID: id, KVs: pairs})
	must(t, err)
	got, err := api.GetWorkersKV(ctx, rc, cloudflare.GetWorkersKVParams{NamespaceID: id, Key: keys[3]})
	must(t, err)
	equal(t, "value", string(got), "hi")

	var names []string
	cursor := ""
	for range 10 {
		page, err := api.ListWorkersKVKeys(ctx, rc, cloudflare.ListWorkersKVsParams{NamespaceID: id, Limit: 10, Cursor: cursor, Prefix: "k"})
		must(t, err)
		for _, k := range page.Result {
			names = append(names, k.Name)
			equal(t, "expiration", k.Expiration, 2000000000)
			equal(t, "metadata", k.Metadata, map[string]any{"i": float64(len(names) - 1)})
		}
		if cursor = page.ResultInfo.Cursor; cursor == "" {
			break
		}
	}
	equal(t, "keys", names, keys)
	_, err = api.ListWorkersKVKeys(ctx, rc, cloudflare.ListWorkersKVsParams{NamespaceID: id, Limit: 5})
	refused(t, "a limit of 5", err, "10028")
	_, err = api.DeleteWorkersKVEntries(ctx, rc, cloudflare.DeleteWorkersKVEntriesParams{NamespaceID: id, Keys: keys})
	must(t, err)
	left, err := api.ListWorkersKVKeys(ctx, rc, cloudflare.ListWorkersKVsParams{NamespaceID: id, Prefix: "a b"})
	must(t, err)
	equal(t, "keys left", len(left.Result), 0)
}

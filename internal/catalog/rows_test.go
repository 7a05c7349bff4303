package catalog_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

func TestTitleKey(t *testing.T) {
	seen := make(map[string]string)
	for _, title := range []string{
		"", "a", "a/b", strings.Repeat("a", 256), strings.Repeat("a", 257), strings.Repeat("a", 258), strings.Repeat("é", 512),
	} {
		key := catalog.TitleKey(account, title)
		if len(key) > godwit.MaxKeyBytes {
			t.Errorf("title of %d bytes: key of %d bytes", len(title), len(key))
		}
		if other, ok := seen[key]; ok {
			t.Errorf("titles %.10q and %.10q share a key", title, other)
		}
		seen[key] = title
	}
}

// FuzzNamespaceRow checks that no row makes the catalog panic, and that what it
// understands comes out of its own encoding as it was.
func FuzzNamespaceRow(f *testing.F) {
	least, rate := int64(5), 0.5
	for _, ns := range []godwit.Namespace{
		{ID: godwit.NamespaceID{1}, Title: "a"},
		{ID: godwit.NamespaceID{2}, Title: "é\x00", Jurisdiction: "eu", Settings: godwit.Settings{MinCacheTTL: &least, WritesPerKey: &rate}},
	} {
		f.Add(catalog.NamespaceKey(ns.ID), catalog.EncodeNamespace(&ns))
	}
	f.Add("namespace/x", []byte("{"))
	f.Add("namespace/"+account, []byte(`{"id":"00000000000000000000000000000000"}`))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		ns, err := catalog.DecodeNamespace(key, value, 7)
		if err != nil {
			return
		}
		again, err := catalog.DecodeNamespace(catalog.NamespaceKey(ns.ID), catalog.EncodeNamespace(ns), 7)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ns, again); diff != "" {
			t.Errorf("(-first +again):\n%s", diff)
		}
	})
}

// FuzzTokenRow is FuzzNamespaceRow for tokens.
func FuzzTokenRow(f *testing.F) {
	for _, token := range []godwit.Token{
		{ID: account, Permission: godwit.PermissionRead, Hash: [32]byte{1}},
		{ID: account, Name: "ci", Permission: godwit.PermissionAdmin, Namespaces: []godwit.NamespaceID{{1}, {2}}, Created: 5, Expires: 9},
	} {
		f.Add(catalog.TokenKey(&token), catalog.EncodeToken(&token))
	}
	f.Add("token/"+account, []byte(`{"hash":"00"}`))
	f.Add("token/x", []byte("null"))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		token, err := catalog.DecodeToken(key, value)
		if err != nil {
			return
		}
		again, err := catalog.DecodeToken(catalog.TokenKey(token), catalog.EncodeToken(token))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(token, again); diff != "" {
			t.Errorf("(-first +again):\n%s", diff)
		}
	})
}

package catalog_test

import (
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// TestInScope walks what a node may know of that may know of one namespace.
func TestInScope(t *testing.T) {
	ours, theirs := godwit.NamespaceID{1}, godwit.NamespaceID{2}
	token := func(namespaces ...godwit.NamespaceID) (string, []byte) {
		row := &godwit.Token{ID: account, Permission: godwit.PermissionRead, Namespaces: namespaces}
		return catalog.TokenKey(row), catalog.EncodeToken(row)
	}
	put := func(key string, value []byte) godwit.Record {
		return godwit.Record{Mutation: godwit.Mutation{Op: godwit.OpPut, Key: key, Value: godwit.Value{Inline: value}}}
	}
	remove := func(key string) godwit.Record {
		return godwit.Record{Mutation: godwit.Mutation{Op: godwit.OpDelete, Key: key}}
	}
	key, _ := token()
	for name, tc := range map[string]struct {
		record godwit.Record
		want   bool
	}{
		"the account":                 {put("account", []byte(account)), true},
		"the account's row":           {put("account/"+account, nil), true},
		"its namespace":               {put(catalog.NamespaceKey(ours), nil), true},
		"its namespace, deleted":      {remove(catalog.NamespaceKey(ours)), true},
		"another namespace":           {put(catalog.NamespaceKey(theirs), nil), false},
		"another namespace, deleted":  {remove(catalog.NamespaceKey(theirs)), false},
		"no namespace":                {put("namespace/x", nil), false},
		"its keys, cleared":           {put("cleared/"+ours.String()+"/a/b", nil), true},
		"other keys, cleared":         {put("cleared/"+theirs.String()+"/", nil), false},
		"no keys, cleared":            {put("cleared/x/", nil), false},
		"a title":                     {put(catalog.TitleKey(account, "t"), []byte(ours.String())), false},
		"a token for all":             {put(token()), true},
		"a token for its namespace":   {put(token(ours)), true},
		"a token for both":            {put(token(theirs, ours)), true},
		"a token for another":         {put(token(theirs)), false},
		"a token that was revoked":    {remove(key), true},
		"a token that cannot be read": {put(key, []byte("{")), false},
		"a row of a later version":    {put("cell/1", nil), false},
	} {
		if got := catalog.InScope(&tc.record, func(ns godwit.NamespaceID) bool { return ns == ours }); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

package client_test

import (
	"strings"
	"testing"

	"github.com/godwitkv/godwit/client"
)

// TestTextThatIsNotUTF8 is refused where JSON would make another key, prefix or title
// of it, and before anything is done.
func TestTextThatIsNotUTF8(t *testing.T) {
	ctx, c := t.Context(), serve(t)
	kv := namespace(t, c)
	const precious, bad = "\uFFFD", "\xff"
	_, err := kv.Put(ctx, precious, strings.NewReader("precious"), client.PutOptions{})
	check(t, err)
	_, err = c.CreateNamespace(ctx, precious, client.NamespaceOptions{})
	check(t, err)
	for name, call := range map[string]func() error{
		"bulk put": func() error {
			_, err := kv.BulkPut(ctx, []client.Pair{{Key: "other"}, {Key: bad}})
			return err
		},
		"bulk delete": func() error { _, err := kv.BulkDelete(ctx, []string{bad}); return err },
		"bulk get":    func() error { _, err := kv.BulkGet(ctx, []string{bad}); return err },
		"clear":       func() error { _, err := kv.Clear(ctx, bad); return err },
		"restore": func() error {
			_, err := kv.RestorePage(ctx, client.RestoreOptions{At: client.AtRevision("1"), Prefix: bad})
			return err
		},
		"transact":    func() error { _, err := kv.Transact(ctx, client.Transaction{Deletes: []string{bad}}); return err },
		"copy target": func() error { _, err := kv.Copy(ctx, bad, client.CopyOptions{}); return err },
		"create":      func() error { _, err := c.CreateNamespace(ctx, bad+"new", client.NamespaceOptions{}); return err },
		"ensure":      func() error { _, _, err := c.EnsureNamespace(ctx, bad, client.NamespaceOptions{}); return err },
		"rename":      func() error { _, err := c.RenameNamespace(ctx, "ns", bad+"new"); return err },
		"token": func() error {
			_, err := c.CreateToken(ctx, client.TokenSpec{Permission: "write", Namespaces: []string{bad}})
			return err
		},
	} {
		wantError(t, name, call(), client.ErrInvalid)
	}
	if got := get(t, kv, precious); string(got) != "precious" {
		t.Errorf("the key that JSON makes of it holds %q", got)
	}
	_, err = kv.Get(ctx, "other")
	wantError(t, "a pair before", err, client.ErrKeyNotFound)
}

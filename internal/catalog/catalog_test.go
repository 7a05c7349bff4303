package catalog_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

func TestOpenMakesAnAccountOnce(t *testing.T) {
	m := newMemory()
	cfg := catalog.Config{Source: m, Log: m, Now: now}
	first, err := catalog.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Account()) != 32 {
		t.Errorf("account %q", first.Account())
	}
	again, err := catalog.Open(t.Context(), cfg)
	if err != nil || again.Account() != first.Account() {
		t.Errorf("opened again: account %q, want %q; error %v", again.Account(), first.Account(), err)
	}
	cfg.Account = account
	_, err = catalog.Open(t.Context(), cfg)
	if err == nil || !strings.Contains(err.Error(), account) || !strings.Contains(err.Error(), first.Account()) {
		t.Errorf("opened for another account: %v, want an error with both", err)
	}
}

// TestOpenLosesTheRace checks that an account made by another node in between
// is taken.
func TestOpenLosesTheRace(t *testing.T) {
	m := newMemory()
	m.before = func() { open(t, m) }
	c, err := catalog.Open(t.Context(), catalog.Config{Source: m, Log: m, Now: now})
	if err != nil || c.Account() != account {
		t.Errorf("account %q, error %v", c.Account(), err)
	}
}

func TestOpenRefuses(t *testing.T) {
	m := newMemory()
	for _, bad := range []string{"x", account + "0", strings.ToUpper(account), strings.Repeat("g", 32)} {
		if _, err := catalog.Open(t.Context(), catalog.Config{Source: m, Log: m, Account: bad, Now: now}); err == nil {
			t.Errorf("account %q was accepted", bad)
		}
	}
	m.err = godwit.ErrBusy
	_, err := catalog.Open(t.Context(), catalog.Config{Source: m, Log: m, Now: now})
	wantCode(t, "without a log", err, godwit.CodeUnavailable)

	m.err = nil
	open(t, m)
	id := godwit.NamespaceID{1}
	m.entries[catalog.NamespaceKey(id)] = godwit.Record{Mutation: godwit.Mutation{Value: godwit.Value{Inline: []byte("{")}}}
	_, err = catalog.Open(t.Context(), catalog.Config{Source: m, Log: m, Now: now})
	if err == nil || !strings.Contains(err.Error(), id.String()) {
		t.Errorf("a damaged row: %v, want an error that names it", err)
	}
}

// TestReopen checks that what is read from the store equals what the log's
// records came to, also when they are applied to it once more.
func TestReopen(t *testing.T) {
	m := newMemory()
	c := open(t, m)
	a, b := create(t, c, "a"), create(t, c, "b")
	long := create(t, c, strings.Repeat("é", godwit.MaxTitleRunes))
	if _, err := c.RenameNamespace(t.Context(), a.ID, "c", godwit.RequestKey{}); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteNamespace(t.Context(), b.ID, godwit.RequestKey{}); err != nil {
		t.Fatal(err)
	}
	secret, token, err := c.CreateToken(t.Context(), godwit.Token{Name: "ci", Permission: godwit.PermissionWrite, Namespaces: []godwit.NamespaceID{a.ID, long.ID, a.ID}})
	if err != nil {
		t.Fatal(err)
	}
	revoked, gone, err := c.CreateToken(t.Context(), godwit.Token{Permission: godwit.PermissionAdmin})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.RevokeToken(t.Context(), gone.ID); err != nil {
		t.Fatal(err)
	}

	reopened := open(t, m)
	for range 2 {
		if diff := cmp.Diff(c.Namespaces(), reopened.Namespaces()); diff != "" {
			t.Errorf("namespaces (-before +after):\n%s", diff)
		}
		if diff := cmp.Diff(c.Tokens(), reopened.Tokens()); diff != "" {
			t.Errorf("tokens (-before +after):\n%s", diff)
		}
		p, err := reopened.Authenticate(t.Context(), []byte(secret))
		if err != nil || p.Token.ID != token.ID || len(p.Token.Namespaces) != 2 {
			t.Errorf("the token: %+v, %v", p, err)
		}
		_, err = reopened.Authenticate(t.Context(), []byte(revoked))
		wantCode(t, "the revoked token", err, godwit.CodeUnauthenticated)
		for title, want := range map[string]bool{"a": false, "b": false, "c": true, long.Title: true} {
			if _, err := reopened.Resolve(t.Context(), []byte(title)); (err == nil) != want {
				t.Errorf("resolve %.10q: %v", title, err)
			}
		}
		reopened.Apply(m.records)
	}
}

// TestApplyUnknownRows checks that rows of a later version do no harm.
func TestApplyUnknownRows(t *testing.T) {
	m := newMemory()
	c := open(t, m)
	ns := create(t, c, "a")
	row := func(op godwit.Op, key, value string) godwit.Record {
		return godwit.Record{Mutation: godwit.Mutation{Op: op, Key: key, Value: godwit.Value{Inline: []byte(value)}}}
	}
	foreign := row(godwit.OpDelete, catalog.NamespaceKey(ns.ID), "")
	foreign.Namespace = ns.ID
	c.Apply([]godwit.Record{
		row(godwit.OpPut, "cell/1", "{"), row(godwit.OpDelete, "cell/1", ""), row(godwit.OpPut, "", ""),
		row(godwit.OpPut, "namespace/x", "{}"), row(godwit.OpDelete, "namespace/x", ""),
		row(godwit.OpPut, catalog.NamespaceKey(godwit.SystemNamespace), "{}"),
		row(godwit.OpPut, catalog.NamespaceKey(ns.ID), "{"),
		row(godwit.OpPut, "token/x", "{}"), row(godwit.OpDelete, "token/x", ""), row(godwit.OpPut, "token/"+account, `{"hash":"00"}`),
		foreign,
	})
	c.Apply(nil)
	if diff := cmp.Diff([]*godwit.Namespace{ns}, c.Namespaces()); diff != "" || len(c.Tokens()) != 0 {
		t.Errorf("namespaces (-want +got):\n%s\ntokens: %v", diff, c.Tokens())
	}
}

func TestLookUpsDoNotAllocate(t *testing.T) {
	m := newMemory()
	c := open(t, m)
	ns := create(t, c, "my site")
	secret, _, err := c.CreateToken(t.Context(), godwit.Token{Permission: godwit.PermissionRead, Expires: now().Add(time.Hour).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	id, title, ctx := []byte(ns.ID.String()), []byte(ns.Title), t.Context()
	for name, secret := range map[string][]byte{"token": []byte(secret), "root": []byte(rootToken)} {
		if n := testing.AllocsPerRun(100, func() {
			p, err := c.Authenticate(t.Context(), secret)
			if err != nil {
				t.Fatal(err)
			}
			for _, ref := range [][]byte{id, title} {
				ns, err := c.Resolve(ctx, ref)
				if err != nil {
					t.Fatal(err)
				}
				if err := catalog.Authorize(p, godwit.PermissionRead, ns); err != nil {
					t.Fatal(err)
				}
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

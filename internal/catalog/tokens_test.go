package catalog_test

import (
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

func TestCreateToken(t *testing.T) {
	m := newMemory()
	c := open(t, m)
	ns := create(t, c, "a")
	secret, token, err := c.CreateToken(t.Context(), godwit.Token{
		ID: "ignored", Name: "ci", Permission: godwit.PermissionWrite, Namespaces: []godwit.NamespaceID{ns.ID}, Created: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(token.ID) != 32 || token.Created != now().Unix() || token.Name != "ci" {
		t.Errorf("token %+v", token)
	}
	if !strings.HasPrefix(secret, catalog.SecretPrefix) || len(secret) != len(catalog.SecretPrefix)+43 {
		t.Errorf("a secret of %d characters", len(secret))
	}
	p, err := c.Authenticate(t.Context(), []byte(secret))
	if err != nil || p.Root || p.Token.ID != token.ID {
		t.Errorf("authenticate: %+v, %v", p, err)
	}
	for key, r := range m.entries {
		if strings.Contains(string(r.Value.Inline)+key, secret) {
			t.Errorf("the secret is kept in row %s", key)
		}
	}
}

func TestCreateTokenRefuses(t *testing.T) {
	c := open(t, newMemory())
	for name, tc := range map[string]struct {
		spec godwit.Token
		code godwit.Code
	}{
		"no permission":     {godwit.Token{}, godwit.CodeInvalidRequest},
		"a permission":      {godwit.Token{Permission: "root"}, godwit.CodeInvalidRequest},
		"long name":         {godwit.Token{Permission: godwit.PermissionRead, Name: strings.Repeat("n", 257)}, godwit.CodeInvalidRequest},
		"not UTF-8":         {godwit.Token{Permission: godwit.PermissionRead, Name: "\xff"}, godwit.CodeInvalidRequest},
		"expired":           {godwit.Token{Permission: godwit.PermissionRead, Expires: now().Unix()}, godwit.CodeInvalidRequest},
		"below zero":        {godwit.Token{Permission: godwit.PermissionRead, Expires: -1}, godwit.CodeInvalidRequest},
		"too far":           {godwit.Token{Permission: godwit.PermissionRead, Expires: godwit.MaxExpiration + 1}, godwit.CodeInvalidRequest},
		"unknown namespace": {godwit.Token{Permission: godwit.PermissionRead, Namespaces: []godwit.NamespaceID{{1}}}, godwit.CodeNamespaceNotFound},
		"system namespace":  {godwit.Token{Permission: godwit.PermissionRead, Namespaces: []godwit.NamespaceID{{}}}, godwit.CodeNamespaceNotFound},
		"many namespaces":   {godwit.Token{Permission: godwit.PermissionRead, Namespaces: make([]godwit.NamespaceID, 1001)}, godwit.CodeInvalidRequest},
	} {
		secret, token, err := c.CreateToken(t.Context(), tc.spec)
		wantCode(t, name, err, tc.code)
		if secret != "" || token != nil {
			t.Errorf("%s: made %q, %+v", name, secret, token)
		}
	}
	if n := len(c.Tokens()); n != 0 {
		t.Errorf("%d tokens were made", n)
	}
}

// TestCreateTokenForADeletedNamespace checks that a token is not made for a
// namespace that goes while it is being made.
func TestCreateTokenForADeletedNamespace(t *testing.T) {
	m := newMemory()
	c := open(t, m)
	ns := create(t, c, "a")
	m.before = func() {
		if err := c.DeleteNamespace(t.Context(), ns.ID, godwit.RequestKey{}); err != nil {
			t.Errorf("delete in between: %v", err)
		}
	}
	_, _, err := c.CreateToken(t.Context(), godwit.Token{Permission: godwit.PermissionRead, Namespaces: []godwit.NamespaceID{ns.ID}})
	wantCode(t, "create token", err, godwit.CodeNamespaceNotFound)
}

// TestTokenOutlivesItsNamespace checks that a token whose namespace is gone is
// for nothing, rather than for everything.
func TestTokenOutlivesItsNamespace(t *testing.T) {
	c := open(t, newMemory())
	a, b := create(t, c, "a"), create(t, c, "b")
	secret, _, err := c.CreateToken(t.Context(), godwit.Token{Permission: godwit.PermissionAdmin, Namespaces: []godwit.NamespaceID{a.ID}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteNamespace(t.Context(), a.ID, godwit.RequestKey{}); err != nil {
		t.Fatal(err)
	}
	p, err := c.Authenticate(t.Context(), []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, "another namespace", catalog.Authorize(p, godwit.PermissionRead, b), godwit.CodeForbidden)
	wantCode(t, "the account", catalog.Authorize(p, godwit.PermissionAdmin, nil), godwit.CodeForbidden)
}

func TestTokenExpires(t *testing.T) {
	m := newMemory()
	clock := now()
	c, err := catalog.Open(t.Context(), catalog.Config{Source: m, Log: m, RootToken: rootToken, Now: func() time.Time { return clock }})
	if err != nil {
		t.Fatal(err)
	}
	m.catalog = c
	secret, _, err := c.CreateToken(t.Context(), godwit.Token{Permission: godwit.PermissionRead, Expires: now().Unix() + 10})
	if err != nil {
		t.Fatal(err)
	}
	clock = now().Add(10*time.Second - 1)
	_, err = c.Authenticate(t.Context(), []byte(secret))
	wantCode(t, "just before", err, 0)
	clock = now().Add(10 * time.Second)
	_, err = c.Authenticate(t.Context(), []byte(secret))
	wantCode(t, "at its expiry", err, godwit.CodeUnauthenticated)
	if len(c.Tokens()) != 1 {
		t.Error("an expired token is not listed")
	}
}

func TestRevokeToken(t *testing.T) {
	c := open(t, newMemory())
	secret, token, err := c.CreateToken(t.Context(), godwit.Token{Permission: godwit.PermissionRead})
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, "revoke", c.RevokeToken(t.Context(), token.ID), 0)
	_, err = c.Authenticate(t.Context(), []byte(secret))
	wantCode(t, "authenticate", err, godwit.CodeUnauthenticated)
	for _, id := range []string{token.ID, "", "root", strings.Repeat("../", 20), strings.ToUpper(token.ID)} {
		wantCode(t, "revoke "+id, c.RevokeToken(t.Context(), id), godwit.CodeTokenNotFound)
	}
}

func TestTokensAreOldestFirst(t *testing.T) {
	m := newMemory()
	clock := now()
	c, err := catalog.Open(t.Context(), catalog.Config{Source: m, Log: m, Now: func() time.Time { return clock }})
	if err != nil {
		t.Fatal(err)
	}
	m.catalog = c
	for _, name := range []string{"first", "second", "third"} {
		if _, _, err := c.CreateToken(t.Context(), godwit.Token{Name: name, Permission: godwit.PermissionRead}); err != nil {
			t.Fatal(err)
		}
		clock = clock.Add(time.Second)
	}
	for i, want := range []string{"first", "second", "third"} {
		if got := c.Tokens()[i].Name; got != want {
			t.Errorf("token %d is %q, want %q", i, got, want)
		}
	}
}

func TestRootToken(t *testing.T) {
	c := open(t, newMemory())
	p, err := c.Authenticate(t.Context(), []byte(rootToken))
	if err != nil || !p.Root || p.Token.Permission != godwit.PermissionAdmin {
		t.Fatalf("root token: %+v, %v", p, err)
	}
	c.SetRootToken("another")
	_, err = c.Authenticate(t.Context(), []byte(rootToken))
	wantCode(t, "the old root token", err, godwit.CodeUnauthenticated)
	_, err = c.Authenticate(t.Context(), []byte("another"))
	wantCode(t, "the new root token", err, 0)
	c.SetRootToken("")
	for _, secret := range []string{"", "another", rootToken, rootToken + "x"} {
		_, err = c.Authenticate(t.Context(), []byte(secret))
		wantCode(t, "without a root token, "+secret, err, godwit.CodeUnauthenticated)
	}
}

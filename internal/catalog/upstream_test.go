package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// centre is an upstream's catalog, and how often it was asked.
type centre struct {
	tokens map[string]*godwit.Token
	root   string
	err    error
	asked  int
}

func (c *centre) identify(_ context.Context, secret []byte) (*godwit.Token, bool, error) {
	c.asked++
	switch t, ok := c.tokens[string(secret)]; {
	case c.err != nil:
		return nil, false, c.err
	case string(secret) == c.root:
		return &godwit.Token{ID: "root", Permission: godwit.PermissionAdmin}, true, nil
	case ok:
		return t, false, nil
	}
	return nil, false, godwit.ErrUnauthenticated
}

// openFollower opens a catalog whose log is at c.
func openFollower(t *testing.T, m *memory, c *centre, refresh func(context.Context) error) *catalog.Catalog {
	t.Helper()
	got, err := catalog.Open(t.Context(), catalog.Config{
		Source: m, Log: m, Now: now, Follower: true, Identify: c.identify, Refresh: refresh,
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestFollowerMakesNoAccount(t *testing.T) {
	m := newMemory()
	c := openFollower(t, m, new(centre), nil)
	if c.Account() != "" || len(m.records) != 0 {
		t.Errorf("got account %q and %d records", c.Account(), len(m.records))
	}
	upstream := newMemory()
	open(t, upstream)
	c.Apply(upstream.records)
	if c.Account() != account {
		t.Errorf("got account %q once it came", c.Account())
	}
	given, err := catalog.Open(t.Context(), catalog.Config{Source: m, Log: m, Now: now, Follower: true, Account: account})
	if err != nil || given.Account() != account {
		t.Errorf("got %v, %v, want the account of the configuration", given, err)
	}
	const other = "00000000000000000000000000000001"
	_, err = catalog.Open(t.Context(), catalog.Config{Source: upstream, Log: m, Now: now, Follower: true, Account: other})
	if err == nil {
		t.Error("another account than the data's was taken")
	}
}

func TestUnknownTokenIsAskedUpstream(t *testing.T) {
	const id = "0000000000000000000000000000000a"
	up := &centre{root: "the-root", tokens: map[string]*godwit.Token{
		"known":   {ID: id, Permission: godwit.PermissionRead},
		"expired": {ID: "b", Permission: godwit.PermissionRead, Expires: now().Unix()},
	}}
	c := openFollower(t, newMemory(), up, nil)
	for _, tt := range []struct {
		secret string
		root   bool
		code   godwit.Code
	}{
		{"the-root", true, 0},
		{"known", false, 0},
		{"expired", false, godwit.CodeUnauthenticated},
		{"guess", false, godwit.CodeUnauthenticated},
	} {
		p, err := c.Authenticate(t.Context(), []byte(tt.secret))
		wantCode(t, tt.secret, err, tt.code)
		if err == nil && p.Root != tt.root {
			t.Errorf("%s: root is %v", tt.secret, p.Root)
		}
	}
	if up.asked != 4 {
		t.Errorf("asked %d times", up.asked)
	}
	_, err := c.Authenticate(t.Context(), bytes.Repeat([]byte("x"), 5000))
	wantCode(t, "longer than any token", err, godwit.CodeUnauthenticated)
	if up.asked != 4 {
		t.Error("the upstream was asked for what no token can be")
	}
	up.err = godwit.ErrNoUpstream
	_, err = c.Authenticate(t.Context(), []byte("known"))
	wantCode(t, "while the upstream is away", err, godwit.CodeUnavailable)
	up.err = errors.New("another")
	_, err = c.Authenticate(t.Context(), []byte("known"))
	wantCode(t, "when it fails", err, godwit.CodeUnavailable)
}

// TestOldAnswerDoesNotOutliveRevocation: what answers for the upstream may have
// been told before the token was revoked.
func TestOldAnswerDoesNotOutliveRevocation(t *testing.T) {
	source := newMemory()
	secret, token, err := open(t, source).CreateToken(t.Context(), godwit.Token{Permission: godwit.PermissionRead})
	wantCode(t, "create token", err, 0)
	up := &centre{tokens: map[string]*godwit.Token{secret: token}}
	c := openFollower(t, newMemory(), up, nil)
	_, err = c.Authenticate(t.Context(), []byte(secret))
	wantCode(t, "before", err, 0)
	c.Apply([]godwit.Record{{Mutation: godwit.Mutation{Op: godwit.OpDelete, Key: "token/" + token.ID}, Revision: 9}})
	_, err = c.Authenticate(t.Context(), []byte(secret))
	wantCode(t, "after", err, godwit.CodeUnauthenticated)
}

func TestUnknownNamespaceIsWaitedFor(t *testing.T) {
	source := newMemory()
	created := create(t, open(t, source), "birds")
	var c *catalog.Catalog
	refreshed := 0
	c = openFollower(t, newMemory(), new(centre), func(context.Context) error {
		if refreshed++; refreshed == 2 {
			c.Apply(source.records)
		}
		return nil
	})
	_, err := c.Namespace(t.Context(), created.ID)
	wantCode(t, "when it does not come", err, godwit.CodeNamespaceNotFound)
	if ns, err := c.Resolve(t.Context(), []byte("birds")); err != nil || ns.ID != created.ID {
		t.Errorf("got %v, %v", ns, err)
	}
	if _, err := c.Namespace(t.Context(), created.ID); err != nil || refreshed != 2 {
		t.Errorf("a known namespace: %v, %d refreshes", err, refreshed)
	}
	away := openFollower(t, newMemory(), new(centre), func(context.Context) error { return godwit.ErrNoUpstream })
	_, err = away.Namespace(t.Context(), created.ID)
	wantCode(t, "while the upstream is away", err, godwit.CodeUnavailable)
}

// TestTitleThatIsAnothersNow: what is asked for as it is now waits for what upstream has,
// also where the title is known here, and only once where it is known nowhere; an id does
// not.
func TestTitleThatIsAnothersNow(t *testing.T) {
	for name, title := range map[string]string{"a word": "birds", "one that looks like an id": strings.Repeat("0123456789abcdef", 2)} {
		t.Run(name, func(t *testing.T) { testTitleThatIsAnothersNow(t, title) })
	}
}

func testTitleThatIsAnothersNow(t *testing.T, title string) {
	source := newMemory()
	up := open(t, source)
	was := create(t, up, title)
	refreshed := 0
	var c *catalog.Catalog
	c = openFollower(t, newMemory(), new(centre), func(context.Context) error {
		refreshed++
		c.Apply(source.records)
		return nil
	})
	c.Apply(source.records)
	if _, err := up.RenameNamespace(t.Context(), was.ID, "owls", godwit.RequestKey{}); err != nil {
		t.Fatal(err)
	}
	is := create(t, up, title)
	if ns, err := c.Resolve(t.Context(), []byte(title)); err != nil || ns.ID != was.ID {
		t.Errorf("as known here: %v, %v", ns, err)
	}
	if ns, err := c.ResolveNow(t.Context(), []byte(was.ID.String())); err != nil || ns.ID != was.ID || refreshed > 0 {
		t.Errorf("by its id: %v, %v, %d refreshes", ns, err, refreshed)
	}
	if ns, err := c.ResolveNow(t.Context(), []byte(title)); err != nil || ns.ID != is.ID || refreshed != 1 {
		t.Errorf("now: %v, %v, %d refreshes", ns, err, refreshed)
	}
	_, err := c.ResolveNow(t.Context(), []byte("none"))
	if wantCode(t, "none", err, godwit.CodeNamespaceNotFound); refreshed != 2 {
		t.Errorf("one that is known nowhere: %d refreshes", refreshed-1)
	}
	away := openFollower(t, source, new(centre), func(context.Context) error { return godwit.ErrNoUpstream })
	_, err = away.ResolveNow(t.Context(), []byte(title))
	wantCode(t, "while the upstream is away", err, godwit.CodeUnavailable)
	if ns, err := up.ResolveNow(t.Context(), []byte(title)); err != nil || ns.ID != is.ID {
		t.Errorf("where it is decided: %v, %v", ns, err)
	}
	_, err = up.ResolveNow(t.Context(), []byte("none"))
	wantCode(t, "none, where it is decided", err, godwit.CodeNamespaceNotFound)
}

// TestNamespaceAsItIsNow: one that is known here is waited for, too, where it is asked for
// as it is now.
func TestNamespaceAsItIsNow(t *testing.T) {
	source := newMemory()
	up := open(t, source)
	ns := create(t, up, "birds")
	refreshed := 0
	var c *catalog.Catalog
	c = openFollower(t, newMemory(), new(centre), func(context.Context) error {
		refreshed++
		c.Apply(source.records)
		return nil
	})
	c.Apply(source.records)
	if _, err := up.RenameNamespace(t.Context(), ns.ID, "owls", godwit.RequestKey{}); err != nil {
		t.Fatal(err)
	}
	if got, err := c.NamespaceNow(t.Context(), ns.ID); err != nil || got.Title != "owls" || refreshed != 1 {
		t.Errorf("got %v, %v, %d refreshes", got, err, refreshed)
	}
	_, err := c.NamespaceNow(t.Context(), godwit.NamespaceID{1})
	if wantCode(t, "none", err, godwit.CodeNamespaceNotFound); refreshed != 2 {
		t.Errorf("one that is known nowhere: %d refreshes", refreshed-1)
	}
	away := openFollower(t, source, new(centre), func(context.Context) error { return godwit.ErrNoUpstream })
	_, err = away.NamespaceNow(t.Context(), ns.ID)
	wantCode(t, "while the upstream is away", err, godwit.CodeUnavailable)
	if got, err := up.NamespaceNow(t.Context(), ns.ID); err != nil || got.Title != "owls" {
		t.Errorf("where it is decided: %v, %v", got, err)
	}
}

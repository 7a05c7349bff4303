package catalog_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

func TestCreateNamespace(t *testing.T) {
	c := open(t, newMemory())
	ns, err := c.CreateNamespace(t.Context(), "site", "eu", godwit.RequestKey{})
	if err != nil || ns.Title != "site" || ns.Jurisdiction != "eu" || ns.Revision == 0 || ns.ID == godwit.SystemNamespace {
		t.Fatalf("created %+v, %v", ns, err)
	}
	for _, ref := range []string{"site", ns.ID.String()} {
		if got, err := c.Resolve(t.Context(), []byte(ref)); err != nil || got != ns {
			t.Errorf("resolve %q: %+v, %v", ref, got, err)
		}
	}
	for _, ref := range []string{"", "Site", strings.ToUpper(ns.ID.String()), ns.ID.String()[1:], godwit.SystemNamespace.String()} {
		_, err := c.Resolve(t.Context(), []byte(ref))
		wantCode(t, "resolve "+ref, err, godwit.CodeNamespaceNotFound)
	}
	for name, tc := range map[string]struct {
		title, jurisdiction string
		code                godwit.Code
	}{
		"taken":          {"site", "", godwit.CodeNamespaceExists},
		"no title":       {"", "", godwit.CodeMissingTitle},
		"long":           {strings.Repeat("é", 513), "", godwit.CodeInvalidRequest},
		"jurisdiction":   {"x", "mars", godwit.CodeInvalidRequest},
		"another case":   {"SITE", "", 0},
		"longest":        {strings.Repeat("é", 512), "", 0},
		"as long":        {strings.Repeat("e", 512), "", 0},
		"taken and long": {strings.Repeat("e", 511) + "f", "", 0},
	} {
		_, err := c.CreateNamespace(t.Context(), tc.title, tc.jurisdiction, godwit.RequestKey{})
		wantCode(t, name, err, tc.code)
	}
	_, err = c.CreateNamespace(t.Context(), strings.Repeat("é", 512), "", godwit.RequestKey{})
	wantCode(t, "a long title again", err, godwit.CodeNamespaceExists)
	if want := "create namespace: 'a namespace with this account ID and title already exists'"; godwit.MessageOf(err) != want {
		t.Errorf("message %q, want %q", godwit.MessageOf(err), want)
	}
}

func TestCreateNamespaceAgain(t *testing.T) {
	c := open(t, newMemory())
	key := godwit.RequestKey{1}
	first, err := c.CreateNamespace(t.Context(), "site", "", key)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.CreateNamespace(t.Context(), "site", "", key)
	if err != nil || again != first || len(c.Namespaces()) != 1 {
		t.Errorf("the same request again: %+v, %v, %d namespaces", again, err, len(c.Namespaces()))
	}
}

// TestEnsureNamespace has many want one namespace at once: one of them makes it, and
// all get it.
func TestEnsureNamespace(t *testing.T) {
	m := newMemory()
	c := open(t, m)
	made := make(chan godwit.NamespaceID, 64)
	got := make(chan godwit.NamespaceID, 64)
	var asking sync.WaitGroup
	for range 32 {
		asking.Go(func() {
			ns, created, err := c.EnsureNamespace(t.Context(), "site", "eu", godwit.RequestKey{})
			if err != nil {
				t.Errorf("ensure: %v", err)
				return
			}
			got <- ns.ID
			if created {
				made <- ns.ID
			}
		})
	}
	asking.Wait()
	if len(made) != 1 || len(got) != 32 || len(c.Namespaces()) != 1 {
		t.Fatalf("%d of %d made it; there are %d", len(made), len(got), len(c.Namespaces()))
	}
	id := <-made
	for range 32 {
		if other := <-got; other != id {
			t.Errorf("got %s and %s", id, other)
		}
	}
}

func TestEnsureNamespaceThatExists(t *testing.T) {
	m := newMemory()
	c := open(t, m)
	eu, err := c.CreateNamespace(t.Context(), "site", "eu", godwit.RequestKey{})
	if err != nil {
		t.Fatal(err)
	}
	for jurisdiction, code := range map[string]godwit.Code{"": 0, "eu": 0, "us": godwit.CodeNamespaceExists, "mars": godwit.CodeInvalidRequest} {
		ns, created, err := c.EnsureNamespace(t.Context(), "site", jurisdiction, godwit.RequestKey{})
		wantCode(t, "with "+jurisdiction, err, code)
		if code == 0 && (ns != eu || created) {
			t.Errorf("with %q: got %+v, created %t", jurisdiction, ns, created)
		}
	}
	_, _, err = c.EnsureNamespace(t.Context(), "", "", godwit.RequestKey{})
	wantCode(t, "no title", err, godwit.CodeMissingTitle)

	key := godwit.RequestKey{1}
	for range 2 { // sent again: the answer is that of the first time
		ns, created, err := c.EnsureNamespace(t.Context(), "other", "", key)
		if err != nil || !created || ns.Title != "other" {
			t.Errorf("got %+v, created %t, %v", ns, created, err)
		}
	}
	for range godwit.MaxNamespaces - len(c.Namespaces()) {
		create(t, c, fmt.Sprint(len(c.Namespaces())))
	}
	_, _, err = c.EnsureNamespace(t.Context(), "one too many", "", godwit.RequestKey{})
	wantCode(t, "one too many", err, godwit.CodeTooManyNamespaces)
	if ns, created, err := c.EnsureNamespace(t.Context(), "site", "", godwit.RequestKey{}); err != nil || created || ns.ID != eu.ID {
		t.Errorf("at the limit: %+v, created %t, %v", ns, created, err)
	}
}

// TestEnsureNamespaceOnceMore deletes the namespace between the log's decision that
// it exists and the look at it.
func TestEnsureNamespaceOnceMore(t *testing.T) {
	m := newMemory()
	c := open(t, m)
	first := create(t, c, "site")
	m.after = func() {
		if err := c.DeleteNamespace(t.Context(), first.ID, godwit.RequestKey{}); err != nil {
			t.Error(err)
		}
	}
	ns, created, err := c.EnsureNamespace(t.Context(), "site", "", godwit.RequestKey{})
	if err != nil || !created || ns.ID == first.ID {
		t.Errorf("got %+v, created %t, %v", ns, created, err)
	}
}

func TestTooManyNamespaces(t *testing.T) {
	c := open(t, newMemory())
	var creating sync.WaitGroup
	for worker := range 4 { // concurrent creations must not pass the limit together
		creating.Go(func() {
			for i := range godwit.MaxNamespaces/4 + 5 {
				_, err := c.CreateNamespace(t.Context(), fmt.Sprintf("%d/%d", worker, i), "", godwit.RequestKey{})
				if err != nil {
					wantCode(t, "create", err, godwit.CodeTooManyNamespaces)
				}
			}
		})
	}
	creating.Wait()
	if n := len(c.Namespaces()); n != godwit.MaxNamespaces {
		t.Fatalf("%d namespaces", n)
	}
	_, err := c.CreateNamespace(t.Context(), c.Namespaces()[0].Title, "", godwit.RequestKey{})
	wantCode(t, "a title that is taken", err, godwit.CodeNamespaceExists)
	if err := c.DeleteNamespace(t.Context(), c.Namespaces()[0].ID, godwit.RequestKey{}); err != nil {
		t.Fatal(err)
	}
	create(t, c, "room for one")
}

func TestRenameNamespace(t *testing.T) {
	c := open(t, newMemory())
	a, b := create(t, c, "a"), create(t, c, "b")
	renamed, err := c.RenameNamespace(t.Context(), a.ID, "c", godwit.RequestKey{})
	if err != nil || renamed.Title != "c" || renamed.ID != a.ID || a.Title != "a" {
		t.Fatalf("renamed %+v, %v; the old one is %+v", renamed, err, a)
	}
	_, err = c.Resolve(t.Context(), []byte("a"))
	wantCode(t, "the old title", err, godwit.CodeNamespaceNotFound)
	for name, tc := range map[string]struct {
		id    godwit.NamespaceID
		title string
		code  godwit.Code
	}{
		"taken":    {b.ID, "c", godwit.CodeNamespaceExists},
		"its own":  {b.ID, "b", 0},
		"no title": {b.ID, "", godwit.CodeMissingTitle},
		"unknown":  {godwit.NamespaceID{1}, "x", godwit.CodeNamespaceNotFound},
		"free now": {b.ID, "a", 0},
		"and back": {b.ID, "b", 0},
	} {
		_, err := c.RenameNamespace(t.Context(), tc.id, tc.title, godwit.RequestKey{})
		wantCode(t, name, err, tc.code)
	}
	create(t, c, "d")
}

// to is a change of settings to these, whatever they were.
func to(s godwit.Settings) func(godwit.Settings) (godwit.Settings, error) {
	return func(godwit.Settings) (godwit.Settings, error) { return s, nil }
}

func TestSetNamespace(t *testing.T) {
	c := open(t, newMemory())
	ns := create(t, c, "a")
	ttl, zero := int64(5), int64(0)
	want := godwit.Settings{MinExpirationTTL: &ttl, Consistency: "strong"}
	set, err := c.SetNamespace(t.Context(), ns.ID, to(want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, set.Settings); diff != "" || set.Revision <= ns.Revision {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if set, err = c.RenameNamespace(t.Context(), ns.ID, "b", godwit.RequestKey{}); err != nil || set.Settings.Consistency != "strong" {
		t.Errorf("renamed: %+v, %v", set, err)
	}
	_, err = c.SetNamespace(t.Context(), ns.ID, to(godwit.Settings{MinExpirationTTL: &zero}))
	wantCode(t, "a bad setting", err, godwit.CodeInvalidRequest)
	_, err = c.SetNamespace(t.Context(), godwit.NamespaceID{1}, to(want))
	wantCode(t, "unknown", err, godwit.CodeNamespaceNotFound)
}

func TestDeleteNamespace(t *testing.T) {
	c := open(t, newMemory())
	ns := create(t, c, "a")
	wantCode(t, "delete what has another title", c.DeleteTitled(t.Context(), ns.ID, "b", godwit.RequestKey{}), godwit.CodePreconditionFailed)
	wantCode(t, "look up", func() error { _, err := c.Namespace(t.Context(), ns.ID); return err }(), 0)
	wantCode(t, "delete", c.DeleteTitled(t.Context(), ns.ID, "a", godwit.RequestKey{}), 0)
	wantCode(t, "again", c.DeleteNamespace(t.Context(), ns.ID, godwit.RequestKey{}), godwit.CodeNamespaceNotFound)
	_, err := c.Namespace(t.Context(), ns.ID)
	wantCode(t, "look up", err, godwit.CodeNamespaceNotFound)
	again := create(t, c, "a")
	if again.ID == ns.ID {
		t.Error("the id was given twice")
	}
	wantCode(t, "delete whatever its title", c.DeleteNamespace(t.Context(), again.ID, godwit.RequestKey{}), 0)
}

// TestDeleteWhatIsRenamedMeanwhile holds that the title is that of the moment in which it
// is decided.
func TestDeleteWhatIsRenamedMeanwhile(t *testing.T) {
	m := newMemory()
	c := open(t, m)
	ns := create(t, c, "old")
	m.before = func() {
		if _, err := c.RenameNamespace(t.Context(), ns.ID, "live", godwit.RequestKey{}); err != nil {
			t.Errorf("rename in between: %v", err)
		}
	}
	wantCode(t, "delete", c.DeleteTitled(t.Context(), ns.ID, "old", godwit.RequestKey{}), godwit.CodePreconditionFailed)
	if ns, err := c.Namespace(t.Context(), ns.ID); err != nil || ns.Title != "live" {
		t.Errorf("got %v, %v", ns, err)
	}
}

// TestConcurrentChange checks that a change is made again on top of one that
// came in between, and never over it.
func TestConcurrentChange(t *testing.T) {
	m := newMemory()
	c := open(t, m)
	ns := create(t, c, "a")
	rename := func(title string) func() {
		return func() {
			if _, err := c.RenameNamespace(t.Context(), ns.ID, title, godwit.RequestKey{}); err != nil {
				t.Errorf("rename in between: %v", err)
			}
		}
	}

	m.before = rename("b")
	set, err := c.SetNamespace(t.Context(), ns.ID, to(godwit.Settings{Consistency: "strong"}))
	if err != nil || set.Title != "b" || set.Settings.Consistency != "strong" {
		t.Errorf("set over a rename: %+v, %v", set, err)
	}

	m.before = func() {
		if _, err := c.SetNamespace(t.Context(), ns.ID, func(s godwit.Settings) (godwit.Settings, error) {
			s.History = "24h"
			return s, nil
		}); err != nil {
			t.Errorf("set in between: %v", err)
		}
	}
	ttl := int64(5)
	set, err = c.SetNamespace(t.Context(), ns.ID, func(s godwit.Settings) (godwit.Settings, error) {
		s.MinExpirationTTL = &ttl
		return s, nil
	})
	if want := (godwit.Settings{Consistency: "strong", History: "24h", MinExpirationTTL: &ttl}); err != nil || !cmp.Equal(set.Settings, want) {
		t.Errorf("set over another's change: %+v, %v", set.Settings, err)
	}

	m.before = rename("c")
	if got, err := c.RenameNamespace(t.Context(), ns.ID, "d", godwit.RequestKey{}); err != nil || got.Title != "d" || got.Settings.Consistency != "strong" {
		t.Errorf("rename over a rename: %+v, %v", got, err)
	}
	for _, free := range []string{"a", "b", "c"} {
		create(t, c, free)
	}

	m.before = func() { create(t, c, "e") }
	_, err = c.RenameNamespace(t.Context(), ns.ID, "e", godwit.RequestKey{})
	wantCode(t, "rename to a title just taken", err, godwit.CodeNamespaceExists)

	m.before = rename("f")
	wantCode(t, "delete over a rename", c.DeleteNamespace(t.Context(), ns.ID, godwit.RequestKey{}), 0)
	create(t, c, "f")
}

// TestEndlessChange checks that a change gives up, and says so, when what the
// index says and what the log holds never agree.
func TestEndlessChange(t *testing.T) {
	m := newMemory()
	c := open(t, m)
	ns := create(t, c, "a")
	r := m.entries[catalog.NamespaceKey(ns.ID)]
	r.Revision++
	m.entries[catalog.NamespaceKey(ns.ID)] = r
	wantCode(t, "delete", c.DeleteNamespace(t.Context(), ns.ID, godwit.RequestKey{}), godwit.CodeUnavailable)
}

func TestLogRefuses(t *testing.T) {
	m := newMemory()
	c := open(t, m)
	ns := create(t, c, "a")
	secret, token, err := c.CreateToken(t.Context(), godwit.Token{Permission: godwit.PermissionRead})
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []godwit.Code{godwit.CodeUnavailable, godwit.CodeDiskFull, godwit.CodeOutcomeUnknown} {
		m.err = &godwit.Error{Code: code}
		_, err := c.CreateNamespace(t.Context(), "b", "", godwit.RequestKey{})
		wantCode(t, "create", err, code)
		_, err = c.RenameNamespace(t.Context(), ns.ID, "b", godwit.RequestKey{})
		wantCode(t, "rename", err, code)
		wantCode(t, "delete", c.DeleteNamespace(t.Context(), ns.ID, godwit.RequestKey{}), code)
		_, _, err = c.CreateToken(t.Context(), godwit.Token{Permission: godwit.PermissionRead})
		wantCode(t, "create token", err, code)
		wantCode(t, "revoke token", c.RevokeToken(t.Context(), token.ID), code)
	}
	if _, err := c.Authenticate(t.Context(), []byte(secret)); err != nil || len(c.Namespaces()) != 1 || len(c.Tokens()) != 1 {
		t.Errorf("afterwards: %v, %d namespaces, %d tokens", err, len(c.Namespaces()), len(c.Tokens()))
	}
}

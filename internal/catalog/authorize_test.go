package catalog_test

import (
	"errors"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// TestAuthorize walks every permission held, every one needed, and every scope.
func TestAuthorize(t *testing.T) {
	const read, write, replicate, admin = godwit.PermissionRead, godwit.PermissionWrite, godwit.PermissionReplicate, godwit.PermissionAdmin
	a, b := &godwit.Namespace{ID: godwit.NamespaceID{1}}, &godwit.Namespace{ID: godwit.NamespaceID{2}}
	includes := map[godwit.Permission][]godwit.Permission{
		read:      {read},
		write:     {read, write},
		replicate: {read, replicate},
		admin:     {read, write, replicate, admin},
	}
	for _, held := range godwit.Permissions() {
		all := &catalog.Principal{Token: &godwit.Token{Permission: held}}
		onlyA := &catalog.Principal{Token: &godwit.Token{Permission: held, Namespaces: []godwit.NamespaceID{a.ID}}}
		for _, need := range godwit.Permissions() {
			may := false
			for _, p := range includes[held] {
				may = may || p == need
			}
			for _, tc := range []struct {
				name string
				who  *catalog.Principal
				ns   *godwit.Namespace
				want bool
			}{
				{"for all, a namespace", all, a, may},
				{"for all, the account", all, nil, may},
				{"limited, its namespace", onlyA, a, may},
				{"limited, another", onlyA, b, false},
				{"limited, the account", onlyA, nil, may && need == read},
				{"root, a namespace", &catalog.Principal{Token: &godwit.Token{}, Root: true}, a, true},
				{"root, the account", &catalog.Principal{Token: &godwit.Token{}, Root: true}, nil, true},
				{"nobody", nil, a, false},
				{"no token", new(catalog.Principal), a, false},
			} {
				err := catalog.Authorize(tc.who, need, tc.ns)
				if (err == nil) != tc.want || err != nil && !errors.Is(err, godwit.ErrForbidden) {
					t.Errorf("holding %s, needing %s, %s: %v, want it allowed: %v", held, need, tc.name, err, tc.want)
				}
			}
		}
	}
}

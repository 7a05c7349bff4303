package dashboard_test

import (
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/dashboard"
)

// TestJobsOfALimitedToken: two exports of four at most are of one token that is limited
// to namespaces.
func TestJobsOfALimitedToken(t *testing.T) {
	of := func(id string, namespaces ...godwit.NamespaceID) *catalog.Principal {
		return &catalog.Principal{Token: &godwit.Token{ID: id, Permission: godwit.PermissionRead, Namespaces: namespaces}}
	}
	limited, all := of("limited", godwit.NamespaceID{1}), of("all")
	jobs := dashboard.NewJobs()
	first, second := jobs.Begin(limited), jobs.Begin(limited)
	if first == nil || second == nil || jobs.Begin(limited) != nil {
		t.Error("it does not have two")
	}
	third := jobs.Begin(all)
	if third == nil || jobs.Begin(of("other", godwit.NamespaceID{1})) == nil || jobs.Begin(all) != nil {
		t.Error("others do not have the rest")
	}
	first()
	third()
	if jobs.Begin(limited) == nil || jobs.Begin(all) == nil {
		t.Error("what has ended still counts")
	}
}

package dashboard_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	service "github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/apitest"
	"github.com/godwitkv/godwit/internal/dashboard"
)

// desert is a reader of keys of which those that begin with m have expired. A list looks
// at ten of them.
type desert struct {
	godwit.Reader
	keys []string
}

// List implements godwit.Reader.
func (d *desert) List(_ context.Context, _ godwit.NamespaceID, q godwit.ListQuery, _ godwit.ReadOptions) (*godwit.Page, error) {
	keys := slices.DeleteFunc(slices.Clone(d.keys), func(k string) bool {
		return !strings.HasPrefix(k, q.Prefix) || k < q.Scan.Start || q.Scan.End != "" && k >= q.Scan.End
	})
	past := func(k string) bool { return k <= q.Cursor }
	if q.Scan.Reverse {
		slices.Reverse(keys)
		past = func(k string) bool { return k >= q.Cursor }
	}
	if q.Cursor != "" {
		keys = slices.DeleteFunc(keys, past)
	}
	page := new(godwit.Page)
	for i, k := range keys {
		if i == 10 || len(page.Entries) == q.Limit {
			page.More = true
			break
		}
		page.Cursor = k
		if !strings.HasPrefix(k, "m") {
			page.Entries = append(page.Entries, godwit.Entry{Key: k})
		}
	}
	return page, nil
}

// TestKeysBehindManyThatHaveExpired goes through all pages of a namespace in which many
// keys have expired, and back again, by what the pages link to.
func TestKeysBehindManyThatHaveExpired(t *testing.T) {
	all := new(desert)
	var live []string
	add := func(letter string, n int) {
		for i := range n {
			all.keys = append(all.keys, fmt.Sprintf("%s%03d", letter, i))
			if letter != "m" {
				live = append(live, fmt.Sprintf("%s%03d", letter, i))
			}
		}
	}
	add("a", 60)
	add("m", 300)
	add("z", 120)
	env := apitest.Open(t, apitest.WithService(func(c *service.Config) {
		all.Reader, c.Reader = c.Reader, all
	}))
	d := dashboard.New(dashboard.Config{Service: env.Service, Now: time.Now})
	ns := env.Namespace(t, "birds")

	walk := func(from url.Values, link func(dashboard.FoundKeys) url.Values) (keys []string) {
		t.Helper()
		for pages := 0; from != nil; pages++ {
			if pages == 30 {
				t.Fatal("the pages do not end")
			}
			page := d.FindKeys(t, ns, from)
			keys = append(keys, page.Keys...)
			from = link(page)
		}
		return keys
	}
	down := walk(url.Values{"x": {"1"}}, func(p dashboard.FoundKeys) url.Values { return p.Next })
	if diff := cmp.Diff(live, down); diff != "" {
		t.Errorf("downwards (-want +got):\n%s", diff)
	}
	up := walk(url.Values{"before": {"z070"}}, func(p dashboard.FoundKeys) url.Values { return p.Prev })
	slices.Sort(up)
	if diff := cmp.Diff(live[:130], slices.Compact(up)); diff != "" {
		t.Errorf("upwards (-want +got):\n%s", diff)
	}
	for _, at := range []url.Values{{"from": {"m000"}}, {"before": {"m290"}}, {"from": {"a055"}}} {
		page := d.FindKeys(t, ns, at)
		if !page.Cut || page.Next == nil || page.Prev == nil {
			t.Errorf("%v: %+v", at, page)
		}
	}
}

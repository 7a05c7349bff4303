package dashboard

import (
	"fmt"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/analytics"
	"github.com/godwitkv/godwit/internal/catalog"
)

// requestsPage is what the page of slow and failing requests shows.
type requestsPage struct {
	Which        string // "", "slow" or "failed"
	Slow, Failed int    // how many there are of each
	Rows         []requestRow
	After        string // how long a slow one takes
	Most         int    // of each that are kept
}

// requestRow is a request in the list.
type requestRow struct {
	analytics.Notable
	When  moment
	Title string // of the namespace; "": it is about none, or that is gone
	NS    string // its id
}

// Duration is how long it took, in words.
func (r requestRow) Duration() string {
	switch d := r.Took; {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	default:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
}

// Slow tells that it took long, whatever became of it.
func (r requestRow) Slow() bool { return r.Took >= analytics.SlowAfter }

// requests shows the latest requests that were slow or failed. It is for who
// administers the node: it tells of all namespaces.
func (d *Dashboard) requests(c *call) error {
	if err := catalog.Authorize(c.principal, godwit.PermissionAdmin, nil); err != nil {
		return err
	}
	page := requestsPage{Which: c.query.Get("show"), After: fmt.Sprintf("%d ms", analytics.SlowAfter.Milliseconds()), Most: analytics.MaxNotable}
	now := d.cfg.Now()
	for _, one := range d.cfg.Service.Notables() {
		row := requestRow{Notable: one, When: momentOf(one.At, now)}
		failed, slow := row.Failed(), row.Slow()
		if failed {
			page.Failed++
		}
		if slow {
			page.Slow++
		}
		if page.Which == "slow" && !slow || page.Which == "failed" && !failed {
			continue
		}
		if one.Namespace != (godwit.NamespaceID{}) {
			row.NS = one.Namespace.String()
			if ns := d.cfg.Service.Catalog().KnownNamespace(one.Namespace); ns != nil {
				row.Title = ns.Title
			}
		}
		page.Rows = append(page.Rows, row)
	}
	d.show(c, "requests", view{Title: "Slow and failing requests", Section: "requests", Body: page})
	return nil
}

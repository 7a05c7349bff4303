package cloudflare

import (
	"net/url"

	"github.com/godwitkv/godwit"
)

const accountsPerPage = 20

// page is a part of a list that is asked for by number.
type page struct {
	number  int64 // from 1
	perPage int64
}

// parsePage reads page and per_page. Errors: Cloudflare's 10007 and 10008.
func parsePage(q url.Values, perPage int64) (page, error) {
	p := page{number: 1, perPage: perPage}
	var ok bool
	if raw := q.Get("page"); raw != "" {
		if p.number, ok = positive(raw); !ok {
			return p, badRequest(codeMalformedPage, "malformed page argument: use an integer from 1 on")
		}
	}
	if raw := q.Get("per_page"); raw != "" {
		if p.perPage, ok = positive(raw); !ok || p.perPage > godwit.MaxNamespacesPage {
			return p, badRequest(codeMalformedPer, "malformed per_page argument: use an integer from 1 to %d", godwit.MaxNamespacesPage)
		}
	}
	return p, nil
}

// positive reads a decimal integer from 1 on. One that no list is long enough
// for is as good as any other.
func positive(raw string) (int64, bool) {
	n, ok := godwit.ParseInteger(raw)
	return n, ok && n >= 1
}

// cut returns the page's part of all, and its result_info. A page past the end
// is empty: that is how clients know that they have seen all.
func cut[T any](all []T, p page) ([]T, pageInfo) {
	total := int64(len(all))
	from := total
	if p.number-1 <= total/p.perPage {
		from = min((p.number-1)*p.perPage, total)
	}
	part := all[from:min(from+p.perPage, total)]
	return part, pageInfo{
		Page:       int(p.number),
		PerPage:    int(p.perPage),
		Count:      len(part),
		TotalCount: len(all),
		TotalPages: int((total + p.perPage - 1) / p.perPage),
	}
}

// replyPage answers with the page of all that the query asks for.
func replyPage[T any](c *call, all []T, perPage int64) error {
	q, err := c.query()
	if err != nil {
		return err
	}
	p, err := parsePage(q, perPage)
	if err != nil {
		return err
	}
	part, info := cut(all, p)
	return c.reply(part, info)
}

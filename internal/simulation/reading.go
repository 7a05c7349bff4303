package simulation

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/godwitkv/godwit"
)

// demand is what a read asks of the copy that it is answered from.
type demand struct {
	min    godwit.Revision
	strong bool
	stale  time.Duration // cache_ttl
}

// demand chooses one, and puts it into a request.
func (c *caller) demand(q *request) demand {
	d := demand{stale: godwit.DefaultCacheTTL}
	q.header, q.query = map[string]string{}, url.Values{}
	switch c.rng.IntN(10) {
	case 0, 1:
		if d.min = c.token; d.min != 0 {
			q.header["Godwit-Min-Revision"] = d.min.String()
		}
	case 2:
		d.strong = true
		q.header["Godwit-Consistency"] = "strong"
	case 3, 4, 5:
		if q.method == http.MethodGet {
			d.stale = time.Duration(1+c.rng.IntN(5)) * time.Second
			q.query.Set("cache_ttl", strconv.Itoa(int(d.stale/time.Second)))
		}
	}
	return d
}

func (d demand) String() string {
	switch {
	case d.strong:
		return "strong"
	case d.min != 0:
		return "from " + d.min.String()
	}
	return "stale " + d.stale.String()
}

// get reads one key.
func (c *caller) get(ctx context.Context, m *machine) error {
	k := c.key()
	q := request{method: http.MethodGet, path: "/values/" + k.key}
	r := c.begin(m, k.ns, &q)
	ans := c.ask(ctx, m, k.ns, q)
	c.note("get %s at %s, %v: %v", k.key, m.plan.name, r.demand, ans)
	f := found{}
	switch {
	case ans.err != nil || ans.status == http.StatusServiceUnavailable:
		return nil
	case ans.status == http.StatusNotFound && ans.code == codeKeyNotFound:
	case ans.status == http.StatusOK:
		tag, err := tagOf(string(ans.body))
		if err != nil {
			return broken(promiseReal, "get %s: %v", k.key, err)
		}
		etag, _ := strconv.Unquote(ans.header.Get("Etag"))
		revision, err := godwit.ParseRevision(etag)
		if err != nil {
			return broken(promiseAnswer, "get %s: entity tag: %v", k.key, err)
		}
		expiration, _ := strconv.ParseInt(ans.header.Get("Expiration"), 10, 64)
		f = found{tag, revision, expiration}
	default:
		return broken(promiseAnswer, "get %s at %s was answered with %v", k.key, m.plan.name, ans)
	}
	c.known[k] = f
	return r.end(ans, []keyID{k}, map[keyID]found{k: f})
}

const codeKeyNotFound = 10009

// getMany reads keys that are written together.
func (c *caller) getMany(ctx context.Context, m *machine) error {
	keys := c.pairs()
	if c.rng.IntN(3) == 0 {
		for i := range keys {
			keys[i].key = fmt.Sprintf("k%02d", (c.rng.IntN(12)+i)%12)
		}
	}
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.key
	}
	body, _ := json.Marshal(map[string]any{"keys": names, "withMetadata": true})
	q := request{method: http.MethodPost, path: "/bulk/get", body: body, kind: "application/json"}
	r := c.begin(m, keys[0].ns, &q)
	ans := c.ask(ctx, m, keys[0].ns, q)
	c.note("get %v at %s, %v: %v", names, m.plan.name, r.demand, ans)
	if ans.err != nil || ans.status == http.StatusServiceUnavailable {
		return nil
	}
	var reply struct {
		Result struct {
			Values map[string]*struct {
				Value    string
				Metadata string
			}
		}
	}
	if ans.status != http.StatusOK || json.NewDecoder(bytes.NewReader(ans.body)).Decode(&reply) != nil {
		return broken(promiseAnswer, "get %v at %s was answered with %v", names, m.plan.name, ans)
	}
	all := make(map[keyID]found)
	for _, k := range keys {
		f := found{expiration: notTold}
		if v := reply.Result.Values[k.key]; v != nil {
			tag, err := tagOf(v.Value)
			if err != nil || tag != v.Metadata {
				return broken(promiseReal, "get %s: the metadata is %q, and the value %q: %v", k.key, v.Metadata, tag, err)
			}
			f.tag = tag
		}
		all[k] = f
	}
	return r.end(ans, keys, all)
}

// list lists a namespace, or a part of it.
func (c *caller) list(ctx context.Context, m *machine) error {
	ns := c.spaces[c.rng.IntN(len(c.spaces))]
	prefix := []string{"", "", "k", "k0", "pair"}[c.rng.IntN(5)]
	limit := []int{10, 1000, 1000}[c.rng.IntN(3)]
	cursor, last := "", ""
	for {
		q := request{method: http.MethodGet, path: "/keys"}
		r := c.begin(m, ns, &q)
		q.query.Set("prefix", prefix)
		q.query.Set("limit", strconv.Itoa(limit))
		if cursor != "" {
			q.query.Set("cursor", cursor)
		}
		ans := c.ask(ctx, m, ns, q)
		c.note("list %q at %s from %q, %v: %v", prefix, m.plan.name, last, r.demand, ans)
		if err := r.unanswered(ans); err != nil {
			return err
		}
		if ans.err != nil || ans.status == http.StatusServiceUnavailable {
			return nil
		}
		page, err := parsePage(ans)
		if err != nil {
			return broken(promiseAnswer, "list %q at %s was answered with %v: %v", prefix, m.plan.name, ans, err)
		}
		after := last
		keys, all := c.world.model.page(ns, prefix, after, page)
		if err := r.end(ans, keys, all); err != nil {
			return err
		}
		if cursor = page.Info.Cursor; cursor == "" {
			return nil
		}
		last = page.Result[len(page.Result)-1].Name
		if c.rng.IntN(3) == 0 { // a cursor is good at every node
			m = c.node()
		}
	}
}

type page struct {
	Result []struct {
		Name       string
		Expiration int64
		Metadata   string
	}
	Info struct{ Cursor string } `json:"result_info"`
}

func parsePage(a *answer) (*page, error) {
	p := new(page)
	if a.status != http.StatusOK {
		return nil, fmt.Errorf("status %d", a.status)
	}
	if err := json.Unmarshal(a.body, p); err != nil {
		return nil, fmt.Errorf("read page: %w", err)
	}
	if p.Info.Cursor != "" && len(p.Result) == 0 {
		return nil, fmt.Errorf("an empty page has a cursor")
	}
	return p, nil
}

// page is what a page shows of all keys that there are or were: those that it
// passes over are absent.
func (m *model) page(ns godwit.NamespaceID, prefix, after string, p *page) (keys []keyID, all map[keyID]found) {
	all = make(map[keyID]found)
	upTo := ""
	for _, e := range p.Result {
		k := keyID{ns, e.Name}
		keys, upTo = append(keys, k), e.Name
		all[k] = found{tag: e.Metadata, expiration: e.Expiration}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range m.histories {
		for _, k := range h.within(ns) {
			_, listed := all[k]
			if listed || !strings.HasPrefix(k.key, prefix) || k.key <= after || p.Info.Cursor != "" && k.key > upTo {
				continue
			}
			keys, all[k] = append(keys, k), found{}
		}
	}
	return keys, all
}

// status asks a node for how stale it is.
func (c *caller) status(ctx context.Context, m *machine) error {
	ans := c.ask(ctx, m, c.world.spaces[0], request{method: http.MethodGet, path: "godwit/v1/status"})
	c.note("status of %s: %v", m.plan.name, ans)
	if ans.err != nil {
		return nil
	}
	var s struct {
		Revision    string `json:"revision"`
		StalenessMS int64  `json:"staleness_ms"`
	}
	if ans.status != http.StatusOK || json.Unmarshal(ans.body, &s) != nil {
		return broken(promiseAnswer, "status at %s was answered with %v", m.plan.name, ans)
	}
	c.note("status of %s: %+v", m.plan.name, s)
	if s.StalenessMS < 0 {
		return nil
	}
	r, _ := godwit.ParseRevision(s.Revision)
	missed := c.world.model.acknowledgedBy(ans.from.Add(-time.Duration(s.StalenessMS)*time.Millisecond - slack))
	if r < missed {
		return broken(promiseStale, "%s says that it is at %d and %d ms stale, and %d was acknowledged before", m.plan.name, r, s.StalenessMS, missed)
	}
	return nil
}

// slack is what clocks and scheduling may add to a staleness.
const slack = 50 * time.Millisecond

// acknowledgedBy is the last revision that was acknowledged by a time.
func (m *model) acknowledgedBy(t time.Time) godwit.Revision {
	m.mu.Lock()
	defer m.mu.Unlock()
	return before(m.acked, t)
}

package simulation

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/godwitkv/godwit"
)

// retries is how often a write is sent whose outcome nobody knows.
const retries = 3

// put writes a key, sometimes on a condition, sometimes with an expiration.
func (c *caller) put(ctx context.Context, m *machine) error {
	k, tag := c.key(), c.tag()
	text := value(tag, c.size())
	body, kind := form(text, quote(tag))
	q := request{
		method: http.MethodPut, path: "/values/" + k.key, body: body, kind: kind,
		header: map[string]string{"Godwit-Request-Id": tag}, query: url.Values{},
	}
	if c.rng.IntN(4) == 0 {
		q.query.Set("expiration_ttl", strconv.Itoa(1+c.rng.IntN(12)))
	}
	cond := c.condition(k, q.header)
	a := c.intend(tag, text, k)
	return c.write(ctx, m, a, k, q, cond)
}

// burst writes several keys at once, which the log gathers.
func (c *caller) burst(ctx context.Context, m *machine) error {
	type shot struct {
		a   *attempt
		ns  godwit.NamespaceID
		q   request
		ans *answer
	}
	shots := make([]shot, 2+c.rng.IntN(6))
	for i := range shots {
		k, tag := c.key(), c.tag()
		text := value(tag, c.size())
		body, kind := form(text, quote(tag))
		shots[i] = shot{a: c.intend(tag, text, k), ns: k.ns, q: request{
			method: http.MethodPut, path: "/values/" + k.key, body: body, kind: kind,
			header: map[string]string{"Godwit-Request-Id": tag},
		}}
	}
	var wg sync.WaitGroup
	for i := range shots {
		wg.Go(func() { shots[i].ans = c.ask(ctx, m, shots[i].ns, shots[i].q) })
	}
	wg.Wait()
	for _, s := range shots {
		c.note("PUT %s of %s at %s, with others: %v", s.a, s.a.keys[0].key, m.plan.name, s.ans)
		if _, err := c.settle(m, s.a, s.ans); err != nil {
			return err
		}
	}
	return nil
}

// delete deletes a key.
func (c *caller) delete(ctx context.Context, m *machine) error {
	k := c.key()
	if c.rng.IntN(2) == 0 {
		k = c.cold()
	}
	q := request{
		method: http.MethodDelete, path: "/values/" + k.key,
		header: map[string]string{"Godwit-Request-Id": c.tag()},
	}
	return c.write(ctx, m, c.intend("", "", k), k, q, nil)
}

// clear clears a part of the keys, or all of them.
func (c *caller) clear(ctx context.Context, m *machine) error {
	k := c.cold()
	prefix := k.key[:len("cold0")]
	switch c.rng.IntN(4) {
	case 0:
		k.key, prefix = "k01", "k0"
	case 1:
		k.key, prefix = "counter1", "counter"
	}
	body := `{"prefix":` + quote(prefix) + `}`
	if c.rng.IntN(4) == 0 {
		body = `{"all":true}`
	}
	q := request{
		method: http.MethodPost, path: "godwit/v1/namespaces/" + k.ns.String() + "/clear",
		body: []byte(body), kind: "application/json",
		header: map[string]string{"Godwit-Request-Id": c.tag()},
	}
	return c.write(ctx, m, c.intend("", "", k), k, q, nil)
}

// write sends a write until its outcome is known, at one node after another.
func (c *caller) write(ctx context.Context, m *machine, a *attempt, k keyID, q request, cond *condition) error {
	since := c.world.model.moment()
	for attempt := 1; ; attempt++ {
		ans := c.ask(ctx, m, k.ns, q)
		c.note("%s %s of %s at %s, %v %v: %v", q.method, a, k.key, m.plan.name, cond, q.query, ans)
		again, err := c.settle(m, a, ans)
		if err != nil {
			return err
		}
		if ans.err == nil && attempt == 1 {
			if v := c.world.model.judged(c, since, a, k, cond, ans); v != nil {
				return v
			}
		}
		if !again || attempt == retries || c.rng.IntN(2) == 0 || ctx.Err() != nil {
			return nil
		}
		m = c.node()
	}
}

// condition is what a put asks of its key. nil: nothing.
type condition struct {
	absent   bool
	revision godwit.Revision
}

func (c *caller) condition(k keyID, header map[string]string) *condition {
	switch c.rng.IntN(8) {
	case 0:
		header["If-None-Match"] = "*"
		return &condition{absent: true}
	case 1, 2:
		if f := c.known[k]; f.revision != 0 {
			header["If-Match"] = quote(f.revision.String())
			return &condition{revision: f.revision}
		}
	}
	return nil
}

func (c *condition) String() string {
	switch {
	case c == nil:
		return "always"
	case c.absent:
		return "if absent"
	}
	return "if it is of " + c.revision.String()
}

// holds tells whether the condition is met by what stands under a key.
func (c *condition) holds(r *record, now int64) bool {
	if c.absent {
		return !r.live(now)
	}
	return r.live(now) && r.revision == c.revision
}

// moment is a time in the log: what is acknowledged, and in which history.
type logTime struct {
	history  int
	revision godwit.Revision
}

func (m *model) moment() logTime {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := logTime{history: len(m.histories) - 1}
	if n := len(m.acked); n > 0 {
		t.revision = m.acked[n-1].revision
	}
	return t
}

// judged holds the first answer to a write against its condition: it must have
// been met where the log says that it was, or not have been met at some moment
// since the write was sent.
func (m *model) judged(c *caller, since logTime, a *attempt, k keyID, cond *condition, ans *answer) *violation {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case cond == nil && ans.status == http.StatusPreconditionFailed:
		return broken(promiseCondition, "%s has no condition, and it failed", a)
	case cond == nil:
		return nil
	case ans.status == http.StatusOK:
		for _, h := range m.histories {
			if r := h.find(a.acked); r != nil && !cond.holds(h.at(k, a.acked-1), r.modified/1000) {
				return broken(promiseCondition, "%s took effect at %d %v, and before it there was %+v", a, a.acked, cond, h.at(k, a.acked-1))
			}
		}
		return nil
	case ans.status != http.StatusPreconditionFailed:
		return nil
	}
	clock, off := c.world.clock, c.world.off()
	lo, hi := clock.at(ans.from).Add(-off).Unix(), clock.at(ans.to).Add(off).Unix()
	for _, h := range m.histories[since.history:] {
		for _, r := range h.moments([]keyID{k}, since.revision) {
			if at := h.at(k, r); !cond.holds(at, lo) || !cond.holds(at, hi) {
				return nil
			}
		}
	}
	return broken(promiseCondition, "%s was refused though %s was as asked, %v, all the time", a, k.key, cond)
}

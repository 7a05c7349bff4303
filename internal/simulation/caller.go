package simulation

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/pause"
)

// caller is a client: it writes and reads through one node or another, and holds
// what it is answered against the model.
type caller struct {
	world  *world
	plan   clientPlan
	rng    *rand.Rand
	http   *http.Client
	port   *port
	feeds  map[*machine]*feed.Client
	spaces []godwit.NamespaceID // that it works in
	count  int
	known  map[keyID]found        // of the last reads, for conditions
	token  godwit.Revision        // the highest that it was told of its writes, for reads elsewhere
	seen   map[*machine]*sighting // what it has seen of each node
}

// sighting is what a reader has seen of a node: it must not see less later. What
// an upstream answered in the node's place binds the same namespace alone.
type sighting struct {
	any    place // of HITs
	passed map[godwit.NamespaceID]place
	local  place // of the copy, STALE too
	boot   int   // of local
}

// place is a state of the log.
type place struct {
	history  int
	revision godwit.Revision
}

func newCaller(w *world, p clientPlan) *caller {
	port := w.network.start(p.name)
	return &caller{
		world: w, plan: p, rng: w.plan.rng("caller", p.name), port: port, spaces: w.spaces,
		http: &http.Client{
			Transport:     &http.Transport{DialContext: port.dial, MaxIdleConnsPerHost: 2},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		feeds: make(map[*machine]*feed.Client), known: make(map[keyID]found), seen: make(map[*machine]*sighting),
	}
}

func (c *caller) note(format string, args ...any) { c.world.trace.note(c.plan.name, format, args...) }

// work asks and asks, until ctx ends or a promise is broken.
func (c *caller) work(ctx context.Context) error {
	defer c.close()
	for {
		if !pause.For(ctx, time.Duration(c.rng.ExpFloat64()*float64(c.plan.think))) {
			return nil
		}
		if c.world.failed() {
			return errStop
		}
		if err := c.act(ctx, c.node()); err != nil {
			c.world.report(c.plan.name, err)
			return errStop
		}
		c.world.mu.Lock()
		c.world.ops++
		c.world.mu.Unlock()
	}
}

func (c *caller) close() {
	c.http.CloseIdleConnections()
	for _, f := range c.feeds {
		f.Close()
	}
}

// node is home mostly, else any.
func (c *caller) node() *machine {
	if c.rng.IntN(3) > 0 {
		return c.world.machines[c.plan.home]
	}
	return c.world.order[c.rng.IntN(len(c.world.order))]
}

func (c *caller) act(ctx context.Context, m *machine) error {
	switch n := c.rng.IntN(100); {
	case n < 22:
		return c.put(ctx, m)
	case n < 25:
		return c.burst(ctx, m)
	case n < 33:
		return c.delete(ctx, m)
	case n < 40:
		return c.transact(ctx, m)
	case n < 45:
		return c.add(ctx, m)
	case n < 46:
		return c.clear(ctx, m)
	case n < 70:
		return c.get(ctx, m)
	case n < 82:
		return c.getMany(ctx, m)
	case n < 96:
		return c.list(ctx, m)
	default:
		return c.status(ctx, m)
	}
}

// key is one of a few, so that clients meet, or one of many, so that what becomes
// of it is not soon replaced.
func (c *caller) key() keyID {
	if c.rng.IntN(4) == 0 {
		return c.cold()
	}
	return keyID{c.spaces[c.rng.IntN(len(c.spaces))], fmt.Sprintf("k%02d", c.rng.IntN(12))}
}

// cold is a key that is seldom written.
func (c *caller) cold() keyID {
	return keyID{c.spaces[c.rng.IntN(len(c.spaces))], fmt.Sprintf("cold%02d", c.rng.IntN(40))}
}

// pair are keys that are written together alone.
const pairs = 4

func (c *caller) pairs() (keys []keyID) {
	ns := c.spaces[c.rng.IntN(len(c.spaces))]
	for i := range pairs {
		keys = append(keys, keyID{ns, fmt.Sprintf("pair%d", i)})
	}
	return keys
}

// tag names a write.
func (c *caller) tag() string {
	c.count++
	return fmt.Sprintf("%s-%d", c.plan.name, c.count)
}

// size is one of a value beside its key, in a row of its own, or in a file.
func (c *caller) size() int {
	return []int{10, 10, 10, 300, 1500, 5000, 40_000}[c.rng.IntN(7)]
}

// intend notes a write before it is sent.
func (c *caller) intend(tag, text string, keys ...keyID) *attempt {
	a := &attempt{tag: tag, keys: keys, hash: make(map[keyID][32]byte)}
	for _, k := range keys {
		a.hash[k] = sha256.Sum256([]byte(text))
	}
	c.world.model.ask(a)
	return a
}

// settle takes a write's answer. again: nobody knows what became of it.
func (c *caller) settle(m *machine, a *attempt, ans *answer) (again bool, err error) {
	switch {
	case ans.err != nil && !ans.sent:
		return false, nil
	case ans.err != nil, ans.status == http.StatusGatewayTimeout:
		c.world.model.maybe(a)
		return true, nil
	case ans.status == http.StatusOK:
		r := ans.revision()
		if r == 0 {
			return false, broken(promiseAnswer, "%s was acknowledged without a revision", a)
		}
		c.token = max(c.token, r)
		if v := c.world.model.acknowledge(m, a, r); v != nil {
			return false, v
		}
		return false, nil
	case ans.status == http.StatusPreconditionFailed, ans.status == http.StatusServiceUnavailable,
		ans.status == http.StatusInsufficientStorage:
		return false, nil
	}
	return false, broken(promiseAnswer, "%s was answered with %s", a, ans)
}

// maybe notes that nobody knows what became of a write.
func (m *model) maybe(a *attempt) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a.possible = true
}

package simulation

import (
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// model is what the world must look like: the log as the centre told of it, and
// what clients asked for and were answered.
type model struct {
	mu        sync.Mutex
	histories []*history // the last is the one in force
	boot      int        // of the centre whose commits count
	late      []*record  // of a centre that was killed: they count if its disk has them
	lateEnd   godwit.Revision
	given     map[godwit.Revision]*record // every revision that was ever given
	attempts  map[string]*attempt         // by tag
	deletes   []*attempt
	acked     []moment           // by time, revisions growing
	ackedAt   map[shelf][]moment // the same, of writes that a host took
}

// shelf is a namespace at a node.
type shelf struct {
	node *machine
	ns   godwit.NamespaceID
}

// moment is a time at which a revision was acknowledged.
type moment struct {
	at       time.Time
	revision godwit.Revision
}

// attempt is a write that a client asked for.
type attempt struct {
	tag      string
	keys     []keyID
	hash     map[keyID][32]byte
	delta    map[keyID]int64 // in place of hash: what is added
	acked    godwit.Revision // 0: never
	history  int             // in which it was acknowledged
	possible bool            // it may have been done: acknowledged, or nobody knows
}

func newModel() *model {
	return &model{
		histories: []*history{newHistory()},
		given:     make(map[godwit.Revision]*record),
		attempts:  make(map[string]*attempt),
		ackedAt:   make(map[shelf][]moment),
	}
}

// violation is a promise that was broken.
type violation struct {
	promise promise
	detail  string
}

// Error implements error.
func (v *violation) Error() string { return string(v.promise) + ": " + v.detail }

func broken(p promise, format string, args ...any) *violation {
	return &violation{p, fmt.Sprintf(format, args...)}
}

// promise is what is held of a world.
type promise string

// The promises.
const (
	promiseDurable   promise = "no acknowledged write is lost"
	promiseOnce      promise = "a write takes effect once, and only if it was asked for"
	promiseUnique    promise = "no revision is given twice"
	promisePrefix    promise = "an edge is an exact prefix of the log"
	promiseWhole     promise = "a transaction is never half seen"
	promiseOrder     promise = "nothing goes backwards for a reader at a node"
	promiseOwn       promise = "a node shows the writes it took"
	promiseMin       promise = "a read shows the revision it asks for"
	promiseStrong    promise = "a strong read shows every acknowledged write"
	promiseStale     promise = "a copy is not staler than it says or may be"
	promiseReal      promise = "what is read was written"
	promiseExpired   promise = "expired entries are not visible"
	promiseCondition promise = "a condition is judged by the log"
	promiseSum       promise = "a sum is that of what came before it in the log"
	promiseTold      promise = "an answer holds the revision that it tells"
	promiseEqual     promise = "after healing all nodes are equal"
	promiseSound     promise = "a disk is sound after a crash"
	promiseWatch     promise = "a watch tells what makes the log's state again"
	promiseAlive     promise = "no node ends by itself"
	promiseAnswer    promise = "requests are answered as they should be"

	// Of a cluster.
	promiseAlike  promise = "all members commit the same log"
	promiseCaught promise = "a member serves once it has what the log had at its start"
	promiseSoon   promise = "a member that is cut off refuses within two seconds"
	promiseMove   promise = "an edge moves between members and follows on"
)

func (m *model) current() *history { return m.histories[len(m.histories)-1] }

// committed takes what the centre's log committed.
func (m *model) committed(boot int, c *store.Committed) *violation {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.current()
	if !c.Exact {
		return broken(promisePrefix, "the centre committed %d to %d and said that it is not all", c.Prev, c.Revision)
	}
	if boot != m.boot {
		for i := range c.Records {
			m.late = append(m.late, newRecord(&c.Records[i]))
		}
		m.lateEnd = c.Revision
		return nil
	}
	if c.Prev != h.end {
		return broken(promiseUnique, "the log goes on from %d, and it ended at %d", c.Prev, h.end)
	}
	for i := range c.Records {
		if v := m.take(h, newRecord(&c.Records[i])); v != nil {
			return v
		}
	}
	h.end = max(h.end, c.Revision)
	return nil
}

// take appends a record to a history. The caller holds the lock.
func (m *model) take(h *history, r *record) *violation {
	if other := m.given[r.revision]; other != nil {
		return broken(promiseUnique, "revision %d is given to %q and %q", r.revision, other.tag, r.tag)
	}
	if r.revision <= h.end && len(h.records) > 0 {
		return broken(promiseUnique, "revision %d comes after %d", r.revision, h.end)
	}
	m.given[r.revision] = r
	h.add(r)
	if r.ns == godwit.SystemNamespace || r.op != godwit.OpPut {
		return nil
	}
	a := m.attempts[r.tag]
	if a == nil {
		return broken(promiseOnce, "revision %d of %s is a write that nobody asked for (%q)", r.revision, r.key, r.tag)
	}
	if delta, ok := a.delta[r.keyID]; ok {
		if v := m.adds(h, r, delta); v != nil {
			return v
		}
	} else if want, ok := a.hash[r.keyID]; !ok || want != r.hash {
		return broken(promiseReal, "revision %d gives %s a value that %s did not ask for", r.revision, r.key, r.tag)
	}
	for _, earlier := range h.keys[r.keyID] {
		if earlier != r && earlier.tag == r.tag {
			return broken(promiseOnce, "%s took effect at revisions %d and %d", r.tag, earlier.revision, r.revision)
		}
	}
	return nil
}

// shared takes what a member committed: it is the log if no other has committed
// that before, else what the other has.
func (m *model) shared(e *machine, c *store.Committed) *violation {
	if !c.Exact {
		return nil // it becomes a copy of another
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.current()
	if c.Revision <= h.end {
		v := h.applied(e, c)
		if v != nil && v.promise == promisePrefix {
			v.promise = promiseAlike
		}
		return v
	}
	if c.Prev != h.end {
		return broken(promiseAlike, "%s goes on from %d to %d, and the log ends at %d", e.plan.name, c.Prev, c.Revision, h.end)
	}
	for i := range c.Records {
		if v := m.take(h, newRecord(&c.Records[i])); v != nil {
			return v
		}
	}
	h.end = c.Revision
	return nil
}

// started tells which of its starts the centre's commits are of from now on.
func (m *model) started(boot int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.boot = boot
}

// killed tells that what the centre commits from now on may not be on the disk
// that it is started with again.
func (m *model) killed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.boot = 0
	m.late, m.lateEnd = nil, 0
}

// reopened tells that the centre starts again with a disk that ends at revision
// r; back: an older disk than it had.
func (m *model) reopened(r godwit.Revision, back bool) *violation {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.current()
	for _, rec := range m.late {
		if rec.revision <= r && rec.revision > h.end {
			if v := m.take(h, rec); v != nil {
				return v
			}
		}
	}
	if m.lateEnd <= r {
		h.end = max(h.end, m.lateEnd)
	}
	switch {
	case r > h.end:
		return broken(promiseUnique, "the centre's disk ends at %d, and its log at %d", r, h.end)
	case r == h.end:
		return nil
	case !back:
		return broken(promiseDurable, "the centre's disk ends at %d, and its log was durable up to %d", r, h.end)
	}
	m.histories = append(m.histories, h.branch(r))
	return nil
}

// ask notes a write before it is sent.
func (m *model) ask(a *attempt) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.tag == "" {
		m.deletes = append(m.deletes, a)
		return
	}
	m.attempts[a.tag] = a
}

// acknowledge notes that a node has acknowledged a write at a revision.
func (m *model) acknowledge(e *machine, a *attempt, r godwit.Revision) *violation {
	m.mu.Lock()
	defer m.mu.Unlock()
	a.acked, a.possible, a.history = r, true, len(m.histories)-1
	m.seen(shelf{e, a.keys[0].ns}, r)
	return m.holds(a)
}

// seen notes that a node has told a writer of a revision.
func (m *model) seen(at shelf, r godwit.Revision) {
	p := moment{time.Now(), r}
	if n := len(m.acked); n > 0 {
		p.revision = max(p.revision, m.acked[n-1].revision)
	}
	m.acked = append(m.acked, p)
	list := m.ackedAt[at]
	if n := len(list); n > 0 {
		r = max(r, list[n-1].revision)
	}
	m.ackedAt[at] = append(list, moment{p.at, r})
}

// holds tells whether an acknowledged write is in the log. An answer that was
// under way while the centre went back counts for the history before.
func (m *model) holds(a *attempt) *violation {
	for i := len(m.histories) - 1; i >= 0; i-- {
		if m.holdsIn(m.histories[i], a) {
			return nil
		}
	}
	return broken(promiseDurable, "%s was acknowledged at revision %d, and the log has no such write", a, a.acked)
}

func (m *model) holdsIn(h *history, a *attempt) bool {
	if a.acked > h.end {
		return false
	}
	for _, k := range a.keys {
		r := h.at(k, a.acked)
		if a.tag == "" {
			if r != nil && r.op == godwit.OpPut && r.expiration == 0 {
				return false
			}
			continue
		}
		if r == nil || r.tag != a.tag {
			return false
		}
	}
	return true
}

// String names the write.
func (a *attempt) String() string {
	if a.tag != "" {
		return a.tag
	}
	return "the deletion of " + a.keys[0].key
}

// before is the last revision that was acknowledged until a time.
func before(list []moment, t time.Time) godwit.Revision {
	i := sort.Search(len(list), func(i int) bool { return list[i].at.After(t) })
	if i == 0 {
		return 0
	}
	return list[i-1].revision
}

// finish tells what of the clients' writes did not come true.
func (m *model) finish() *violation {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.current()
	for tag, a := range m.attempts {
		if a.possible {
			continue
		}
		for _, k := range a.keys {
			for _, r := range h.keys[k] {
				if r.tag == tag {
					return broken(promiseOnce, "%s was refused, and took effect at revision %d", tag, r.revision)
				}
			}
		}
	}
	return nil
}

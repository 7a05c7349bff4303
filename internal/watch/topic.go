package watch

import (
	"sort"
	"time"

	"github.com/godwitkv/godwit"
)

const (
	// changeOverhead is about what a change costs beside its key, metadata and
	// value.
	changeOverhead = 256
	// linger is for how long changes are kept of a namespace that nobody watches
	// any more: who was cut off comes back.
	linger = time.Minute
	// burst is about how much a watch takes from the ring, or a round from the
	// store, at once.
	burst = 64 << 10
)

// change is an event in the ring, and where a watch stands that was told of it.
type change struct {
	Event
	at      position // sec stands in expiries alone
	swept   bool     // it expired as it stood: at has the hub's revision of then, not its own
	expired int64    // latest second of an expiry up to here
}

func (c *change) bytes() int {
	return changeOverhead + len(c.Key) + len(c.Metadata) + len(c.Value)
}

// topic is the ring of a namespace's changes, and who waits for more of them. It
// is guarded by the hub's lock. The places of changes are numbered on and on;
// their positions' revisions do not go back.
type topic struct {
	ns    godwit.NamespaceID
	items []*change
	first uint64 // number of items[0]
	bytes int
	base  godwit.Revision // of positions above, all that comes after is in items
	// expired is the latest second of an expiry that came before items.
	expired int64
	gone    bool // the namespace was deleted

	values bool   // values are kept
	valued uint64 // from this number on

	waiting  waiting
	forgets  int // how often all changes were let go of
	watchers int
	left     time.Time // when the last one went
}

func (t *topic) end() uint64 { return t.first + uint64(len(t.items)) }

// add puts a change in, wakes those who watch its key, and lets go of the oldest
// beyond a number of bytes.
func (t *topic) add(c *change, most int) {
	t.waiting.wake(c.Key, t.end())
	c.expired = max(t.expiredBefore(len(t.items)), c.at.sec)
	t.items = append(t.items, c)
	t.bytes += c.bytes()
	t.trim(most)
}

func (t *topic) trim(most int) {
	n := 0
	for n < len(t.items) && t.bytes > most {
		t.bytes -= t.items[n].bytes()
		t.base, t.expired = max(t.base, t.items[n].at.rev), t.items[n].expired
		t.items[n] = nil
		n++
	}
	t.items = t.items[n:]
	t.first += uint64(n)
}

// expiredBefore is the latest second of an expiry that came before items[i].
func (t *topic) expiredBefore(i int) int64 {
	if i == 0 {
		return t.expired
	}
	return t.items[i-1].expired
}

// forget lets go of all changes: those after base come anew, and what expires after
// a second. Whoever waits for the next one has fallen out of the ring, too.
func (t *topic) forget(base godwit.Revision, sec int64) {
	t.forgets++
	t.first = t.end() + 1
	t.items, t.bytes, t.base, t.expired = nil, 0, base, sec
}

// wake tells those who wait that there is something to see.
func (t *topic) wake() { t.waiting.wakeAll(t.end()) }

// find returns the number of the first change that whoever stands at p may have
// missed, and false if the ring does not go back that far. Expiries stand where they
// came at this node: some that came at another behind p may stand before that number,
// up to the second expired.
func (t *topic) find(p position, values bool) (seq uint64, expired int64, ok bool) {
	if p.rev <= t.base {
		return 0, 0, false
	}
	i := sort.Search(len(t.items), func(i int) bool { return t.items[i].at.rev >= p.rev })
	for i < len(t.items) && t.items[i].at.rev == p.rev && !t.items[i].unseen(p) {
		i++
	}
	seq = t.first + uint64(i)
	if values && (!t.values || seq < t.valued) {
		return 0, 0, false
	}
	return seq, t.expiredBefore(i), true
}

// unseen tells whether whoever stands at p, which has c's revision, may have
// missed c. Several entries expire in one second: they are told again.
func (c *change) unseen(p position) bool {
	return c.Kind == Expired && (p.sec == 0 || c.at.sec >= p.sec)
}

// take returns changes from a number on, at least one if there is one.
func (t *topic) take(seq uint64) []*change {
	rest := t.items[seq-t.first:]
	n, bytes := 0, 0
	for n < len(rest) && (n == 0 || bytes+rest[n].bytes() <= burst) {
		bytes += rest[n].bytes()
		n++
	}
	return append([]*change(nil), rest[:n]...)
}

// keepValues keeps values from now on.
func (t *topic) keepValues() {
	if !t.values {
		t.values, t.valued = true, t.end()
	}
}

// topic returns a namespace's, made if there is none. The caller holds h.mu.
func (h *Hub) topic(ns godwit.NamespaceID) *topic {
	if t := h.topics[ns]; t != nil {
		return t
	}
	for id, t := range h.topics {
		if t.abandoned() {
			delete(h.topics, id)
		}
	}
	t := &topic{ns: ns, base: h.rev, expired: h.second()}
	h.topics[ns] = t
	for _, t := range h.topics {
		t.trim(h.share())
	}
	return t
}

func (t *topic) abandoned() bool {
	return t.watchers == 0 && time.Since(t.left) > linger
}

// share is how many bytes each topic may keep.
func (h *Hub) share() int { return h.cfg.RingSize / max(len(h.topics), 1) }

// forgetAll empties the ring. The caller holds h.mu.
func (h *Hub) forgetAll() {
	for _, t := range h.topics {
		t.forget(h.rev, h.second())
	}
	h.pending = nil
}

// wakeAll wakes everyone. The caller holds h.mu.
func (h *Hub) wakeAll() {
	for _, t := range h.topics {
		t.wake()
	}
}

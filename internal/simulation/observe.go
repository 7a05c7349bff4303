package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/godwitkv/godwit"
)

// found is what a read showed of a key: tag "" is nothing.
type found struct {
	tag        string
	revision   godwit.Revision // 0: it was not told
	expiration int64           // notTold: it was not
}

// notTold stands for an expiration that an answer does not tell.
const notTold = -1

// floor is a revision that a read must show at least, and whose promise that is.
type floor struct {
	promise  promise
	revision godwit.Revision
}

// observation is one answer, all of it from one state.
type observation struct {
	keys   []keyID
	found  map[keyID]found
	floors []floor
	from   int           // the oldest history that it may be of
	lo, hi int64         // bounds of the time by which entries expire, unix seconds
	bound  time.Duration // of the clock that judged that, for messages
}

// explain finds the earliest state that the observation can be of. It returns
// the state's revision and the history that it is in.
func (m *model) explain(o *observation) (godwit.Revision, int, *violation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	least := godwit.Revision(0)
	for _, f := range o.floors {
		least = max(least, f.revision)
	}
	for i := o.from; i < len(m.histories); i++ {
		if r, ok := m.histories[i].explain(o, least); ok {
			return r, i, nil
		}
	}
	return 0, 0, m.blame(o)
}

// explain finds the first state from a revision on that an observation can be
// of.
func (h *history) explain(o *observation, least godwit.Revision) (godwit.Revision, bool) {
	for _, r := range h.moments(o.keys, least) {
		if !slices.ContainsFunc(o.keys, func(k keyID) bool { return !o.matches(k, h.at(k, r)) }) {
			return r, true
		}
	}
	return 0, false
}

// matches tells whether what was found of a key is what stands in the log.
func (o *observation) matches(k keyID, r *record) bool {
	f := o.found[k]
	if f.tag == "" {
		return !r.live(o.hi)
	}
	return r.live(o.lo) && r.tag == f.tag && (f.expiration == notTold || f.expiration == r.expiration) &&
		(f.revision == 0 || f.revision == r.revision)
}

// blame tells which promise an observation breaks that no state explains.
func (m *model) blame(o *observation) *violation {
	h := m.current()
	for _, k := range o.keys {
		if v := m.blameKey(o, k); v != nil {
			return v
		}
	}
	if _, ok := h.explain(o, 0); !ok {
		for _, s := range h.spans {
			if h.torn(o, s) {
				return broken(promiseWhole, "%s was seen in part: %s", s.tag, o.describe(h))
			}
		}
		return broken(promiseOrder, "no one state shows all of this: %s", o.describe(h))
	}
	for _, f := range o.floors {
		if _, ok := h.explain(o, f.revision); !ok {
			return broken(f.promise, "revision %d is missing: %s", f.revision, o.describe(h))
		}
	}
	return broken(promiseOrder, "no state from %v on shows this: %s", o.floors, o.describe(h))
}

// blameKey tells what is wrong with one key alone.
func (m *model) blameKey(o *observation, k keyID) *violation {
	f, known, live := o.found[k], false, false
	if f.tag == "" {
		return nil
	}
	for _, h := range m.histories[o.from:] {
		for _, r := range h.keys[k] {
			same := r.tag == f.tag && (f.revision == 0 || r.revision == f.revision)
			known = known || same
			live = live || same && r.live(o.lo)
		}
	}
	switch {
	case !known:
		return broken(promiseReal, "%s holds %q of revision %d, which was not written there", k.key, f.tag, f.revision)
	case !live:
		return broken(promiseExpired, "%s holds %q, which expired at %d; the clock showed at least %d (%v of tolerance)",
			k.key, f.tag, f.expiration, o.lo, o.bound)
	}
	return nil
}

// torn tells whether an observation shows one key of a transaction as it left
// it, and another as it was before.
func (h *history) torn(o *observation, s span) bool {
	after, earlier := false, false
	for _, r := range h.between(s.first-1, s.last) {
		f, asked := o.found[r.keyID]
		if !asked {
			continue
		}
		if f.tag == s.tag {
			after = true
			continue
		}
		earlier = earlier || o.matches(r.keyID, h.at(r.keyID, s.first-1))
	}
	return after && earlier
}

// describe shows what was found beside where it is in the log.
func (o *observation) describe(h *history) string {
	var b strings.Builder
	for i, k := range o.keys {
		if i == 24 {
			fmt.Fprintf(&b, " and %d more", len(o.keys)-i)
			break
		}
		f := o.found[k]
		fmt.Fprintf(&b, " %s=%q", k.key, f.tag)
		for _, r := range h.keys[k] {
			if f.tag != "" && r.tag == f.tag {
				fmt.Fprintf(&b, "@%d", r.revision)
			}
		}
		if list := h.keys[k]; len(list) > 0 {
			r := list[len(list)-1]
			fmt.Fprintf(&b, "(last %q@%d op %d exp %d)", r.tag, r.revision, r.op, r.expiration)
		}
	}
	fmt.Fprintf(&b, "; floors %v, time %d to %d", o.floors, o.lo, o.hi)
	return b.String()
}

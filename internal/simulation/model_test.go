package simulation

import (
	"crypto/sha256"
	"testing"
	"testing/synctest"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

var ns = godwit.NamespaceID{15: 1}

func key(name string) keyID { return keyID{ns, name} }

// put is a record as the log tells of it; del is a deletion.
func put(r godwit.Revision, name, tag string) godwit.Record {
	return godwit.Record{Revision: r, Mutation: godwit.Mutation{
		Op: godwit.OpPut, Namespace: ns, Key: name, Value: godwit.Value{Inline: []byte(tag)}, Metadata: []byte(quote(tag)),
	}}
}

func del(r godwit.Revision, name string) godwit.Record {
	return godwit.Record{Revision: r, Mutation: godwit.Mutation{Op: godwit.OpDelete, Namespace: ns, Key: name}}
}

func expiring(r godwit.Record, at int64) godwit.Record {
	r.Expiration = at
	return r
}

// asked is a model whose clients asked for writes; the tags of those of a key are
// its name and a digit.
func asked(tags ...string) *model {
	m := newModel()
	m.started(1)
	for _, tag := range tags {
		a := &attempt{tag: tag, hash: make(map[keyID][32]byte), possible: true}
		for _, name := range []string{"a", "b", "c"} {
			a.keys = append(a.keys, key(name))
			a.hash[key(name)] = sha256.Sum256([]byte(tag))
		}
		m.ask(a)
	}
	return m
}

func (m *model) logs(t *testing.T, prev godwit.Revision, records ...godwit.Record) {
	t.Helper()
	if v := m.committed(m.boot, commit(prev, records...)); v != nil {
		t.Fatal(v)
	}
}

func commit(prev godwit.Revision, records ...godwit.Record) *store.Committed {
	c := &store.Committed{Prev: prev, Revision: prev, Records: records, Exact: true}
	if n := len(records); n > 0 {
		c.Revision = records[n-1].Revision
	}
	return c
}

// want checks which promise a violation is of; "" is none.
func want(t *testing.T, v *violation, p promise) {
	t.Helper()
	switch {
	case v == nil && p != "":
		t.Errorf("not noticed: %s", p)
	case v != nil && v.promise != p:
		t.Errorf("want %q: %v", p, v)
	}
}

// TestSharedLog: the log is what the first member commits, and all others must
// commit the same, in whatever portions.
func TestSharedLog(t *testing.T) {
	for _, tc := range []struct {
		name    string
		commits []*store.Committed
		promise promise
	}{
		{"the same", []*store.Committed{commit(0, put(1, "a", "a1"), put(2, "b", "b1")), commit(2, del(3, "a"))}, ""},
		{"in other portions", []*store.Committed{commit(0, put(1, "a", "a1")), commit(1, put(2, "b", "b1"), del(3, "a"))}, ""},
		{"nothing new", []*store.Committed{commit(3)}, ""},
		{"further", []*store.Committed{commit(3, put(4, "a", "a2"))}, ""},
		{"one is left out", []*store.Committed{commit(0, put(1, "a", "a1")), commit(1, del(3, "a"))}, promiseAlike},
		{"one is another", []*store.Committed{commit(0, put(1, "a", "a1"), put(2, "b", "b2"))}, promiseAlike},
		{"one under another key", []*store.Committed{commit(0, put(1, "b", "a1"))}, promiseAlike},
		{"another was deleted", []*store.Committed{commit(2, del(3, "b"))}, promiseAlike},
		{"a gap", []*store.Committed{commit(4, put(5, "a", "a2"))}, promiseAlike},
		{"over the end", []*store.Committed{commit(2, del(3, "a"), put(4, "a", "a2"))}, promiseAlike},
		{"twice", []*store.Committed{commit(3, put(4, "a", "a1"))}, promiseOnce},
		{"nobody asked for it", []*store.Committed{commit(3, put(4, "c", "?"))}, promiseOnce},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{plan: &plan{members: 2}, clock: new(clock), model: asked("a1", "a2", "b1", "b2")}
				w.cluster = new(cluster)
				first, second := newMachine(w, nodePlan{name: "member1"}), newMachine(w, nodePlan{name: "member2"})
				want(t, w.model.shared(first, commit(0, put(1, "a", "a1"), put(2, "b", "b1"))), "")
				want(t, w.model.shared(first, commit(2, del(3, "a"))), "")
				for i, c := range tc.commits {
					v := w.model.shared(second, c)
					if i == len(tc.commits)-1 {
						want(t, v, tc.promise)
					} else {
						want(t, v, "")
					}
				}
			})
		})
	}
}

// TestObservations: what reads show is explained by one state of the log, or is
// blamed on the promise that it breaks.
func TestObservations(t *testing.T) {
	type all map[string]string
	for _, tc := range []struct {
		name   string
		found  all
		floors []floor
		lo, hi int64
		want   promise
	}{
		{name: "before anything", found: all{"a": "", "b": ""}},
		{name: "the first state", found: all{"a": "1", "b": ""}},
		{name: "a transaction", found: all{"a": "2", "b": "2"}},
		{name: "the last state", found: all{"a": "2", "b": "3", "c": ""}},
		{name: "half a transaction", found: all{"a": "2", "b": ""}, want: promiseWhole},
		{name: "never written", found: all{"a": "9"}, want: promiseReal},
		{name: "of another key", found: all{"c": "1"}, want: promiseReal},
		{name: "two states at once", found: all{"a": "1", "b": "3"}, want: promiseOrder},
		{name: "less than the node took", found: all{"a": "1"}, floors: []floor{{promiseOwn, 13}}, want: promiseOwn},
		{name: "as much as the node took", found: all{"a": "2"}, floors: []floor{{promiseOwn, 13}}},
		{name: "less than asked for", found: all{"b": "2"}, floors: []floor{{promiseOwn, 11}, {promiseMin, 14}}, want: promiseMin},
		{name: "within a transaction there is no state", found: all{"b": ""}, floors: []floor{{promiseMin, 12}}, want: promiseMin},
		{name: "not expired yet", found: all{"c": "4"}, lo: 99, hi: 99},
		{name: "expired", found: all{"c": ""}, lo: 100, hi: 100, floors: []floor{{promiseMin, 15}}},
		{name: "visible after it expired", found: all{"c": "4"}, lo: 100, hi: 101, want: promiseExpired},
		{name: "gone before it expired", found: all{"c": ""}, lo: 98, hi: 99, floors: []floor{{promiseMin, 15}}, want: promiseMin},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := asked("1", "2", "3", "4")
			m.logs(t, 0, put(11, "a", "1"), put(12, "a", "2"), put(13, "b", "2"))
			m.logs(t, 13, put(14, "b", "3"), expiring(put(15, "c", "4"), 100))
			o := &observation{found: make(map[keyID]found), floors: tc.floors, lo: tc.lo, hi: max(tc.hi, tc.lo)}
			for name, tag := range tc.found {
				o.keys = append(o.keys, key(name))
				o.found[key(name)] = found{tag: tag, expiration: notTold}
			}
			if len(tc.floors) == 0 && tc.lo == 0 && tc.found["c"] == "" {
				o.lo, o.hi = 100, 100
			}
			_, _, v := m.explain(o)
			want(t, v, tc.want)
		})
	}
}

// TestLogs: what the centre commits goes on from what it committed before, and is
// what was asked for, once.
func TestLogs(t *testing.T) {
	for _, tc := range []struct {
		name string
		c    *store.Committed
		want promise
	}{
		{"in order", commit(11, put(12, "a", "2")), ""},
		{"a gap", commit(13, put(14, "a", "2")), promiseUnique},
		{"a revision again", commit(11, put(11, "a", "2")), promiseUnique},
		{"nobody asked", commit(11, put(12, "a", "8")), promiseOnce},
		{"twice", commit(11, put(12, "a", "1")), promiseOnce},
		{"another value", commit(11, func() godwit.Record {
			r := put(12, "a", "2")
			r.Value.Inline = []byte("other")
			return r
		}()), promiseReal},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := asked("1", "2")
			m.logs(t, 0, put(11, "a", "1"))
			want(t, m.committed(1, tc.c), tc.want)
		})
	}
}

// TestRestarts: a centre that was killed starts with all that was durable, or with
// more; with less it must have been put back, and never gives a revision again.
func TestRestarts(t *testing.T) {
	restart := func(at godwit.Revision, back bool) (*model, *violation) {
		m := asked("1", "2", "3")
		m.logs(t, 0, put(11, "a", "1"), put(12, "b", "2"))
		m.killed()
		if v := m.committed(1, commit(12, put(13, "a", "3"))); v != nil {
			t.Fatal(v)
		}
		v := m.reopened(at, back)
		m.started(2)
		return m, v
	}
	for _, tc := range []struct {
		name string
		at   godwit.Revision
		back bool
		want promise
	}{
		{"as it was", 12, false, ""},
		{"with what was under way", 13, false, ""},
		{"with less", 11, false, promiseDurable},
		{"put back", 11, true, ""},
		{"with what nobody knows", 14, false, promiseUnique},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, v := restart(tc.at, tc.back)
			want(t, v, tc.want)
		})
	}
	m, _ := restart(11, true)
	want(t, m.committed(2, commit(11, put(12, "a", "3"))), promiseUnique)
	m, _ = restart(11, true)
	want(t, m.committed(2, commit(11, put(20, "a", "3"))), "")
	o := &observation{keys: []keyID{key("b")}, found: map[keyID]found{key("b"): {tag: "2", revision: 12, expiration: notTold}}}
	_, _, v := m.explain(o)
	want(t, v, "") // by a node that has not heard that it is lost
	o.from = 1
	_, _, v = m.explain(o)
	want(t, v, promiseReal)
}

// TestAcknowledgements: an acknowledged write is in the log where it was said to
// be, and one that was refused is not.
func TestAcknowledgements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := asked("1", "2")
		m.logs(t, 0, put(11, "a", "1"))
		at := &machine{}
		one := &attempt{tag: "1", keys: []keyID{key("a")}}
		want(t, m.acknowledge(at, one, 11), "")
		want(t, m.acknowledge(at, one, 12), promiseDurable)
		want(t, m.acknowledge(at, &attempt{tag: "2", keys: []keyID{key("b")}}, 11), promiseDurable)
		want(t, m.acknowledge(at, &attempt{keys: []keyID{key("a")}}, 11), promiseDurable) // a deletion
		m.logs(t, 11, del(12, "a"))
		want(t, m.acknowledge(at, &attempt{keys: []keyID{key("a")}}, 12), "")
		want(t, m.finish(), "")
		m.attempts["1"].possible = false
		want(t, m.finish(), promiseOnce)
	})
}

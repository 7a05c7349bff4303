package simulation

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// edge is a machine that follows, in a world of its own.
func edge(partial bool) *machine {
	w := &world{plan: &plan{}, start: time.Now(), trace: newTrace(), spaces: []godwit.NamespaceID{{15: 2}, ns}}
	newNode := func(p nodePlan) *machine {
		m := newMachine(w, p)
		w.order = append(w.order, m)
		return m
	}
	w.clock = newNode(nodePlan{name: centre}).clock
	m := newNode(nodePlan{name: "edge1", upstreams: []string{centre}, partial: partial})
	m.reached, m.whole = true, !partial
	return m
}

// TestAppliedByEdges: what an edge says is all between two positions must be.
func TestAppliedByEdges(t *testing.T) {
	other := put(13, "b", "2")
	other.Value.Inline = []byte("x")
	swept := expiring(put(14, "c", "3"), 1)
	swept.Swept, swept.Metadata, swept.Value = true, nil, godwit.Value{}
	for _, tc := range []struct {
		name    string
		partial bool
		c       *store.Committed
		want    promise
	}{
		{"a batch", false, commit(0, put(11, "a", "1")), ""},
		{"two batches", false, commit(0, put(11, "a", "1"), put(12, "a", "2"), put(13, "b", "2")), ""},
		{"half a transaction", false, commit(11, put(12, "a", "2")), promiseWhole},
		{"one left out", false, commit(0, put(12, "a", "2"), put(13, "b", "2")), promisePrefix},
		{"one that is not carried", true, commit(0, put(12, "a", "2"), put(13, "b", "2")), ""},
		{"one too many", false, commit(11, put(12, "a", "2"), put(13, "b", "2"), del(13, "c")), promisePrefix},
		{"another value", false, commit(11, put(12, "a", "2"), other), promisePrefix},
		{"what expired", false, commit(13, swept), ""},
		{"beyond the log", false, commit(14, del(15, "a")), promisePrefix},
		{"parts of later states", false, &store.Committed{Records: []godwit.Record{del(99, "a")}}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := asked("1", "2", "3")
				m.logs(t, 0, put(11, "a", "1"))
				m.logs(t, 11, put(12, "a", "2"), put(13, "b", "2"))
				m.logs(t, 13, expiring(put(14, "c", "3"), 1))
				want(t, m.applied(edge(tc.partial), tc.c), tc.want)
			})
		})
	}
}

// TestInspectedStores: what a store shows must be what the log has at its position.
func TestInspectedStores(t *testing.T) {
	for _, tc := range []struct {
		name    string
		at      godwit.Revision
		entries []godwit.Record
		want    promise
	}{
		{"at its position", 13, []godwit.Record{put(12, "a", "2"), put(13, "b", "2")}, ""},
		{"earlier", 11, []godwit.Record{put(11, "a", "1")}, ""},
		{"one missing", 13, []godwit.Record{put(12, "a", "2")}, promisePrefix},
		{"one that is newer", 11, []godwit.Record{put(12, "a", "2")}, promisePrefix},
		{"one that was replaced", 13, []godwit.Record{put(11, "a", "1"), put(13, "b", "2")}, promisePrefix},
		{"one that was deleted", 15, []godwit.Record{put(12, "a", "2"), put(13, "b", "2")}, promisePrefix},
		{"one that has expired", 15, []godwit.Record{put(12, "a", "2"), expiring(put(14, "c", "3"), 1)}, ""},
		{"one that was swept", 15, []godwit.Record{put(12, "a", "2")}, ""},
		{"within a transaction", 12, []godwit.Record{put(12, "a", "2")}, promiseWhole},
		{"beyond the log", 16, nil, promisePrefix},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := asked("1", "2", "3")
				m.logs(t, 0, put(11, "a", "1"))
				m.logs(t, 11, put(12, "a", "2"), put(13, "b", "2"))
				m.logs(t, 13, expiring(put(14, "c", "3"), 1), del(15, "b"))
				s := &snapshot{revision: tc.at, records: make(map[keyID]*record), expired: time.Now().Unix()}
				for i := range tc.entries {
					r := newRecord(&tc.entries[i])
					s.records[r.keyID] = r
				}
				want(t, m.inspected(edge(false), s), tc.want)
			})
		})
	}
}

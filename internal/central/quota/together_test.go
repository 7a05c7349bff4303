package quota_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/quota"
)

// slowLog is a log whose clearings of a namespace take until the test lets them go on.
type slowLog struct {
	godwit.Log
	slow godwit.NamespaceID
	goOn chan struct{}

	mu    sync.Mutex
	under int // clearings under way
	done  int
}

func (l *slowLog) Propose(_ context.Context, txs []godwit.Transaction) ([]godwit.Result, error) {
	if ns, _, clears := godwit.ClearedKeys(txs[0].Mutations[0].Key); clears && ns == l.slow {
		l.count(len(txs), 0)
		<-l.goOn
		l.count(-len(txs), len(txs))
	}
	return make([]godwit.Result, len(txs)), nil
}

func (l *slowLog) count(under, done int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.under += under
	l.done += done
}

// keysEach is how many keys each prefix has.
const keysEach = 30

// manyKeys is a Reader of a namespace in which each prefix has keysEach.
type manyKeys struct{ quota.Reader }

func (manyKeys) List(_ context.Context, _ godwit.NamespaceID, q godwit.ListQuery, _ godwit.ReadOptions) (*godwit.Page, error) {
	if q.Prefix == "" || q.Scan == nil || !q.Scan.Count {
		return nil, fmt.Errorf("unexpected query %+v", q)
	}
	return &godwit.Page{Keys: keysEach, Bytes: 5 * keysEach}, nil
}

func clearing(ns godwit.NamespaceID, prefixes ...string) (txs []godwit.Transaction) {
	for _, p := range prefixes {
		txs = append(txs, godwit.Transaction{Mutations: []godwit.Mutation{{
			Op: godwit.OpPut, Key: godwit.ClearingKey(ns, p), Value: godwit.Value{Inline: []byte{}},
		}}})
	}
	return txs
}

// slow is a log in which three prefixes can be cleared together, of one namespace that
// keeps history and one that does not.
func slow() (log *quota.Log, under *slowLog, kept, none godwit.NamespaceID) {
	kept, none = godwit.NamespaceID{15: 1}, godwit.NamespaceID{15: 2}
	under = &slowLog{slow: kept, goOn: make(chan struct{})}
	log = quota.New(quota.Config{
		Log: under, Reader: manyKeys{}, Metrics: prometheus.NewRegistry(), MaxCleared: 3 * keysEach * 600,
		Size: func(godwit.NamespaceID) (keys, bytes int64) { return 1000 * keysEach, 5000 * keysEach },
		Namespace: func(id godwit.NamespaceID) *godwit.Namespace {
			ns := &godwit.Namespace{ID: id}
			if id == kept {
				ns.Settings.History = "7d"
			}
			return ns
		},
	})
	return log, under, kept, none
}

// TestClearsTogether: clearings side by side hold no more memory than one may, wherever
// history is kept; what waits holds nobody else up.
func TestClearsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, under, kept, none := slow()
		var all sync.WaitGroup
		propose := func(txs []godwit.Transaction) {
			all.Go(func() {
				if _, err := log.Propose(t.Context(), txs); err != nil {
					t.Errorf("propose: %v", err)
				}
			})
		}
		want := func(running, done int) {
			t.Helper()
			synctest.Wait()
			if under.under != running || under.done != done {
				t.Errorf("%d clearings are under way and %d done, want %d and %d", under.under, under.done, running, done)
			}
		}
		const parts = 40
		for i := range parts {
			propose(clearing(kept, fmt.Sprint(i, "/")))
		}
		want(3, 0)
		put := []godwit.Transaction{{Mutations: []godwit.Mutation{{Op: godwit.OpPut, Namespace: kept, Key: "k"}}}}
		for _, txs := range [][]godwit.Transaction{clearing(none, ""), put} {
			if _, err := log.Propose(t.Context(), txs); err != nil {
				t.Errorf("propose: %v", err)
			}
		}
		for range 4 {
			under.goOn <- struct{}{}
		}
		want(3, 4)
		close(under.goOn)
		all.Wait()
		want(0, parts)
	})
}

// TestClearsOfOneProposal count together: they are carried out so.
func TestClearsOfOneProposal(t *testing.T) {
	log, under, kept, none := slow()
	close(under.goOn)
	for _, test := range []struct {
		txs     []godwit.Transaction
		refused bool
	}{
		{clearing(kept, "a/", "b/", "c/"), false},
		{clearing(kept, "a/", "b/", "c/", "d/"), true},
		{clearing(none, "", "a/", "b/", "c/", "d/"), false},
	} {
		_, err := log.Propose(t.Context(), test.txs)
		if test.refused != (godwit.CodeOf(err) == godwit.CodeInvalidRequest && strings.Contains(fmt.Sprint(err), "in parts")) || !test.refused && err != nil {
			t.Errorf("%d clearings: %v, refused: %t", len(test.txs), err, test.refused)
		}
	}
}

// TestClearGivesUpWaiting: a clearing whose client has gone while others were under way is
// not done.
func TestClearGivesUpWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, under, kept, _ := slow()
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() { _, _ = log.Propose(t.Context(), clearing(kept, fmt.Sprint(i, "/"))) })
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		all.Go(func() {
			if _, err := log.Propose(ctx, clearing(kept, "late/")); godwit.CodeOf(err) != godwit.CodeUnavailable || err == nil {
				t.Errorf("given up: %v", err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(under.goOn)
		all.Wait()
		if under.done != 3 {
			t.Errorf("%d clearings are done, want 3", under.done)
		}
	})
}

package catalog_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

const (
	account   = "0123456789abcdef0123456789abcdef"
	rootToken = "root-token-of-tests"
)

// memory is the system namespace and a log that changes it: what a store and a
// log are together, without a disk.
type memory struct {
	mu       sync.Mutex
	revision godwit.Revision
	entries  map[string]godwit.Record
	requests map[godwit.RequestKey]godwit.Result
	records  []godwit.Record // all that ever took effect
	catalog  *catalog.Catalog

	before func() // called once, ahead of the next proposal
	after  func() // called once, behind it
	err    error  // what proposals get
}

func newMemory() *memory {
	return &memory{
		entries:  make(map[string]godwit.Record),
		requests: make(map[godwit.RequestKey]godwit.Result),
	}
}

// Scan implements catalog.Source.
func (m *memory) Scan(ns godwit.NamespaceID, prefix string, fn func(*godwit.Entry) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	keys := make([]string, 0, len(m.entries))
	for key := range m.entries {
		if strings.HasPrefix(key, prefix) && ns == godwit.SystemNamespace {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		r := m.entries[key]
		if err := fn(&godwit.Entry{Key: key, Revision: r.Revision, Value: r.Value}); err != nil {
			return err
		}
	}
	return nil
}

// Propose implements godwit.Log.
func (m *memory) Propose(_ context.Context, txs []godwit.Transaction) ([]godwit.Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if before := m.before; before != nil {
		m.before = nil
		m.mu.Unlock()
		before()
		m.mu.Lock()
	}
	if m.err != nil {
		return nil, m.err
	}
	results := make([]godwit.Result, len(txs))
	for i := range txs {
		results[i] = m.decide(&txs[i])
	}
	if after := m.after; after != nil {
		m.after = nil
		m.mu.Unlock()
		after()
		m.mu.Lock()
	}
	return results, nil
}

// Barrier implements godwit.Log.
func (m *memory) Barrier(context.Context) (godwit.Revision, error) { return m.revision, nil }

func (m *memory) decide(tx *godwit.Transaction) godwit.Result {
	if res, ok := m.requests[tx.RequestKey]; ok && tx.RequestKey != (godwit.RequestKey{}) {
		res.Repeated = true
		return res
	}
	for i := range tx.Conditions {
		if !m.holds(&tx.Conditions[i]) {
			return godwit.Result{Outcome: godwit.ConditionFailed, Revision: m.revision}
		}
	}
	var records []godwit.Record
	for _, mutation := range tx.Mutations {
		_, live := m.entries[mutation.Key]
		if mutation.Op == godwit.OpDelete && !live {
			continue
		}
		m.revision++
		r := godwit.Record{Mutation: mutation, Revision: m.revision}
		records = append(records, r)
		if mutation.Op == godwit.OpDelete {
			delete(m.entries, mutation.Key)
		} else {
			m.entries[mutation.Key] = r
		}
	}
	m.records = append(m.records, records...)
	if m.catalog != nil {
		m.catalog.Apply(records)
	}
	res := godwit.Result{Outcome: godwit.Applied, Revision: m.revision}
	m.requests[tx.RequestKey] = res
	return res
}

func (m *memory) holds(c *godwit.Condition) bool {
	r, live := m.entries[c.Key]
	switch c.Kind {
	case godwit.MustBeAbsent:
		return !live
	case godwit.MustExist:
		return live
	case godwit.MustMatch:
		return live && slices.Contains(c.Revisions, r.Revision)
	default:
		return !live || !slices.Contains(c.Revisions, r.Revision)
	}
}

// now is the time of all tests but those that move it.
func now() time.Time { return time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC) }

// open opens a catalog on m.
func open(t testing.TB, m *memory) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Open(t.Context(), catalog.Config{
		Source: m, Log: m, Account: account, RootToken: rootToken, Now: now,
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	m.catalog = c
	return c
}

// create makes a namespace, and fails the test if that fails.
func create(t testing.TB, c *catalog.Catalog, title string) *godwit.Namespace {
	t.Helper()
	ns, err := c.CreateNamespace(t.Context(), title, "", godwit.RequestKey{})
	if err != nil {
		t.Fatalf("create %q: %v", title, err)
	}
	return ns
}

// wantCode checks an error's code; 0 is no error.
func wantCode(t testing.TB, what string, err error, code godwit.Code) {
	t.Helper()
	if (err != nil) != (code != 0) || err != nil && godwit.CodeOf(err) != code {
		t.Errorf("%s: got %v, want code %d", what, err, code)
	}
}

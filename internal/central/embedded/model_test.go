package embedded_test

import (
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// model is what the store must be equal to: the simplest thing that has the same
// meaning.
type model struct {
	revision godwit.Revision
	entries  map[id]entry
	requests map[godwit.RequestKey]godwit.Result
	past     past
}

type id struct {
	ns  godwit.NamespaceID
	key string
}

type entry struct {
	value, metadata   string
	expiration        int64
	revision          godwit.Revision
	created, modified int64
}

func newModel() *model {
	return &model{entries: map[id]entry{}, requests: map[godwit.RequestKey]godwit.Result{}, past: newPast()}
}

func (m *model) live(k id, now int64) (entry, bool) {
	e, ok := m.entries[k]
	return e, ok && (e.expiration == 0 || e.expiration > now)
}

// apply decides a transaction at a time in unix milliseconds; values are given,
// since the transaction's may be blobs.
func (m *model) apply(t godwit.Transaction, values []string, ms int64) godwit.Result {
	now := ms / 1000
	if r, ok := m.requests[t.RequestKey]; ok {
		r.Repeated = true
		return r
	}
	if outcome := m.judge(t, now); outcome != godwit.Applied {
		return godwit.Result{Outcome: outcome, Revision: m.revision}
	}
	r := godwit.Result{Outcome: godwit.Applied}
	for i, mu := range t.Mutations {
		value := values[i]
		if mu.Op == godwit.OpAdd {
			r.Sums = append(r.Sums, m.sum(mu, now).Int64())
			value = m.sum(mu, now).String()
			if old, live := m.live(id{mu.Namespace, mu.Key}, now); live {
				mu.Expiration = old.expiration
			}
		}
		m.mutate(mu, value, ms)
	}
	r.Revision = m.revision
	if t.RequestKey != (godwit.RequestKey{}) {
		m.requests[t.RequestKey] = r
	}
	return r
}

func (m *model) judge(t godwit.Transaction, now int64) godwit.Outcome {
	for _, mu := range t.Mutations {
		_, ok := m.live(id{godwit.SystemNamespace, catalog.NamespaceKey(mu.Namespace)}, now)
		if mu.Namespace != godwit.SystemNamespace && !ok {
			return godwit.NamespaceMissing
		}
	}
	for _, c := range t.Conditions {
		e, live := m.live(id{c.Namespace, c.Key}, now)
		matches := live && slices.Contains(c.Revisions, e.revision)
		holds := map[godwit.ConditionKind]bool{
			godwit.MustBeAbsent: !live, godwit.MustExist: live,
			godwit.MustMatch: matches, godwit.MustNotMatch: !matches,
		}[c.Kind]
		if !holds {
			return godwit.ConditionFailed
		}
	}
	for _, mu := range t.Mutations {
		if mu.Op == godwit.OpAdd && (m.sum(mu, now) == nil || !m.sum(mu, now).IsInt64()) {
			return godwit.NotNumber
		}
	}
	return godwit.Applied
}

// sum is what an add comes to, nil if it adds to what is no number.
func (m *model) sum(mu godwit.Mutation, now int64) *big.Int {
	sum := big.NewInt(mu.Delta)
	old, live := m.live(id{mu.Namespace, mu.Key}, now)
	if !live {
		return sum
	}
	n, ok := new(big.Int).SetString(old.value, 10)
	if !ok || !n.IsInt64() || len(old.value) > 20 {
		return nil
	}
	return sum.Add(sum, n)
}

func (m *model) mutate(mu godwit.Mutation, value string, ms int64) {
	k := id{mu.Namespace, mu.Key}
	old, live := m.live(k, ms/1000)
	if mu.Op == godwit.OpDelete {
		if live {
			m.revision++
			m.past.end(k, old, ms)
			delete(m.entries, k)
			m.dropNamespace(mu)
		}
		return
	}
	m.revision++
	e := entry{
		value: value, metadata: string(mu.Metadata), expiration: mu.Expiration,
		revision: m.revision, created: ms, modified: ms,
	}
	if live {
		e.created = old.created
	}
	if was, ok := m.entries[k]; ok {
		m.past.end(k, was, ms)
	}
	m.entries[k] = e
	m.clear(mu, ms)
	m.past.set(mu, value, m.entries, ms)
}

// clear removes what an entry of the system namespace clears.
func (m *model) clear(mu godwit.Mutation, ms int64) {
	text, ok := strings.CutPrefix(mu.Key, "cleared/")
	if mu.Namespace != godwit.SystemNamespace || !ok {
		return
	}
	maps.DeleteFunc(m.entries, func(k id, e entry) bool {
		goes := k.ns.String() == text[:32] && strings.HasPrefix(k.key, text[33:])
		if goes {
			m.past.end(k, e, ms)
		}
		return goes
	})
}

func (m *model) dropNamespace(mu godwit.Mutation) {
	if mu.Namespace != godwit.SystemNamespace {
		return
	}
	ns, err := godwit.ParseNamespaceID(strings.TrimPrefix(mu.Key, "namespace/"))
	if err != nil {
		return
	}
	maps.DeleteFunc(m.entries, func(k id, _ entry) bool { return k.ns == ns })
	m.past.drop(ns)
}

// keys are the live keys of a namespace with a prefix, sorted.
func (m *model) keys(ns godwit.NamespaceID, prefix string, now int64) []string {
	var keys []string
	for k := range m.entries {
		if _, live := m.live(k, now); live && k.ns == ns && strings.HasPrefix(k.key, prefix) {
			keys = append(keys, k.key)
		}
	}
	slices.Sort(keys)
	return keys
}

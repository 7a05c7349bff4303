package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// A namespace whose settings say so keeps earlier versions of its keys. Whoever takes
// a record that ends an entry moves the entry's row into h, in the same atomic write;
// its value stays where it is. The setting is the catalog's, so it is the log's order
// that says from which record on. No decision reads any of it, and nobody is told of
// it: an edge keeps none, and what comes out of order makes an end of what there is.

// namespaceHistory is what is known of the history of a namespace: its policy as the
// catalog has it, and its row of k.
type namespaceHistory struct {
	policy godwit.HistoryPolicy
	floor  instant // from there on nothing is missing but what keys' summaries tell of
	most   int64   // no key has more versions than that
	count          // of versions
	gone   bool    // with its namespace
}

// record tells whether the next version is kept.
func (h *namespaceHistory) record() bool { return h != nil && !h.gone && !h.policy.Off() }

// empty tells that nothing of it is worth a row.
func (h *namespaceHistory) empty() bool { return h.gone || h.policy.Off() && h.count == (count{}) }

// setPolicy puts another policy in force from an instant of the log on.
func (h *namespaceHistory) setPolicy(p godwit.HistoryPolicy, at instant) {
	if h.gone || h.policy.Off() && !p.Off() {
		h.floor = h.floor.after(at)
	}
	h.policy, h.gone = p, false
	h.most = max(h.most, int64(p.Versions))
}

// histories are those of all namespaces that have a policy or versions. Only whoever
// holds the store's write lock changes them, and so may read them without mu.
type histories struct {
	mu  sync.RWMutex
	all map[godwit.NamespaceID]namespaceHistory
}

func (h *histories) of(ns godwit.NamespaceID) (namespaceHistory, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	n, ok := h.all[ns]
	return n, ok
}

func (h *histories) put(ns godwit.NamespaceID, n namespaceHistory) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n.empty() {
		delete(h.all, ns)
		return
	}
	h.all[ns] = n
}

func (h *histories) total() (versions, bytes int64) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, n := range h.all {
		versions += n.keys
		bytes += n.bytes
	}
	return versions, bytes
}

// HistoryStats returns how many earlier versions a namespace keeps, and the bytes of
// their keys, values and metadata.
func (s *Store) HistoryStats(ns godwit.NamespaceID) (versions, bytes int64) {
	h, _ := s.histories.of(ns)
	return h.keys, h.bytes
}

// keepsHistory tells whether the store keeps earlier versions at all.
func (s *Store) keepsHistory() bool { return !s.cfg.Follower || s.cfg.History }

// loadHistories reads the rows of k and the policies. A namespace that has a policy
// and no row was followed, restored or copied so far: its history begins now.
func (s *Store) loadHistories() error {
	s.histories.all = make(map[godwit.NamespaceID]namespaceHistory)
	err := scanPrefix(s.db, []byte{prefixHistory}, func(k, row []byte) error {
		h, err := decodeNamespaceHistoryRow(row)
		if err != nil || len(k) != 1+nsLen {
			return errors.Join(fmt.Errorf("read history: %w", ErrCorrupt), err)
		}
		s.histories.all[godwit.NamespaceID(k[1:])] = h
		return nil
	})
	if err != nil || !s.keepsHistory() {
		return err
	}
	now := instant{godwit.Revision(s.applied.Load()), s.logTime.Load()}
	return scanPrefix(s.db, appendEntryKey(nil, godwit.SystemNamespace, namespacePrefix), func(k, _ []byte) error {
		ns, ok := namespaceOf(string(k[1+nsLen:]))
		if !ok {
			return nil
		}
		value, err := s.systemValue(k[1+nsLen:])
		if p := policyOf(value); err == nil && !p.Off() {
			h, known := s.histories.all[ns]
			if h.policy = p; !known {
				h.floor, h.most = now, int64(p.Versions)
			}
			s.histories.all[ns] = h
		}
		return err
	})
}

// systemValue is the value of an entry of the system namespace.
func (s *Store) systemValue(key []byte) ([]byte, error) {
	var e godwit.Entry
	at, err := readHeader(s.db, godwit.SystemNamespace, key, &e, nil)
	if err == nil && at == placeRow {
		err = readValue(s.db, godwit.SystemNamespace, &e)
	}
	return e.Value.Inline, err
}

// policyOf reads the policy out of a namespace's own entry. One that is not
// understood keeps nothing.
func policyOf(value []byte) godwit.HistoryPolicy {
	var ns godwit.Namespace
	if json.Unmarshal(value, &ns) != nil {
		return godwit.HistoryPolicy{}
	}
	p, err := godwit.ParseHistory(ns.Settings.History)
	if err != nil {
		return godwit.HistoryPolicy{}
	}
	return p
}

// history returns what the transaction knows of a namespace's history, to be changed,
// or nil if it has none.
func (tx *Tx) history(ns godwit.NamespaceID) *namespaceHistory {
	if h, ok := tx.histories[ns]; ok {
		return h
	}
	h, ok := tx.s.histories.all[ns]
	if !ok {
		return nil
	}
	return tx.keepHistory(ns, h)
}

func (tx *Tx) keepHistory(ns godwit.NamespaceID, h namespaceHistory) *namespaceHistory {
	if tx.histories == nil {
		tx.histories = make(map[godwit.NamespaceID]*namespaceHistory)
	}
	kept := new(namespaceHistory)
	*kept = h
	tx.histories[ns] = kept
	return kept
}

// setHistory puts the policy that a namespace's own entry has in force.
func (tx *Tx) setHistory(ns godwit.NamespaceID, r *godwit.Record) {
	p := policyOf(r.Value.Inline)
	h := tx.history(ns)
	switch {
	case !tx.s.keepsHistory(), h == nil && p.Off():
		return
	case h == nil:
		h = tx.keepHistory(ns, namespaceHistory{})
	}
	h.setPolicy(p, instant{r.Revision, tx.time})
}

// dropHistory forgets a deleted namespace's history.
func (tx *Tx) dropHistory(ns godwit.NamespaceID) {
	if h := tx.history(ns); h != nil {
		*h = namespaceHistory{gone: true}
	}
	for id := range tx.versions {
		if id.ns == ns {
			delete(tx.versions, id)
		}
	}
}

// beginHistories has the history of all namespaces begin where the store has become
// exact: what came before did not come in order.
func (tx *Tx) beginHistories() {
	for ns := range tx.s.histories.all {
		tx.history(ns) // so that it is among the transaction's
	}
	for _, h := range tx.histories {
		h.floor = h.floor.after(instant{tx.revision, tx.time})
	}
}

func (tx *Tx) writeHistories() {
	for ns, h := range tx.histories {
		tx.key = appendNS(tx.key[:0], prefixHistory, ns)
		if h.empty() {
			tx.delete(tx.key)
			continue
		}
		tx.row = appendNamespaceHistoryRow(tx.row[:0], h)
		tx.set(tx.key, tx.row)
	}
}

// leaveOrder drops all history before a store takes what does not continue the log:
// entries may then stand at revisions that versions have, too. It is done at once, in
// writes of bounded size before the transaction's.
func (tx *Tx) leaveOrder() {
	if tx.inexact || tx.mixed || tx.err != nil || len(tx.s.histories.all) == 0 {
		return
	}
	if len(tx.versions) > 0 {
		tx.err = errors.New("a transaction continues the log, and then does not")
		return
	}
	tx.err = tx.s.forgetHistories()
	for _, h := range tx.histories {
		h.count = count{}
	}
}

// forgetHistories drops all versions. Nobody else writes meanwhile. What a crash cuts
// off the next opening takes up.
func (s *Store) forgetHistories() error {
	b := s.db.NewBatch()
	defer func() { _ = b.Close() }()
	tx := Tx{s: s, gathered: gathered{batch: b}}
	flush := func(most int) error {
		if tx.err != nil || b.Len() < most {
			return tx.err
		}
		if err := b.Commit(pebble.NoSync); err != nil {
			return fmt.Errorf("forget history: %w", err)
		}
		b.Reset()
		return nil
	}
	tx.set(metaForget, nil)
	err := scanPrefix(s.db, []byte{prefixVersion}, func(k, row []byte) error {
		if err := tx.forgetVersion(k, row); err != nil {
			return err
		}
		return flush(256 << 10)
	})
	for ns := range s.histories.all {
		tx.delete(appendNS(nil, prefixHistory, ns))
	}
	tx.delete(metaForget)
	if err = errors.Join(err, flush(0)); err != nil {
		return err
	}
	s.histories.mu.Lock()
	defer s.histories.mu.Unlock()
	for ns, h := range s.histories.all {
		h.count = count{}
		s.histories.all[ns] = h
	}
	return nil
}

// loseHistories drops, while the store is being opened, all versions of one that
// keeps none from now on, and what is left of those that were being dropped.
func (s *Store) loseHistories() error {
	forget, err := s.getMeta(metaForget)
	if err != nil || forget == nil && (s.keepsHistory() || len(s.histories.all) == 0) {
		return err
	}
	if err := s.forgetHistories(); err != nil {
		return err
	}
	return s.loadHistories()
}

// forgetVersion drops what a row of h stands for, summaries too.
func (tx *Tx) forgetVersion(k, row []byte) error {
	ns, _, r, err := cutVersionKey(k)
	if err != nil {
		return err
	}
	tx.delete(k)
	if r == 0 {
		return nil
	}
	v, err := decodeVersionRow(row)
	if err == nil {
		tx.dropVersionRows(ns, &v)
	}
	return err
}

package store

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// A store whose log is at an upstream is exact, a prefix of that log, or mixed: it
// holds parts of later states, or of another log, that Reach makes whole. Mixed
// is a row, so that it is known after a crash too.

// CatchUp makes a record take effect unless what stands under its key is as new,
// or its namespace has been deleted since. The position stays: Reach moves it
// once all records up to there are in. As for Apply, r's bytes stay the same until
// the commit's Wait returns.
func (tx *Tx) CatchUp(r *godwit.Record) error {
	old, err := tx.Head(r.Namespace, r.Key)
	if err != nil {
		return err
	}
	tx.mix(r.Revision)
	if is, err := tx.superseded(r, old); is || err != nil {
		return cmp.Or(err, tx.clearBy(r))
	}
	return tx.takeOver(r, old)
}

// Install puts an entry as an upstream has it, whatever stands under its key,
// newer too. The position stays. Entries that come in order of place cost least.
// As for Apply, r's bytes stay the same until the commit's Wait returns.
func (tx *Tx) Install(r *godwit.Record) error {
	old, err := tx.headInOrder(r.Namespace, r.Key)
	if err != nil {
		return err
	}
	tx.mix(r.Revision)
	from, own := len(tx.rows), len(tx.changes)
	if err := tx.takeOver(r, old); err != nil {
		return err
	}
	tx.rows = tx.rows[:from] // a copy of everything is not what is read most
	tx.changes[own].to = from
	return nil
}

// mix notes that the transaction does not continue the log, and how far it looks
// ahead in it.
func (tx *Tx) mix(r godwit.Revision) {
	tx.single()
	tx.leaveOrder()
	tx.inexact = true
	tx.ahead = max(tx.ahead, r)
}

// superseded tells whether a record means nothing any more: old, which stands
// under its key, is as new, or its namespace was deleted after it.
func (tx *Tx) superseded(r *godwit.Record, old Head) (bool, error) {
	if old.kind != headNone && old.Revision >= r.Revision {
		return true, nil
	}
	if r.Namespace == godwit.SystemNamespace {
		return false, nil
	}
	if tx.ownKey == "" || tx.ownNS != r.Namespace {
		tx.ownNS, tx.ownKey = r.Namespace, namespacePrefix+r.Namespace.String()
	}
	h, err := tx.Head(godwit.SystemNamespace, tx.ownKey)
	return h.kind == headDeleted && h.Revision > r.Revision, err
}

// takeOver makes a record that may bring back what was gone take effect.
func (tx *Tx) takeOver(r *godwit.Record, old Head) error {
	if r.Op == godwit.OpPut && r.Namespace == godwit.SystemNamespace {
		if err := tx.revive(r.Key); err != nil {
			return err
		}
	}
	return tx.take(r, old)
}

// revive lets a namespace that was deleted here exist again: another log may not
// have deleted it. What the deletion left behind goes first, since the sweeper
// knows it by the namespace's id alone.
func (tx *Tx) revive(key string) error {
	ns, ok := namespaceOf(key)
	if !ok {
		return nil
	}
	if slices.Contains(tx.dropped, ns) {
		return fmt.Errorf("namespace %s is deleted and made again in one transaction", ns)
	}
	if tx.rewound {
		return fmt.Errorf("namespace %s is made again in a transaction that rewinds", ns)
	}
	_, closer, err := tx.s.db.Get(appendNS(tx.key[:0], prefixDropped, ns))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read dropped row: %w", err)
	}
	ctx := context.Background()
	return errors.Join(closer.Close(), tx.s.sweepDropped(ctx), tx.s.collectAll(ctx))
}

// Remove takes away what stands under a key and leaves no tombstone. Removing a
// namespace's own entry removes its keys with it. The position stays.
func (tx *Tx) Remove(p Place) error {
	old, err := tx.headInOrder(p.Namespace, p.Key)
	if err != nil || old.kind == headNone {
		return err
	}
	tx.mix(0)
	tx.removeHead(p.Namespace, p.Key, old, false)
	tx.forgetRow(old)
	id := entryID{p.Namespace, p.Key}
	tx.changes = append(tx.changes, change{hash: hotHash(tx.s.hot, p.Namespace, p.Key), id: id})
	tx.heads[id] = Head{change: len(tx.changes)}
	if old.kind != headEntry {
		return tx.err
	}
	tx.delete(appendEntryKey(tx.key[:0], p.Namespace, p.Key))
	tx.note(&godwit.Record{Mutation: godwit.Mutation{Op: godwit.OpDelete, Namespace: p.Namespace, Key: p.Key}})
	return tx.err
}

// Reach moves the position to r, which makes the store an exact prefix of the
// log up to there, unless it holds what is newer still. Error: r is before the
// position; see Rewind.
func (tx *Tx) Reach(r godwit.Revision) error {
	if r < tx.revision || r > godwit.MaxRevision {
		return fmt.Errorf("revision %d cannot be reached from %d", r, tx.revision)
	}
	tx.revision, tx.reached = r, true
	return nil
}

// Rewind sets the position to r without the claim that the store is exact there:
// back, where the log's owner has lost what came after, or to the lowest state
// that a copy was made of. What the log does not hold must have been replaced or
// removed before; tombstones from after r go, since they would keep out what the
// log brings under their keys. The store counts as mixed until Reach.
func (tx *Tx) Rewind(r godwit.Revision) {
	tx.single()
	tx.leaveOrder()
	if !tx.rewound || r < tx.floor {
		tx.floor = r
	}
	tx.inexact, tx.rewound = true, true
	tx.revision, tx.ahead = r, 0
	for _, h := range tx.heads {
		if h.kind == headEntry && h.Revision > r {
			tx.ahead = max(tx.ahead, h.Revision)
		}
	}
	tx.check(tx.takeApart(r))
	tx.rewindWiped(r)
}

// Mixed tells that the store holds parts of more than one state of the log: it
// was catching up, or becoming a copy, and did not come to the end of it.
func (s *Store) Mixed() bool { return s.mixed.Load() }

// writeMixed keeps with the transaction whether the store is mixed after it.
func (tx *Tx) writeMixed() {
	was := tx.mixed
	tx.mixed = was || tx.inexact
	if tx.reached && tx.revision >= tx.ahead {
		tx.mixed, tx.ahead = false, 0
		tx.beginHistories()
	}
	switch {
	case tx.mixed && (!was || tx.ahead != tx.s.ahead):
		tx.row = appendPair(tx.row[:0], uint64(tx.ahead), 0)
		tx.set(metaMixed, tx.row)
	case was && !tx.mixed:
		tx.delete(metaMixed)
	}
}

// Follow takes over an upstream's identity: its cluster id, lineage with its
// generation, and a purge floor of at least purged. From then on the store is a
// follower's: values that are not here can be had again. Error: the identity is
// none, or of an older generation than the store's.
func (tx *Tx) Follow(cluster string, l godwit.Lineage, purged godwit.Revision) error {
	id, err := hex.DecodeString(cluster)
	if err != nil || len(id) != nsLen {
		return fmt.Errorf("%q is not a cluster id", cluster)
	}
	for i, e := range l {
		if e.First == 0 || e.First > godwit.MaxRevision || e.After >= e.First || i > 0 && (e.First <= l[i-1].First || e.After != 0 && e.After < l[i-1].First || e.Generation < l[i-1].Generation) {
			return fmt.Errorf("epoch %s at revision %d is out of order", e.ID, e.First)
		}
	}
	if g := l.Generation(); g < tx.ownership().generation {
		return fmt.Errorf("the log is of generation %d, and the store of %d", g, tx.ownership().generation)
	}
	tx.RaiseGeneration(l.Generation())
	tx.set(metaCluster, id)
	tx.set(metaFollower, nil)
	tx.cluster = &cluster
	for _, e := range tx.s.Lineage() {
		tx.delete(appendLineageKey(tx.key[:0], e.First))
	}
	for _, e := range l {
		tx.set(appendLineageKey(tx.key[:0], e.First), appendLineageRow(nil, e))
	}
	l = slices.Clone(l)
	tx.lineage = &l
	tx.raisePurged(purged)
	return tx.err
}

// SetNote keeps a note of the follower's own, such as how far a reconcile came,
// with what else the transaction changes; nil removes it.
func (tx *Tx) SetNote(name string, text []byte) {
	if text == nil {
		tx.delete(appendNoteKey(tx.key[:0], name))
		return
	}
	tx.set(appendNoteKey(tx.key[:0], name), text)
}

// Note returns what SetNote kept, or nil.
func (s *Store) Note(name string) ([]byte, error) { return s.getMeta(appendNoteKey(nil, name)) }

// Sync makes all that was committed so far durable.
func (s *Store) Sync() error { return s.syncLog() }

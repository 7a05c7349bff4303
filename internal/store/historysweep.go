package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// sweepHistories drops the versions that are older than their namespaces keep them,
// or more than they keep, a chunk at a time. What is damaged in one namespace holds no
// other up.
func (s *Store) sweepHistories(ctx context.Context) (damaged error) {
	s.histories.mu.RLock()
	var some []godwit.NamespaceID
	for ns, h := range s.histories.all {
		if h.keys > 0 {
			some = append(some, ns)
		}
	}
	s.histories.mu.RUnlock()
	for _, ns := range some {
		err := cmp.Or(s.sweepEnded(ctx, ns), s.sweepSurplus(ctx, ns))
		if err != nil && !IsDamage(err) {
			return err
		}
		damaged = cmp.Or(damaged, err)
	}
	return damaged
}

// sweepEnded drops what ended too long ago in one namespace.
func (s *Store) sweepEnded(ctx context.Context, ns godwit.NamespaceID) (err error) {
	c := chunks{s, appendNS(nil, prefixEnded, ns)}
	for more := true; more && err == nil; {
		if err = ctx.Err(); err == nil {
			more, err = s.sweepHistory(ns, func(tx *Tx, h *namespaceHistory) (bool, error) { return tx.dropEnded(ns, h, &c) })
		}
	}
	return err
}

// sweepSurplus drops what the keys of one namespace have too many of, after the
// setting was turned down.
func (s *Store) sweepSurplus(ctx context.Context, ns godwit.NamespaceID) (err error) {
	h, _ := s.histories.of(ns)
	w := surplus{ns: ns, limit: h.policy.Versions}
	for more := !h.policy.Off() && h.most > int64(w.limit); more && err == nil; {
		if err = ctx.Err(); err == nil {
			more, err = s.sweepHistory(ns, w.step)
		}
	}
	return err
}

// sweepHistory carries out one chunk under the write lock.
func (s *Store) sweepHistory(ns godwit.NamespaceID, fn func(*Tx, *namespaceHistory) (bool, error)) (more bool, err error) {
	tx := s.Begin()
	h := tx.history(ns)
	if h == nil || tx.mixed {
		tx.Rollback()
		return false, nil
	}
	was := *h
	more, err = fn(tx, h)
	if err != nil || *h == was {
		tx.Rollback()
		return more, err
	}
	tx.writeHistories() // so that the transaction is not an empty one
	return more, tx.commitAside()
}

// dropEnded drops a chunk of the versions that ended before the namespace's time, in the
// order in which they did.
func (tx *Tx) dropEnded(ns godwit.NamespaceID, h *namespaceHistory, c *chunks) (more bool, err error) {
	before := tx.s.cfg.Sure().Add(-tx.s.historySpan(ns, h.policy.Span)).UnixMilli()
	more, err = c.each(successor(appendNS(nil, prefixEnded, ns)), func(k, row []byte) error {
		_, _, r, err := cutEndedKey(k)
		if err != nil || len(row) < 8 {
			return errors.Join(fmt.Errorf("read row of an ended version: %w", ErrCorrupt), err)
		}
		if !h.policy.Off() && int64(binary.BigEndian.Uint64(row)) > before {
			return errEnough
		}
		return tx.dropOver(h, entryID{ns, string(row[8:])}, r)
	})
	return more, errors.Join(err, tx.err)
}

// dropOver drops a version whose time is over.
func (tx *Tx) dropOver(h *namespaceHistory, id entryID, r godwit.Revision) error {
	row, closer, err := tx.s.db.Get(appendVersionKey(nil, id.ns, id.key, r))
	if err != nil {
		return fmt.Errorf("read version: %w", err)
	}
	v, err := decodeVersionRow(bytes.Clone(row))
	if err := errors.Join(err, closer.Close()); err != nil {
		return err
	}
	kv, err := tx.versionsOf(id)
	if err != nil {
		return err
	}
	h.floor = h.floor.after(v.until)
	tx.dropVersion(h, id, kv, &v)
	tx.writeSummary(id, kv)
	return nil
}

// surplus is a walk through the keys of a namespace that may have more versions than
// it keeps.
type surplus struct {
	ns    godwit.NamespaceID
	limit int
	next  []byte // where it goes on
}

// step goes on with the walk. It ends early where the setting has changed meanwhile:
// another walk begins then.
func (w *surplus) step(tx *Tx, h *namespaceHistory) (more bool, err error) {
	if h.policy.Versions != w.limit {
		return false, nil
	}
	all := appendNS(nil, prefixVersion, w.ns)
	if w.next == nil {
		w.next = all
	}
	it, err := tx.s.db.NewIter(&pebble.IterOptions{LowerBound: w.next, UpperBound: successor(all)})
	if err != nil {
		return false, fmt.Errorf("open iterator: %w", err)
	}
	looked := 0
	for ok := it.First(); ok && err == nil; looked++ {
		if looked >= sweepChunk {
			w.next = bytes.Clone(it.Key())
			return true, it.Close()
		}
		var key []byte
		if _, key, _, err = cutVersionKey(it.Key()); err != nil {
			break
		}
		id := entryID{w.ns, string(key)}
		var dropped int
		dropped, err = tx.dropSurplus(h, id)
		looked += dropped
		ok = it.SeekGE(successor(appendHistoryKey(nil, w.ns, id.key)))
	}
	if err = errors.Join(err, it.Error(), it.Close()); err == nil {
		h.most = int64(w.limit)
	}
	return false, err
}

// dropSurplus drops the oldest versions of a key that are too many.
func (tx *Tx) dropSurplus(h *namespaceHistory, id entryID) (dropped int, err error) {
	kv, err := tx.versionsOf(id)
	if err != nil {
		return 0, err
	}
	dropped = max(0, int(kv.versions)-h.policy.Versions)
	if dropped > 0 {
		err = tx.limitVersions(h, id, kv, dropped)
	}
	return dropped, err
}

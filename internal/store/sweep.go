package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/planted"
)

// The sweeper drops what time has made invisible: values of expired entries at
// once, tombstones after the retention, versions that are kept no longer, files of blobs that none names, rows
// that deleted and cleared namespaces left behind, remembered requests. Nothing of it goes
// through the log, and nothing that a decision reads depends on it.
const sweepChunk = 512 // keys under one hold of the write lock

func (s *Store) sweepLoop(ctx context.Context) error {
	tick := time.NewTimer(s.untilSweep())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			tick.Reset(s.untilSweep())
		}
		s.space.measure()
		if s.durable.failure() != nil {
			return nil
		}
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Logger.Error("sweep", "error", err.Error())
		}
	}
}

// sweepDelay is how long after a second begins it is swept: enough for a timer
// never to be early.
const sweepDelay = 2 * time.Millisecond

// untilSweep is how long it takes until a second has begun, by the corrected
// clock: entries expire then, and who is told of that is told at once.
func (s *Store) untilSweep() time.Duration {
	now := s.cfg.Now()
	return now.Truncate(s.cfg.sweepEvery).Add(s.cfg.sweepEvery + sweepDelay).Sub(now)
}

// Sweep does at once what the store does every second. Errors are those of the
// database.
func (s *Store) Sweep(ctx context.Context) error {
	return errors.Join(
		s.sweepDue(ctx),
		s.sweepHistories(ctx),
		s.sweepRequests(ctx),
		s.sweepProposers(ctx),
		s.sweepGarbage(ctx),
		s.sweepDropped(ctx),
		s.sweepWiped(ctx),
		s.sweepIndex(ctx),
	)
}

// Expired is an entry that its second has made absent.
type Expired struct {
	Namespace godwit.NamespaceID
	Key       string
	Revision  godwit.Revision
	At        int64 // unix seconds
}

type dueRow struct {
	due int64
	id  entryID
}

// sweepDue handles all rows of x up to now, a chunk at a time.
func (s *Store) sweepDue(ctx context.Context) error {
	for ctx.Err() == nil {
		rows, err := s.dueRows(s.cfg.Now().Unix())
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := s.sweepRows(rows); err != nil {
			return err
		}
	}
	return ctx.Err()
}

var errEnough = errors.New("enough")

func (s *Store) dueRows(now int64) (rows []dueRow, err error) {
	upper := binary.BigEndian.AppendUint64([]byte{prefixDue}, uint64(now+1))
	err = scanRange(s.db, []byte{prefixDue}, upper, func(k, _ []byte) error {
		due, ns, key, ok := cutDueKey(k)
		if !ok {
			return fmt.Errorf("read due row: %w", ErrCorrupt)
		}
		if rows = append(rows, dueRow{due, entryID{ns, string(key)}}); len(rows) == sweepChunk {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return rows, err
}

func (s *Store) sweepRows(rows []dueRow) error {
	tx := s.Begin()
	tx.ended = rows[0].due * 1000 // of an idle log the time is much older
	tell := s.cfg.OnExpired
	var expired []Expired
	for _, r := range rows {
		h, err := tx.Head(r.id.ns, r.id.key)
		if err != nil {
			tx.Rollback()
			return err
		}
		switch {
		case h.kind == headEntry && h.Expiration == r.due:
			tx.sweepExpired(r.id, h)
			if tell != nil {
				expired = append(expired, Expired{r.id.ns, r.id.key, h.Revision, h.Expiration})
			}
		case h.kind == headSwept && h.due == r.due && s.cfg.Follower && h.Live(s.logTime.Load()/1000):
			tx.postpone(r.id, h)
		case h.kind != headNone && h.kind != headEntry && h.due == r.due:
			tx.removeHead(r.id.ns, r.id.key, h, false)
			tx.heads[r.id] = Head{}
			if !planted.ForgetTombstone {
				tx.raisePurged(h.Revision)
			}
		default: // of a namespace that is gone
			tx.delete(appendDueKey(tx.key[:0], r.due, r.id.ns, r.id.key))
		}
	}
	if len(expired) > 0 {
		tell(expired) // before any other transaction can put one of the keys again
	}
	c, err := tx.Commit(NoSync)
	if err != nil {
		return err
	}
	return c.release()
}

// sweepExpired drops an expired entry's value at once; its header stays as its
// own tombstone.
func (tx *Tx) sweepExpired(id entryID, h Head) {
	kept := tx.keepVersion(id, h, instant{tx.revision + 1, h.Expiration * 1000}, godwit.VersionExpired)
	tx.removeBody(id.ns, id.key, h, kept)
	due := h.Expiration + int64(tx.s.cfg.Retention/time.Second)
	tx.heads[id] = tx.putTombstone(id.ns, id.key, tombstoneRow{
		kind: tombSwept, revision: h.Revision, due: due, expiration: h.Expiration, created: h.Created,
		number: tx.stillANumber(h),
	})
	tx.changes = append(tx.changes, change{hash: hotHash(tx.s.hot, id.ns, id.key), id: id})
}

// postpone keeps the header of an entry that has not expired by the log's time
// yet, which is behind: what comes next in the log is decided on it.
func (tx *Tx) postpone(id entryID, h Head) {
	tx.removeBody(id.ns, id.key, h, false)
	due := tx.s.cfg.Now().Unix() + max(int64(tx.s.cfg.Retention/time.Second), 1)
	tx.heads[id] = tx.putTombstone(id.ns, id.key, tombstoneRow{
		kind: tombSwept, revision: h.Revision, due: due, expiration: h.Expiration, created: h.Created,
		number: h.number,
	})
}

// stillANumber is the number of a value that is dropped, as long as the log's time
// lets the next decision add to it.
func (tx *Tx) stillANumber(h Head) number {
	if h.Live(tx.time / 1000) {
		return h.number
	}
	return number{}
}

// sweepRequests forgets transactions after RequestWindow, a chunk at a time and
// under the write lock: a request that is applied again after the window has two
// rows in p, and only the last one's time stands in q.
func (s *Store) sweepRequests(ctx context.Context) error {
	for ctx.Err() == nil {
		more, err := s.sweepRequestChunk()
		if err != nil || !more {
			return err
		}
	}
	return ctx.Err()
}

func (s *Store) sweepRequestChunk() (more bool, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	old := s.logTime.Load() - RequestWindow.Milliseconds()
	if old <= 0 {
		return false, nil
	}
	upper := binary.BigEndian.AppendUint64([]byte{prefixReqTime}, uint64(old))
	rows, err := s.firstRows([]byte{prefixReqTime}, upper)
	if err != nil || len(rows) == 0 {
		return false, err
	}
	b := s.db.NewBatch()
	defer b.Close()
	for _, r := range rows {
		ms, k, err := decodeReqTimeKey(r.key)
		if err != nil {
			return false, err
		}
		if err := errors.Join(b.Delete(r.key, nil), s.forgetRequest(b, ms, k)); err != nil {
			return false, err
		}
	}
	return true, b.Commit(pebble.NoSync)
}

// forgetRequest deletes a request's row of q, unless it was remembered again later.
func (s *Store) forgetRequest(b *pebble.Batch, ms int64, k godwit.RequestKey) error {
	q := appendRequestKey(nil, k)
	row, closer, err := s.db.Get(q)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	r, err := decodeRequestRow(row)
	if err := errors.Join(err, closer.Close()); err != nil {
		return err
	}
	if r.time != ms {
		return nil
	}
	return b.Delete(q, nil)
}

type row struct{ key, value []byte }

// firstRows returns up to sweepChunk rows of a range.
func (s *Store) firstRows(lower, upper []byte) (rows []row, err error) {
	err = scanRange(s.db, lower, upper, func(k, v []byte) error {
		if rows = append(rows, row{bytes.Clone(k), bytes.Clone(v)}); len(rows) == sweepChunk {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return rows, err
}

// syncLog returns once all that was committed so far is on the disk. A blob's
// file goes only after that: a crash must not bring back an entry without it.
func (s *Store) syncLog() error {
	if err := s.db.LogData(nil, pebble.Sync); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return nil
}

// sweepGarbage removes the files of blobs that none has named for the grace.
func (s *Store) sweepGarbage(ctx context.Context) error {
	upper := binary.BigEndian.AppendUint64([]byte{prefixGarbage}, uint64(s.cfg.Now().Unix()+1))
	for ctx.Err() == nil {
		rows, err := s.firstRows([]byte{prefixGarbage}, upper)
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := s.removeGarbage(rows); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (s *Store) removeGarbage(rows []row) error {
	if err := s.syncLog(); err != nil {
		return err
	}
	b := s.db.NewBatch()
	defer b.Close()
	for _, r := range rows {
		if len(r.key) != 1+8+idLen {
			return fmt.Errorf("read garbage row: %w", ErrCorrupt)
		}
		if err := errors.Join(s.removeUnnamed(godwit.BlobID(r.key[9:]), r.value), b.Delete(r.key, nil)); err != nil {
			return err
		}
	}
	return b.Commit(pebble.NoSync)
}

// removeUnnamed removes a blob's file unless the blob has got a name again, which
// it can where another state is taken over. ns is the namespace it was of, or
// empty where none could.
func (s *Store) removeUnnamed(id godwit.BlobID, ns []byte) error {
	if len(ns) == nsLen {
		_, closer, err := s.db.Get(appendBlobKey(nil, godwit.NamespaceID(ns), id))
		if err == nil {
			return closer.Close()
		}
		if !errors.Is(err, pebble.ErrNotFound) {
			return fmt.Errorf("read blob row: %w", err)
		}
	}
	return s.blobs.Remove(id)
}

// goneRow is the row of d of a namespace of which nothing but records in i and r is
// left.
var goneRow = []byte{1}

// goneNamespaces are those whose records in i and r are to be left out.
func (s *Store) goneNamespaces() (map[godwit.NamespaceID]bool, error) {
	gone := make(map[godwit.NamespaceID]bool)
	return gone, s.scanDropped(func(ns godwit.NamespaceID, row []byte) {
		if len(row) > 0 {
			gone[ns] = true
		}
	})
}

func (s *Store) scanDropped(fn func(ns godwit.NamespaceID, row []byte)) error {
	return scanPrefix(s.db, []byte{prefixDropped}, func(k, row []byte) error {
		if len(k) != 1+nsLen {
			return fmt.Errorf("read dropped row: %w", ErrCorrupt)
		}
		fn(godwit.NamespaceID(k[1:]), row)
		return nil
	})
}

// sweepDropped clears away what deleted namespaces left in b and x; sweepIndex does
// the rest. Ids are never reused, so nobody else touches these rows.
func (s *Store) sweepDropped(ctx context.Context) error {
	s.dropping.Lock()
	defer s.dropping.Unlock()
	var dropped []godwit.NamespaceID
	err := s.scanDropped(func(ns godwit.NamespaceID, row []byte) {
		if len(row) == 0 {
			dropped = append(dropped, ns)
		}
	})
	if err != nil || len(dropped) == 0 {
		return err
	}
	if err := s.syncLog(); err != nil {
		return err
	}
	gone := make(map[godwit.NamespaceID]bool)
	for _, ns := range dropped {
		gone[ns] = true
		if err := s.dropBlobs(ctx, ns); err != nil {
			return err
		}
	}
	if err := s.dropDues(ctx, gone); err != nil {
		return err
	}
	b := s.db.NewBatch()
	defer b.Close()
	for _, ns := range dropped {
		if err := b.Set(appendNS(nil, prefixDropped, ns), goneRow, nil); err != nil {
			return fmt.Errorf("gather write: %w", err)
		}
	}
	return b.Commit(pebble.NoSync)
}

func (s *Store) dropBlobs(ctx context.Context, ns godwit.NamespaceID) error {
	lower := appendNS(nil, prefixBlob, ns)
	return s.deleteRange(ctx, lower, successor(lower), func(b *pebble.Batch, k, _ []byte) error {
		_, id, err := cutBlobKey(k)
		if err != nil {
			return err
		}
		return errors.Join(s.blobs.Remove(id), b.Delete(k, nil))
	})
}

func (s *Store) dropDues(ctx context.Context, gone map[godwit.NamespaceID]bool) error {
	lower, upper := []byte{prefixDue}, []byte{prefixDue + 1}
	return s.deleteRange(ctx, lower, upper, func(b *pebble.Batch, k, _ []byte) error {
		if _, ns, _, ok := cutDueKey(k); !ok || !gone[ns] {
			return nil
		}
		return b.Delete(k, nil)
	})
}

// deleteRange lets fn gather deletions for the rows of a range, and commits them
// in batches of bounded size.
func (s *Store) deleteRange(ctx context.Context, lower, upper []byte, fn func(b *pebble.Batch, k, v []byte) error) error {
	const most = 256 << 10
	rows := 0
	b := s.db.NewBatch()
	defer func() { _ = b.Close() }()
	err := scanRange(s.db, lower, upper, func(k, v []byte) error {
		if err := fn(b, k, v); err != nil {
			return err
		}
		if rows++; b.Len() < most {
			if rows%1024 == 0 {
				return ctx.Err()
			}
			return nil
		}
		if err := b.Commit(pebble.NoSync); err != nil {
			return err
		}
		b.Reset()
		return ctx.Err()
	})
	if err != nil || b.Empty() {
		return err
	}
	return b.Commit(pebble.NoSync)
}

// removeOrphans deletes the files of blobs that were uploaded but that no
// record names. It runs when nothing is being uploaded.
func (s *Store) removeOrphans() error {
	ids, err := s.blobs.IDs()
	if err != nil || len(ids) == 0 {
		return err
	}
	named := make(map[godwit.BlobID]bool)
	note := func(k, _ []byte) error {
		if len(k) > idLen {
			named[godwit.BlobID(k[len(k)-idLen:])] = true
		}
		return nil
	}
	err = errors.Join(
		scanPrefix(s.db, []byte{prefixBlob}, note),
		scanPrefix(s.db, []byte{prefixGarbage}, note),
	)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !named[id] {
			if err := s.blobs.Remove(id); err != nil {
				return err
			}
		}
	}
	return nil
}

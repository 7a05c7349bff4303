package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/planted"
)

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

// sweepDue handles all rows of x up to a time that has come for sure, a chunk at a time:
// what is dropped too early is gone, at this node and no other.
func (s *Store) sweepDue(ctx context.Context) error {
	w := dueWalk{chunks: chunks{s, []byte{prefixDue}}}
	for ctx.Err() == nil {
		rows, more, err := w.take(s.cfg.Sure().Unix())
		err = errors.Join(w.sweep(rows), err) // those before what could not be read too
		if err != nil || !more {
			return errors.Join(err, w.damage())
		}
	}
	return ctx.Err()
}

// dueWalk is a walk through the rows of x. What is damaged it leaves out: it holds nothing
// else up, of whatever namespace.
type dueWalk struct {
	chunks
	damaged int   // rows that were left out
	first   error // of the first of them
}

func (w *dueWalk) leaveOut(err error) {
	if w.damaged++; w.first == nil {
		w.first = err
	}
}

func (w *dueWalk) damage() error {
	if w.damaged == 0 {
		return nil
	}
	return fmt.Errorf("leave out what is due, %d in all: %w", w.damaged, w.first)
}

// take returns a chunk of the rows of x up to now.
func (w *dueWalk) take(now int64) (rows []dueRow, more bool, err error) {
	upper := secondKey(prefixDue, now+1)
	more, err = w.each(upper, func(k, _ []byte) error {
		due, ns, key, ok := cutDueKey(k)
		if !ok {
			w.leaveOut(fmt.Errorf("read due row: %w", ErrCorrupt))
			return nil
		}
		rows = append(rows, dueRow{due, entryID{ns, string(key)}})
		return nil
	})
	return rows, more, err
}

// sweep handles a chunk, in one transaction unless something is damaged.
func (w *dueWalk) sweep(rows []dueRow) error {
	err := w.s.sweepRows(rows)
	if len(rows) > 1 && IsDamage(err) {
		for i := range rows {
			if err := w.sweep(rows[i : i+1]); err != nil {
				return err
			}
		}
		return nil
	}
	if IsDamage(err) {
		w.leaveOut(err)
		return nil
	}
	return err
}

func (s *Store) sweepRows(rows []dueRow) error {
	if len(rows) == 0 {
		return nil
	}
	tx := s.Begin()
	tx.ended = rows[0].due * 1000 // of an idle log the time is much older
	var expired []Expired
	for _, r := range rows {
		h, err := tx.Head(r.id.ns, r.id.key)
		if err == nil && tx.sweepRow(r, h) {
			expired = append(expired, Expired{r.id.ns, r.id.key, h.Revision, h.Expiration})
		}
		if err = cmp.Or(err, tx.err); err != nil {
			tx.Rollback()
			return err
		}
	}
	if tell := s.cfg.OnExpired; tell != nil && len(expired) > 0 {
		tell(expired) // before any other transaction can put one of the keys again
	}
	return tx.commitAside()
}

// sweepRow does what is due, and tells whether it was that an entry expires.
func (tx *Tx) sweepRow(r dueRow, h Head) (expired bool) {
	s := tx.s
	switch {
	case h.kind == headEntry && h.Expiration == r.due:
		tx.sweepExpired(r.id, h)
		return true
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
	return false
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

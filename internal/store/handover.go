package store

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/godwitkv/godwit"
)

// What decisions read of a log that several nodes share, beside entries, is rows
// that no follower is told of: a node that is to decide like the others takes them
// over whole.

// KnownProposer is a proposer of a shared log that is remembered.
type KnownProposer struct {
	ID     ProposerID
	Number uint64 // of its last batch
	Time   int64  // the log's then, unix milliseconds
}

// KnownRequest is a transaction that is remembered by its request key.
type KnownRequest struct {
	Key      godwit.RequestKey
	Revision godwit.Revision
	Time     int64   // the log's when it was applied, unix milliseconds
	Sums     []int64 // of its adds
}

// Note returns what SetNote had kept in this state, or nil.
func (v *View) Note(name string) (text []byte, err error) {
	_, err = v.get(appendNoteKey(nil, name), func(row []byte) error {
		text = append([]byte{}, row...)
		return nil
	})
	return text, err
}

// Proposers calls fn for each proposer that decisions still remember.
func (v *View) Proposers(ctx context.Context, fn func(KnownProposer) error) error {
	return v.known(ctx, prefixProposer, len(ProposerID{}), func(k, row []byte) error {
		number, ms, err := decodePair(row)
		if err != nil || v.time-int64(ms) > ProposerWindow.Milliseconds() {
			return err
		}
		return fn(KnownProposer{ProposerID(k), number, int64(ms)})
	})
}

// Requests calls fn for each transaction that decisions still remember.
func (v *View) Requests(ctx context.Context, fn func(KnownRequest) error) error {
	return v.known(ctx, prefixRequest, reqLen, func(k, row []byte) error {
		r, err := decodeRequestRow(row)
		if err != nil || v.time-r.time > RequestWindow.Milliseconds() {
			return err
		}
		return fn(KnownRequest{godwit.RequestKey(k), r.revision, r.time, r.sums})
	})
}

// known reads rows of an id. Those from before the window, of which fn is told too,
// mean nothing any more.
func (v *View) known(ctx context.Context, prefix byte, idLen int, fn func(id, row []byte) error) error {
	rows := 0
	return scanPrefix(v.snap, []byte{prefix}, func(k, row []byte) error {
		if rows++; rows%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if len(k) != 1+idLen {
			return fmt.Errorf("read %c row: %w", prefix, ErrCorrupt)
		}
		return fn(k[1:], row)
	})
}

// SweptAhead calls fn for each entry that has expired by the clock that says now,
// in unix seconds, and was swept, but not by the log's time: to decisions it is
// there, and no walk tells of it. Its value is gone, unless it was a number, which
// can be added to. The record is valid during the call.
func (v *View) SweptAhead(ctx context.Context, now int64, fn func(*godwit.Record) error) error {
	from, to := v.time/1000+v.retention+1, now+v.retention+1
	if from >= to {
		return nil
	}
	lower := secondKey(prefixDue, from)
	upper := secondKey(prefixDue, to)
	rows := 0
	return scanRange(v.snap, lower, upper, func(k, row []byte) error {
		if rows++; rows%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		_, ns, key, ok := cutDueKey(k)
		if !ok || len(row) != 8 {
			return fmt.Errorf("read due row: %w", ErrCorrupt)
		}
		return v.dead(ns, key, godwit.Revision(binary.BigEndian.Uint64(row)), true, func(r *godwit.Record) error {
			if !r.Swept {
				return nil
			}
			return fn(r)
		})
	})
}

// KeepSwept takes an entry that SweptAhead told of. As for Apply, r's bytes stay the
// same until the commit's Wait returns.
func (tx *Tx) KeepSwept(r *godwit.Record) error {
	h, err := tx.Head(r.Namespace, r.Key)
	if err != nil {
		return err
	}
	if h.kind != headSwept || h.Revision != r.Revision {
		return tx.CatchUp(r)
	}
	tx.delete(appendDueKey(tx.key[:0], h.due, r.Namespace, r.Key))
	tx.heads[entryID{r.Namespace, r.Key}] = tx.putTombstone(r.Namespace, r.Key, tombstoneRow{ // it has come before, without the number
		kind: tombSwept, revision: h.Revision, due: h.due, expiration: h.Expiration, created: h.Created,
		number: numberOf(r.Value),
	})
	return tx.err
}

// Forget makes the log's time another one, earlier too, and forgets all proposers
// and requests: those of another state follow.
func (tx *Tx) Forget(ms int64) {
	tx.time = ms
	tx.s.requests.restart()
	for _, prefix := range []byte{prefixProposer, prefixRequest, prefixReqTime} {
		tx.check(tx.batch.DeleteRange([]byte{prefix}, []byte{prefix + 1}, nil))
	}
}

// KeepProposer keeps what another node remembers of a proposer.
func (tx *Tx) KeepProposer(p KnownProposer) {
	tx.row = appendPair(tx.row[:0], p.Number, uint64(p.Time))
	tx.set(appendProposerKey(tx.key[:0], p.ID), tx.row)
}

// KeepRequest keeps what another node remembers of a transaction.
func (tx *Tx) KeepRequest(r KnownRequest) {
	tx.s.requests.restart()
	tx.row = appendRequestRow(tx.row[:0], requestRow{r.Time, r.Revision, r.Sums})
	tx.set(appendRequestKey(tx.key[:0], r.Key), tx.row)
	tx.set(appendReqTimeKey(tx.key[:0], r.Time, r.Key), nil)
}

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
	Time     int64 // the log's when it was applied, unix milliseconds
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
	return v.known(ctx, prefixProposer, len(ProposerID{}), ProposerWindow.Milliseconds(), func(k []byte, number, ms uint64) error {
		return fn(KnownProposer{ProposerID(k), number, int64(ms)})
	})
}

// Requests calls fn for each transaction that decisions still remember.
func (v *View) Requests(ctx context.Context, fn func(KnownRequest) error) error {
	return v.known(ctx, prefixRequest, reqLen, RequestWindow.Milliseconds(), func(k []byte, ms, revision uint64) error {
		return fn(KnownRequest{godwit.RequestKey(k), godwit.Revision(revision), int64(ms)})
	})
}

// known reads rows of an id and two numbers, one of which is a time of the log: of
// a proposer the second, of a request the first. Those from before the window mean
// nothing any more.
func (v *View) known(ctx context.Context, prefix byte, idLen int, window int64, fn func(id []byte, x, y uint64) error) error {
	rows := 0
	return scanPrefix(v.snap, []byte{prefix}, func(k, row []byte) error {
		if rows++; rows%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		x, y, err := decodePair(row)
		if err != nil || len(k) != 1+idLen {
			return fmt.Errorf("read %c row: %w", prefix, ErrCorrupt)
		}
		ms := x
		if prefix == prefixProposer {
			ms = y
		}
		if v.time-int64(ms) > window {
			return nil
		}
		return fn(k[1:], x, y)
	})
}

// SweptAhead calls fn for each entry that has expired by the clock that says now,
// in unix seconds, and was swept, but not by the log's time: to decisions it is
// there, and no walk tells of it. Its value is gone. The record is valid during the
// call.
func (v *View) SweptAhead(ctx context.Context, now int64, fn func(*godwit.Record) error) error {
	from, to := v.time/1000+v.retention+1, now+v.retention+1
	if from >= to {
		return nil
	}
	lower := binary.BigEndian.AppendUint64([]byte{prefixDue}, uint64(from))
	upper := binary.BigEndian.AppendUint64([]byte{prefixDue}, uint64(to))
	rows := 0
	return scanRange(v.snap, lower, upper, func(k, row []byte) error {
		if rows++; rows%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		_, ns, key, ok := cutDueKey(k)
		if !ok || len(row) != 8 {
			return fmt.Errorf("read due row: %w", ErrCorrupt)
		}
		return v.dead(ns, key, godwit.Revision(binary.BigEndian.Uint64(row)), func(r *godwit.Record) error {
			if !r.Swept {
				return nil
			}
			return fn(r)
		})
	})
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
	tx.row = appendPair(tx.row[:0], uint64(r.Time), uint64(r.Revision))
	tx.set(appendRequestKey(tx.key[:0], r.Key), tx.row)
	tx.set(appendReqTimeKey(tx.key[:0], r.Time, r.Key), nil)
}

package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"time"

	"github.com/godwitkv/godwit"
)

// Digest is a hash of all entries that are live at now, in unix seconds. Two
// stores that applied the same log have the same digest, wherever their values
// stand and whatever they have swept.
func (s *Store) Digest(ctx context.Context, now int64) (sum [32]byte, revision godwit.Revision, err error) {
	s.writing.Lock()
	snap := s.db.NewSnapshot()
	revision = godwit.Revision(s.applied.Load())
	s.writing.Unlock()
	defer snap.Close()
	h := sha256.New()
	values := valueCursor{in: snap}
	err = scanPrefix(snap, []byte{prefixEntry}, func(k, v []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		row, err := decodeEntryRow(v)
		if err != nil || row.expiration != 0 && row.expiration <= now {
			return err
		}
		return hashEntry(h, &values, k, &row)
	})
	h.Sum(sum[:0])
	return sum, revision, errors.Join(err, values.close())
}

// Digest is a hash of a state as far as the log decides it and decisions read it:
// its epoch and position, the log's time, all entries that are live at now,
// in unix seconds, and the requests and proposers that are remembered. Two stores
// that applied the same log have the same digest, wherever their values stand and
// whatever they have swept, so long as neither clock was past now when the state
// was: entries are dropped by it. rest is called now and then: who has time pauses.
func (v *View) Digest(ctx context.Context, now int64, rest func()) (sum [32]byte, err error) {
	d := &digester{h: sha256.New(), view: v, ctx: ctx, rest: rest}
	values := valueCursor{in: v.snap}
	if err := d.position(); err != nil {
		return sum, err
	}
	err = d.scan(prefixEntry, func(k, row []byte) error {
		e, err := decodeEntryRow(row)
		if err != nil || e.expiration != 0 && e.expiration <= now {
			return err
		}
		if e.place == placeRow {
			d.work += int(e.size / digestRow)
		}
		return hashEntry(d.h, &values, k, &e)
	})
	err = errors.Join(err, values.close())
	if err == nil {
		err = d.scan(prefixRequest, func(k, row []byte) error {
			r, err := decodeRequestRow(row)
			return d.remembered(k, row, r.time, RequestWindow, err)
		})
	}
	if err == nil {
		err = d.scan(prefixProposer, func(k, row []byte) error {
			_, ms, err := decodePair(row)
			return d.remembered(k, row, int64(ms), ProposerWindow, err)
		})
	}
	d.h.Sum(sum[:0])
	return sum, err
}

// A digester stops for its context and to rest after so many rows, of so many
// bytes each.
const (
	digestRows = 256
	digestRow  = 256
)

type digester struct {
	h    hash.Hash
	view *View
	ctx  context.Context
	rest func()
	work int // rows since the last rest
}

// position hashes what there is one of.
func (d *digester) position() error {
	var epoch [32]byte // the last one's key and id; those before go at each node's own time
	err := scanPrefix(d.view.snap, []byte{prefixLineage}, func(k, row []byte) error {
		clear(epoch[:])
		copy(epoch[:9], k)
		copy(epoch[9:], row[:min(len(row), len(godwit.EpochID{}))])
		return nil
	})
	d.h.Write(epoch[:])
	d.h.Write(appendPair(nil, uint64(d.view.revision), uint64(d.view.time)))
	return err
}

func (d *digester) scan(prefix byte, fn func(k, row []byte) error) error {
	d.h.Write([]byte{prefix})
	return scanPrefix(d.view.snap, []byte{prefix}, func(k, row []byte) error {
		if d.work++; d.work >= digestRows {
			d.rest()
			d.work = 0
		}
		if err := d.ctx.Err(); err != nil {
			return err
		}
		return fn(k, row)
	})
}

// remembered hashes a row, unless it is only there since it was not
// swept yet.
func (d *digester) remembered(k, row []byte, ms int64, window time.Duration, err error) error {
	if err == nil && d.view.time-ms <= window.Milliseconds() {
		d.h.Write(k)
		d.h.Write(row)
	}
	return err
}

// hashEntry hashes an entry whose row in e is k and row.
func hashEntry(h hash.Hash, values *valueCursor, k []byte, row *entryRow) error {
	value := row.blob.Hash
	switch row.place {
	case placeInline:
		value = sha256.Sum256(row.inline)
	case placeRow:
		ns, _, _ := cutNSKey(k[1:])
		v, err := values.get(ns, row.revision)
		if err != nil {
			return err
		}
		value = sha256.Sum256(v)
	}
	hashRow(h, k, row, value)
	return nil
}

// hashRow hashes an entry whose value has a hash.
func hashRow(h hash.Hash, k []byte, row *entryRow, value [sha256.Size]byte) {
	var fixed [56]byte
	for i, n := range []int64{
		int64(len(k)), int64(row.revision), row.created, row.modified,
		row.expiration, int64(len(row.metadata)), row.size,
	} {
		binary.BigEndian.PutUint64(fixed[8*i:], uint64(n))
	}
	h.Write(fixed[:])
	h.Write(k)
	h.Write(row.metadata)
	h.Write(value[:])
}

// EntryDigest is Store.Digest for who is told all entries anyway, by a walk.
type EntryDigest struct {
	now int64
	h   hash.Hash
	key []byte // scratch
}

// NewEntryDigest returns the digest of no entries, of which those that are live at now,
// in unix seconds, count.
func NewEntryDigest(now int64) *EntryDigest { return &EntryDigest{now: now, h: sha256.New()} }

// Add adds an entry, with its value, behind those added before in order of place.
func (d *EntryDigest) Add(r *godwit.Record) {
	d.key = appendEntryKey(d.key[:0], r.Namespace, r.Key)
	d.add(d.key, &entryRow{
		revision: r.Revision, created: r.Created, modified: r.Modified, expiration: r.Expiration,
		metadata: r.Metadata, size: r.Value.Size(), blob: r.Value.Blob,
	}, r.Value.Inline)
}

// add adds an entry by its row, and its value unless that is a blob.
func (d *EntryDigest) add(k []byte, row *entryRow, value []byte) {
	if row.expiration != 0 && row.expiration <= d.now {
		return
	}
	hash := row.blob.Hash
	if row.blob.IsZero() {
		hash = sha256.Sum256(value)
	}
	hashRow(d.h, k, row, hash)
}

// Sum is the digest of what was added.
func (d *EntryDigest) Sum() (sum [32]byte) {
	d.h.Sum(sum[:0])
	return sum
}

package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/wire"
)

// The index by revision tells which key each mutation changed. A transaction that
// continues the log writes all of its own in one row of i, or a few: a row each
// would cost as much as the entries. What comes out of order has rows of r. Nothing
// is taken back when a key is written again: whoever reads the index looks whether
// the key still stands at that revision, and the revisions that were replaced are
// noted in a row of u until the sweeper collects them (collect.go).

// indexed is one mutation of the index. key points into the row.
type indexed struct {
	revision godwit.Revision
	op       godwit.Op
	ns       godwit.NamespaceID
	key      []byte
}

// Bounds of a row of i.
const (
	indexRowRecords = 256
	indexRowBytes   = 16 << 10
)

// flagSameNS stands in a record's op if its namespace is that of the one before.
const flagSameNS = 0x80

// appendIndexRow makes the value of a row of i, of records in order of revision,
// whose last is the row's key:
//
//	for each record: step op:1 [ns] [key length, bytes]
//
// The first step is how far it is before the last revision, the others count from
// the record before.
func appendIndexRow(b []byte, records []indexed) []byte {
	step := records[len(records)-1].revision - records[0].revision
	for i := range records {
		r := &records[i]
		if i > 0 {
			step = r.revision - records[i-1].revision
		}
		b = binary.AppendUvarint(b, uint64(step))
		if i > 0 && r.ns == records[i-1].ns {
			b = append(b, byte(r.op)|flagSameNS)
		} else {
			b = append(append(b, byte(r.op)), r.ns[:]...)
		}
		b = wire.AppendCounted(b, r.key)
	}
	return b
}

// decodeIndexRow calls fn for each record of a row of i. Their keys point into it.
func decodeIndexRow(last godwit.Revision, row []byte, fn func(indexed) error) error {
	d := wire.NewDecoder(row)
	var r indexed
	for first := true; d.Len() > 0; first = false {
		step := godwit.Revision(d.Int())
		op := d.Byte()
		switch r.op = godwit.Op(op &^ flagSameNS); {
		case first && op&flagSameNS == 0 && step <= last:
			r.revision = last - step
		case !first && step > 0 && step <= last-r.revision:
			r.revision += step
		default:
			d.Fail()
		}
		if op&flagSameNS == 0 {
			copy(r.ns[:], d.Bytes(int64(nsLen)))
		}
		r.key = d.Counted(1 << 16)
		if d.Bad() || r.op != godwit.OpPut && r.op != godwit.OpDelete {
			return fmt.Errorf("decode index row of %d bytes: %w", len(row), ErrCorrupt)
		}
		if err := fn(r); err != nil {
			return err
		}
	}
	if r.revision != last || d.Bad() {
		return fmt.Errorf("decode index row of %d bytes: %w", len(row), ErrCorrupt)
	}
	return nil
}

// packIndex calls fn with as many rows of i as the records need.
func packIndex(records []indexed, fn func(last godwit.Revision, records []indexed)) {
	from, bytes := 0, 0
	for i := range records {
		bytes += len(records[i].key)
		if i+1 == len(records) || i+1-from == indexRowRecords || bytes >= indexRowBytes {
			fn(records[i].revision, records[from:i+1])
			from, bytes = i+1, 0
		}
	}
}

// scanRevisions calls fn for each mutation in (after, upTo] that the index has, in
// order of revision, those that were replaced too. Keys are valid during the call.
func scanRevisions(r pebble.Reader, after, upTo godwit.Revision, fn func(indexed) error) error {
	single, err := openSingles(r, after, upTo)
	if err != nil {
		return err
	}
	err = scanRange(r, appendIndexKey(nil, after+1), []byte{prefixIndex + 1}, func(k, row []byte) error {
		last, err := cutIndexKey(k)
		if err != nil {
			return err
		}
		return decodeIndexRow(last, row, func(rec indexed) error {
			switch {
			case rec.revision <= after:
				return nil
			case rec.revision > upTo:
				return errEnough
			}
			if told, err := single.tell(rec, fn); told || err != nil {
				return err
			}
			return fn(rec)
		})
	})
	if err == nil || errors.Is(err, errEnough) {
		_, err = single.tell(indexed{revision: upTo}, fn)
	}
	return errors.Join(err, single.it.Error(), single.it.Close())
}

// singles walks the rows of r.
type singles struct {
	it    *pebble.Iterator
	valid bool
}

func openSingles(r pebble.Reader, after, upTo godwit.Revision) (*singles, error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: appendRevisionKey(nil, after+1), UpperBound: appendRevisionKey(nil, upTo+1)})
	if err != nil {
		return nil, fmt.Errorf("open iterator: %w", err)
	}
	return &singles{it: it, valid: it.First()}, nil
}

// tell calls fn for all rows up to the revision of a record, and tells whether one
// of them was that record.
func (s *singles) tell(rec indexed, fn func(indexed) error) (told bool, err error) {
	for ; s.valid; s.valid = s.it.Next() {
		row, err := s.it.ValueAndErr()
		if err != nil {
			return told, err
		}
		r, err := decodeSingle(s.it.Key(), row)
		if err != nil {
			return told, err
		}
		if r.revision > rec.revision {
			return told, nil
		}
		told = r.revision == rec.revision && r.ns == rec.ns && string(r.key) == string(rec.key)
		if err := fn(r); err != nil {
			return told, err
		}
	}
	return told, nil
}

// decodeSingle takes a row of r apart.
func decodeSingle(k, row []byte) (indexed, error) {
	op, ns, key, err := decodeRevisionRow(row)
	if err != nil || len(k) != 9 {
		return indexed{}, fmt.Errorf("read revision: %w", ErrCorrupt)
	}
	return indexed{godwit.Revision(binary.BigEndian.Uint64(k[1:])), op, ns, key}, nil
}

// index keeps a record for the index by revision: with the others of the
// transaction if that continues the log, else in a row of its own.
func (tx *Tx) index(r *godwit.Record) {
	rec := indexed{revision: r.Revision, op: r.Op, ns: r.Namespace}
	if tx.mixed || tx.inexact {
		tx.setRevision(rec, r.Key)
		return
	}
	from := len(tx.indexKeys)
	tx.indexKeys = append(tx.indexKeys, r.Key...)
	rec.key = tx.indexKeys[from:len(tx.indexKeys):len(tx.indexKeys)]
	tx.indexed = append(tx.indexed, rec)
}

// setRevision writes a row of r.
func (tx *Tx) setRevision(r indexed, key string) {
	tx.key = appendRevisionKey(tx.key[:0], r.revision)
	tx.row = appendRevisionRow(tx.row[:0], r.op, r.ns, key)
	tx.set(tx.key, tx.row)
}

// unindex notes that the record of a revision means nothing any more. Out of order
// it may come back under the same revision, in a row of r; so that goes at once.
func (tx *Tx) unindex(r godwit.Revision) {
	tx.replaced = append(tx.replaced, r)
	if tx.mixed || tx.inexact {
		tx.delete(appendRevisionKey(tx.key[:0], r))
	}
}

// single gives what the transaction has indexed so far rows of its own, before
// anything comes out of order.
func (tx *Tx) single() {
	for _, r := range tx.indexed {
		tx.setRevision(r, string(r.key))
	}
	tx.indexed = tx.indexed[:0]
}

// writeIndex writes the rows of i and u.
func (tx *Tx) writeIndex() {
	packIndex(tx.indexed, tx.setIndex)
	if tx.rewound {
		tx.replaced = upTo(tx.replaced, tx.floor)
	}
	if len(tx.replaced) > 0 {
		tx.key = appendReplacedKey(tx.key[:0], tx.s.replacedRows)
		tx.row = appendReplacedRow(tx.row[:0], tx.s.replaced.Load(), tx.replaced)
		tx.set(tx.key, tx.row)
	}
}

func (tx *Tx) setIndex(last godwit.Revision, records []indexed) {
	tx.key = appendIndexKey(tx.key[:0], last)
	tx.row = appendIndexRow(tx.row[:0], records)
	tx.set(tx.key, tx.row)
}

// takeApart gives the records of i from after r rows of r, if they stand: what the
// log gives from there on may have the same revisions.
func (tx *Tx) takeApart(r godwit.Revision) error {
	err := scanRange(tx.s.db, appendRevisionKey(nil, r+1), []byte{prefixRevision + 1}, func(k, row []byte) error {
		rec, err := decodeSingle(k, row)
		if err != nil {
			return err
		}
		stands, err := tx.takeBack(rec, r)
		if !stands {
			tx.delete(k)
		}
		return err
	})
	if err != nil {
		return err
	}
	err = scanRange(tx.s.db, appendIndexKey(nil, r+1), []byte{prefixIndex + 1}, func(k, row []byte) error {
		last, err := cutIndexKey(k)
		if err != nil {
			return err
		}
		tx.delete(k)
		var before []indexed
		err = decodeIndexRow(last, row, func(rec indexed) error {
			if rec.revision <= r {
				before = append(before, rec)
				return nil
			}
			stands, err := tx.takeBack(rec, r)
			if stands {
				tx.setRevision(rec, string(rec.key))
			}
			return err
		})
		packIndex(before, tx.setIndex)
		return err
	})
	if err != nil {
		return err
	}
	return tx.forgetReplaced(r)
}

// takeBack removes the tombstone that a record from after r stands for, and tells
// whether it stands for an entry. A delete does not, though the log may have given its
// revision anew, to the entry that stands under the key.
func (tx *Tx) takeBack(rec indexed, r godwit.Revision) (stands bool, err error) {
	h, err := tx.Head(rec.ns, string(rec.key))
	switch {
	case err != nil || h.kind == headNone || h.Revision <= r:
		return false, err
	case h.kind == headEntry:
		tx.ahead = max(tx.ahead, h.Revision)
		return h.Revision == rec.revision && rec.op == godwit.OpPut, nil
	default:
		tx.removeHead(rec.ns, string(rec.key), h, false)
		tx.heads[entryID{rec.ns, string(rec.key)}] = Head{}
		return false, nil
	}
}

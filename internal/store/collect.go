package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// Records of the index by revision whose keys were written again stay in it until
// there are as many of them as there are keys, and some more. Then the sweeper goes
// through the index once, a part of it each second, and leaves them out. Which they
// are it knows from the rows of u and so looks nothing up. If a crash comes between,
// the rows of u are still there, and it begins anew.
const (
	collectBound   = 1 << 16 // replaced records, besides one for each key, that may stay
	collectRows    = 256     // rows of the index under one hold of the write lock
	collectEachRun = 1 << 19 // records that one run looks at
)

// appendReplacedRow makes the value of a row of u: how many revisions there were in
// the rows before, and those that were replaced.
func appendReplacedRow(b []byte, before int64, revisions []godwit.Revision) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(before))
	for _, r := range revisions {
		b = binary.BigEndian.AppendUint64(b, uint64(r))
	}
	return b
}

func decodeReplacedRow(row []byte) (before int64, revisions []godwit.Revision, err error) {
	if len(row) < 16 || len(row)%8 != 0 {
		return 0, nil, fmt.Errorf("decode row of %d bytes of replaced revisions: %w", len(row), ErrCorrupt)
	}
	for b := row[8:]; len(b) > 0; b = b[8:] {
		revisions = append(revisions, godwit.Revision(binary.BigEndian.Uint64(b)))
	}
	return int64(binary.BigEndian.Uint64(row)), revisions, nil
}

// scanReplaced calls fn for each row of u.
func scanReplaced(r pebble.Reader, fn func(number uint64, before int64, revisions []godwit.Revision) error) error {
	return scanPrefix(r, []byte{prefixReplaced}, func(k, row []byte) error {
		number, err := cutReplacedKey(k)
		if err != nil {
			return err
		}
		before, revisions, err := decodeReplacedRow(row)
		if err != nil {
			return err
		}
		return fn(number, before, revisions)
	})
}

// loadReplaced finds how many revisions the rows of u have, from the last of them,
// and the number of the next.
func (s *Store) loadReplaced() error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixReplaced}, UpperBound: []byte{prefixReplaced + 1}})
	if err != nil {
		return fmt.Errorf("open iterator: %w", err)
	}
	if !it.Last() {
		return errors.Join(it.Error(), it.Close())
	}
	number, err := cutReplacedKey(it.Key())
	row, rowErr := it.ValueAndErr()
	before, revisions, decodeErr := decodeReplacedRow(row)
	s.replacedRows = number + 1
	s.replaced.Store(before + int64(len(revisions)))
	return errors.Join(err, rowErr, decodeErr, it.Close())
}

// revisionSet is a set of revisions, most of which are near others.
type revisionSet map[godwit.Revision]*[1 << 10]uint64

func (s revisionSet) add(r godwit.Revision) {
	part := s[r>>16]
	if part == nil {
		part = new([1 << 10]uint64)
		s[r>>16] = part
	}
	part[r>>6&(1<<10-1)] |= 1 << (r & 63)
}

func (s revisionSet) has(r godwit.Revision) bool {
	part := s[r>>16]
	return part != nil && part[r>>6&(1<<10-1)]>>(r&63)&1 == 1
}

// collection is one walk: through u, to learn what was replaced, and then through i
// and r.
type collection struct {
	replaced revisionSet
	gone     map[godwit.NamespaceID]bool
	wiped    map[godwit.NamespaceID]godwit.Revision // of which older ones are gone
	next     []byte                                 // where it goes on
	upTo     uint64                                 // the number of the first row of u that it has not read
	before   int64                                  // revisions in the rows that it has
}

// sweepIndex goes on with a walk through the index, or begins one if it is time.
func (s *Store) sweepIndex(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	keys, _ := s.counts.total()
	if s.collecting == nil {
		gone, err := s.goneNamespaces()
		wiped := s.wipedSwept()
		if err != nil || len(gone)+len(wiped) == 0 && s.replaced.Load() <= keys+s.cfg.collectAfter {
			return err
		}
		s.collecting = newCollection(gone, wiped)
	}
	return s.collect(ctx, s.cfg.collectEach, func() {
		s.writing.Unlock()
		s.writing.Lock() // whoever waits to write comes first
	})
}

// collectAll clears the index of all namespaces that are gone. The caller holds the
// write lock.
func (s *Store) collectAll(ctx context.Context) error {
	gone, err := s.goneNamespaces()
	if err != nil {
		return err
	}
	s.collecting = newCollection(gone, s.wipedSwept())
	return s.collect(ctx, 1<<62, func() {})
}

func newCollection(gone map[godwit.NamespaceID]bool, wiped map[godwit.NamespaceID]godwit.Revision) *collection {
	return &collection{replaced: make(revisionSet), gone: gone, wiped: wiped, next: []byte{prefixReplaced}}
}

// leavesOut tells whether a record means nothing any more, as far as the walk knows.
func (c *collection) leavesOut(r *indexed) bool {
	return c.replaced.has(r.revision) || c.gone[r.ns] || r.revision < c.wiped[r.ns]
}

// collect goes through as many records, and gives way in between.
func (s *Store) collect(ctx context.Context, most int, giveWay func()) error {
	for records := 0; s.collecting != nil && records < most && ctx.Err() == nil; {
		n, err := s.collectPart()
		if err != nil {
			s.collecting = nil
			return err
		}
		records += n
		giveWay()
	}
	return ctx.Err()
}

// collectPart goes through some rows of the index, and tells how many records they
// had.
func (s *Store) collectPart() (records int, err error) {
	c := s.collecting
	b := s.db.NewBatch()
	defer b.Close()
	p := packer{s: s, c: c, batch: b}
	visit := map[byte]func(k, row []byte) error{prefixReplaced: p.visitReplaced, prefixIndex: p.visitPacked, prefixRevision: p.visitSingle}[c.next[0]]
	rows := 0
	err = scanRange(s.db, c.next, []byte{c.next[0] + 1}, func(k, row []byte) error {
		if rows++; rows > collectRows {
			c.next = append(c.next[:0], k...)
			return errEnough
		}
		return visit(k, row)
	})
	if err = errors.Join(err, p.flush()); errors.Is(err, errEnough) {
		err = nil
	} else if err == nil {
		err = s.goOn(b)
	}
	if err == nil && !b.Empty() {
		err = b.Commit(pebble.NoSync)
	}
	return p.records, err
}

// goOn comes from one kind of rows to the next.
func (s *Store) goOn(b *pebble.Batch) error {
	c := s.collecting
	switch c.next[0] {
	case prefixReplaced:
		c.upTo, c.before = s.replacedRows, s.replaced.Load()
		c.next = []byte{prefixIndex}
		return nil
	case prefixIndex:
		c.next = []byte{prefixRevision}
		return nil
	default:
		return s.endCollecting(b)
	}
}

// endCollecting forgets what the walk has collected, with the last of it.
func (s *Store) endCollecting(b *pebble.Batch) error {
	c := s.collecting
	s.collecting = nil
	err := b.DeleteRange([]byte{prefixReplaced}, appendReplacedKey(nil, c.upTo), nil)
	err = errors.Join(err, s.forgetWiped(b, c.wiped))
	for ns := range c.gone {
		err = errors.Join(err, b.Delete(appendNS(nil, prefixDropped, ns), nil))
	}
	s.replaced.Add(-c.before)
	return err
}

// packer writes rows of i again without what was replaced, and small ones next to
// each other in one.
type packer struct {
	s       *Store
	c       *collection
	batch   *pebble.Batch
	kept    []indexed
	records int
}

func (p *packer) visitReplaced(_, row []byte) error {
	_, revisions, err := decodeReplacedRow(row)
	for _, r := range revisions {
		p.c.replaced.add(r)
	}
	p.records += len(revisions)
	return err
}

func (p *packer) visitPacked(k, row []byte) error {
	last, err := cutIndexKey(k)
	if err != nil {
		return err
	}
	from, records := len(p.kept), 0
	err = decodeIndexRow(last, row, func(r indexed) error {
		if records++; !p.c.leavesOut(&r) {
			p.kept = append(p.kept, r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	p.records += records
	if whole := len(p.kept)-from == records; whole && records >= indexRowRecords/4 {
		p.kept = p.kept[:from]
		return p.flush()
	}
	for i := from; i < len(p.kept); i++ {
		p.kept[i].key = slices.Clone(p.kept[i].key) // the row goes by
	}
	return p.batch.Delete(k, nil)
}

// visitSingle looks a key up, since the same revision may have come back.
func (p *packer) visitSingle(k, row []byte) error {
	p.records++
	r, err := decodeSingle(k, row)
	if err != nil || !p.c.leavesOut(&r) {
		return err
	}
	h, err := (&Tx{s: p.s}).readHead(r.ns, string(r.key))
	if err != nil || h.kind != headNone && h.Revision == r.revision {
		return err
	}
	return p.batch.Delete(k, nil)
}

func (p *packer) flush() (err error) {
	packIndex(p.kept, func(last godwit.Revision, records []indexed) {
		err = errors.Join(err, p.batch.Set(appendIndexKey(nil, last), appendIndexRow(nil, records), nil))
	})
	p.kept = p.kept[:0]
	return err
}

// forgetReplaced takes the revisions after r out of the rows of u.
func (tx *Tx) forgetReplaced(r godwit.Revision) error {
	tx.s.collecting = nil
	return scanReplaced(tx.s.db, func(number uint64, before int64, revisions []godwit.Revision) error {
		n := len(revisions)
		if revisions = upTo(revisions, r); len(revisions) == n {
			return nil
		}
		tx.key = appendReplacedKey(tx.key[:0], number)
		if len(revisions) == 0 {
			tx.delete(tx.key)
			return nil
		}
		tx.row = appendReplacedRow(tx.row[:0], before, revisions)
		tx.set(tx.key, tx.row)
		return nil
	})
}

// upTo leaves out the revisions after r.
func upTo(revisions []godwit.Revision, r godwit.Revision) []godwit.Revision {
	return slices.DeleteFunc(revisions, func(x godwit.Revision) bool { return x > r })
}

package store

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/godwitkv/godwit"
)

// tally is a set, of which no more is known than how many things are in it and the sum
// of their hashes under a seed that nobody knows before. Two sets that differ have the
// same tally once in 2^64 times. So whether an index fits is known after one reading of
// its rows and one of those that it leads to, with nothing looked up and nothing kept.
type tally struct {
	count int64
	sum   uint64
}

func (t *tally) add(hash uint64) {
	t.count++
	t.sum += hash
}

func (t tally) plus(o tally) tally { return tally{t.count + o.count, t.sum + o.sum} }

// tallies are those of what some rows tell of. They are for one goroutine.
type tallies struct {
	revisions tally // what took effect under a key
	dues      tally // when something is due
	values    tally // values that have rows of their own, with their lengths
	scratch   []byte
}

func (t *tallies) revision(seed maphash.Seed, op godwit.Op, r godwit.Revision, ns godwit.NamespaceID, key []byte) {
	t.revisions.add(t.hash(seed, uint64(op), uint64(r), ns, key))
}

func (t *tallies) due(seed maphash.Seed, due int64, r godwit.Revision, ns godwit.NamespaceID, key []byte) {
	t.dues.add(t.hash(seed, uint64(due), uint64(r), ns, key))
}

func (t *tallies) value(seed maphash.Seed, ns godwit.NamespaceID, r godwit.Revision, size int64) {
	t.values.add(t.hash(seed, uint64(r), uint64(size), ns, nil))
}

func (t *tallies) hash(seed maphash.Seed, a, b uint64, ns godwit.NamespaceID, key []byte) uint64 {
	t.scratch = binary.BigEndian.AppendUint64(t.scratch[:0], a)
	t.scratch = binary.BigEndian.AppendUint64(t.scratch, b)
	t.scratch = append(append(t.scratch, ns[:]...), key...)
	return maphash.Bytes(seed, t.scratch)
}

// fsckDigest makes the digest of entries as fsck comes by them.
type fsckDigest struct {
	EntryDigest
	revision godwit.Revision
	in       valueCursor
	found    tallies // of the values
	values   tally
	readAll  bool // those are all that there are
	lacks    bool // one could not be read, which is told of
}

// entry adds an entry, and reads its value also if that does not count.
func (d *fsckDigest) entry(seed maphash.Seed, k []byte, row *entryRow) {
	value := row.inline
	if row.place == placeRow {
		ns, _, _ := cutNSKey(k[1:])
		var err error
		if value, err = d.in.get(ns, row.revision); err != nil {
			d.lacks = true
			return
		}
		d.found.value(seed, ns, row.revision, int64(len(value)))
	}
	d.add(k, row, value)
}

// end ends the reading.
func (d *fsckDigest) end() {
	all, err := d.in.readAll()
	d.values, d.readAll = d.found.values, all && err == nil && !d.lacks
	_ = d.in.close() // what of it cannot be read is read again, and told of
}

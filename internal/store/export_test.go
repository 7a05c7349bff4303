package store

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// What tests of the store's inside need, and nobody else.

// WithoutSweeper leaves sweeping to the test.
func (c Config) WithoutSweeper() Config {
	c.sweepEvery = 1000 * time.Hour
	return c
}

// Collecting lets the index be collected once it has so many replaced records more
// than there are keys, and looks at so many in each run.
func (c Config) Collecting(after int64, each int) Config {
	c.collectAfter, c.collectEach = after, each
	return c
}

// Rewriting has about so many bytes written anew at a time.
func (c Config) Rewriting(part int64) Config {
	c.rewritePart = part
	return c
}

// Encoders of rows' keys.
var (
	EntryKey     = appendEntryKey[string]
	TombstoneKey = appendTombstoneKey[string]
	ValueKey     = appendValueKey
	RevisionKey  = appendRevisionKey
	IndexKey     = appendIndexKey
	ReplacedKey  = appendReplacedKey
	DueKey       = appendDueKey
	BlobKey      = appendBlobKey
	GarbageKey   = appendGarbageKey
	RequestKey   = appendRequestKey
	ReqTimeKey   = appendReqTimeKey
	LineageKey   = appendLineageKey
	NoteKey      = appendNoteKey
	CutBlobKey   = cutBlobKey
	EndedKey     = appendEndedKey
	VersionKey   = appendVersionKey
	CutDueKey    = cutDueKey
	Successor    = successor
)

// CounterKey and DroppedKey are keys that are a prefix and a namespace.
func CounterKey(ns godwit.NamespaceID) []byte { return appendNS(nil, prefixCounter, ns) }

// DroppedKey is the key of a dropped namespace.
func DroppedKey(ns godwit.NamespaceID) []byte { return appendNS(nil, prefixDropped, ns) }

// WipedKey is the key of a cleared namespace.
func WipedKey(ns godwit.NamespaceID) []byte { return appendNS(nil, prefixWiped, ns) }

// WipedRow encodes its row.
func WipedRow(before godwit.Revision, swept bool) []byte {
	return appendWipedRow(nil, wiped{before, swept})
}

// Encoders and decoders of rows.
var (
	EntryRow          = appendEntryRow
	RevisionRow       = appendRevisionRow
	DecodeRevisionRow = decodeRevisionRow
	ReplacedRow       = appendReplacedRow
	DecodeReplacedRow = decodeReplacedRow
	Pair              = appendPair
	DecodePair        = decodePair
	BlobRow           = appendBlobRow
	DecodeBlobRow     = decodeBlobRow
	EncodeCursor      = encodeCursor
	DecodeCursor      = decodeCursor
)

// MetaApplied is the key of the applied position.
func MetaApplied() []byte { return bytes.Clone(metaApplied) }

// MetaCluster is the key of the cluster id.
func MetaCluster() []byte { return bytes.Clone(metaCluster) }

// Entry is a decoded row as a record; size is of a value in a row of its own.
func Entry(row []byte) (r godwit.Record, size int64, err error) {
	e, err := decodeEntryRow(row)
	r = godwit.Record{Revision: e.revision, Created: e.created, Modified: e.modified}
	r.Expiration, r.Metadata = e.expiration, e.metadata
	r.Value = godwit.Value{Inline: e.inline, Blob: e.blob}
	return r, e.size, err
}

// Tombstone is a tombstone's row taken apart.
type Tombstone struct {
	Swept               bool
	Revision            godwit.Revision
	Due                 int64
	Expiration, Created int64
}

// TombstoneRow encodes t.
func TombstoneRow(t Tombstone) []byte {
	row := tombstoneRow{kind: tombDeleted, revision: t.Revision, due: t.Due, expiration: t.Expiration, created: t.Created}
	if t.Swept {
		row.kind = tombSwept
	}
	return appendTombstoneRow(nil, row)
}

// DecodeTombstone decodes a tombstone's row.
func DecodeTombstone(b []byte) (Tombstone, error) {
	t, err := decodeTombstoneRow(b)
	return Tombstone{t.kind == tombSwept, t.revision, t.due, t.expiration, t.created}, err
}

// Set writes a row past all rules.
func (s *Store) Set(key, row []byte) error { return s.db.Set(key, row, pebble.Sync) }

// Delete deletes a row past all rules.
func (s *Store) Delete(key []byte) error { return s.db.Delete(key, pebble.Sync) }

// Row returns a row, or nil.
func (s *Store) Row(key []byte) ([]byte, error) {
	v, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	return append([]byte{}, v...), nil
}

// Rows calls fn for every row of the database, in order.
func (s *Store) Rows(fn func(k, v []byte)) error {
	return scanRange(s.db, []byte{0}, []byte{0xff}, func(k, v []byte) error {
		fn(k, v)
		return nil
	})
}

// Flush writes what is in memory into the database's files.
func (s *Store) Flush() error { return s.db.Flush() }

// MeasureDisk looks at the disk at once.
func (s *Store) MeasureDisk() { s.space.measure() }

// Hot tells whether the hot table holds a key.
func (s *Store) Hot(ns godwit.NamespaceID, key string) bool {
	return s.hot.get(hotHash(s.hot, ns, key), ns, []byte(key)) != nil
}

// Indexed is a record of the index by revision.
type Indexed struct {
	Revision  godwit.Revision
	Op        godwit.Op
	Namespace godwit.NamespaceID
	Key       string
}

// IndexRow encodes a row of i.
func IndexRow(records ...Indexed) []byte {
	var rows []indexed
	for _, r := range records {
		rows = append(rows, indexed{r.Revision, r.Op, r.Namespace, []byte(r.Key)})
	}
	return appendIndexRow(nil, rows)
}

// DecodeIndexRow decodes a row of i.
func DecodeIndexRow(last godwit.Revision, row []byte) (records []Indexed, err error) {
	err = decodeIndexRow(last, row, func(r indexed) error {
		records = append(records, Indexed{r.revision, r.op, r.ns, string(r.key)})
		return nil
	})
	return records, err
}

// Waiting is how many reads wait for the disk.
func (s *Store) Waiting() int64 { return s.durable.waiting.Load() }

// Replaced is how many replaced records the index is known to have.
func (s *Store) Replaced() int64 { return s.replaced.Load() }

// SureRequest tells whether it is known without a look that no such request is remembered.
func (tx *Tx) SureRequest(k godwit.RequestKey) bool { return tx.s.requests.absent(tx.time, k) }

// SureTombstone tells the same of the tombstones of a namespace.
func (tx *Tx) SureTombstone(ns godwit.NamespaceID) bool { return !tx.s.tombstoned.has(ns) }

// StepsOfWalk is how many rows the database goes by to read all versions of a key,
// dropped ones too.
func (s *Store) StepsOfWalk(ctx context.Context, ns godwit.NamespaceID, key string) (steps uint64, err error) {
	p, err := s.past(ctx, ns)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	it, err := p.versions(key, 0)
	if err != nil {
		return 0, err
	}
	for ok := it.Last(); ok; ok = it.Prev() {
	}
	return it.Stats().InternalStats.PointCount, it.Close()
}

// StepsToOldest is how many rows the database goes by to find a key's oldest version,
// dropped ones too.
func (tx *Tx) StepsToOldest(ns godwit.NamespaceID, key string) (steps uint64, err error) {
	id := entryID{ns, key}
	kv, err := tx.versionsOf(id)
	if err != nil {
		return 0, err
	}
	lower, upper := kv.left(id)
	it, err := tx.s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return 0, err
	}
	it.First()
	return it.Stats().InternalStats.PointCount, it.Close()
}

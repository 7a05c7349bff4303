package store

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// Tx gathers what a batch of the log changes, and shows it to the decisions
// that follow in the same batch. There is one at a time, for one goroutine: it
// holds the store's write lock from Begin to Commit or Rollback.
type Tx struct {
	s         *Store
	revision  godwit.Revision // the last given
	prev      godwit.Revision // the position before
	time      int64           // the log's, unix milliseconds
	heads     map[entryID]Head
	counts    map[godwit.NamespaceID]count
	changes   []change
	rows      []byte    // of the entries put, as changes refer to them
	indexed   []indexed // for rows of i
	indexKeys []byte    // their keys
	replaced  []godwit.Revision
	requests  map[godwit.RequestKey]godwit.Result // remembered in this transaction
	key, row  []byte                              // scratch
	gathered
	following
}

// gathered is what of a Tx has no memory worth keeping for the next one.
type gathered struct {
	batch     *pebble.Batch
	dropped   []godwit.NamespaceID
	cleared   []clearing
	wiped     map[godwit.NamespaceID]wiped // a zero one: it is forgotten
	unnamed   bool                         // more keys are cleared than changes has
	ended     int64                        // when what it removes came to its end, unix milliseconds; 0: at its own time
	system    []godwit.Record
	proposers map[ProposerID]uint64                    // whose batches this transaction holds
	histories map[godwit.NamespaceID]*namespaceHistory // of those that change
	erasings  map[godwit.NamespaceID]*erasing          // of those that change; nil: nothing is to be erased
	versions  map[entryID]*keyVersions
	told      *Committed // for OnCommit; nil: there is none
	onCommit  func(*Committed)
	err       error // the first of the writes into batch
}

// following is what a Tx carries for a store that follows an upstream, and for
// whoever changes whose store it is.
type following struct {
	mixed   bool            // the store holds parts of more than one state
	ahead   godwit.Revision // the newest of what is mixed in
	inexact bool            // the transaction does not continue the log
	reached bool
	rewound bool
	floor   godwit.Revision // the lowest position that it was rewound to
	run     *Run            // that it brings in; nil: none

	cluster *string // nil: it stays
	lineage *godwit.Lineage
	owner   *ownership
	purged  godwit.Revision // the purge floor; 0: it stays

	ownNS               godwit.NamespaceID // whose own entry ownKey is
	ownKey              string
	entries, tombstones rowCursor
}

// Begin starts a transaction and waits for the one before it.
func (s *Store) Begin() *Tx {
	s.writing.Lock()
	tx := &s.tx
	tx.s = s
	tx.batch = s.db.NewBatch()
	tx.revision = godwit.Revision(s.applied.Load())
	tx.prev = tx.revision
	tx.time = s.logTime.Load()
	tx.mixed, tx.ahead = s.mixed.Load(), s.ahead
	if tx.onCommit = s.cfg.OnCommit; tx.onCommit != nil {
		tx.told = committed.Get().(*Committed)
		tx.told.Prev = tx.revision
	}
	if tx.heads == nil {
		tx.heads = make(map[entryID]Head)
		tx.counts = make(map[godwit.NamespaceID]count)
		tx.requests = make(map[godwit.RequestKey]godwit.Result)
	}
	return tx
}

// Rollback drops what was gathered.
func (tx *Tx) Rollback() {
	_ = tx.batch.Close()
	tx.release()
}

// keepHeads and keepRows bound what of a large transaction the next ones carry
// along: clearing a map costs what it once held.
const (
	keepHeads = 1 << 13
	keepRows  = 8 << 20
)

func (tx *Tx) release() {
	tx.closeCursors()
	if tx.run != nil {
		_ = tx.run.Drop() // nothing is left of one that was taken
	}
	if tx.told != nil {
		tx.told.release()
	}
	tx.gathered, tx.following = gathered{}, following{}
	tx.trim()
	clear(tx.heads)
	clear(tx.counts)
	clear(tx.requests)
	clear(tx.changes)
	clear(tx.indexed)
	tx.changes, tx.rows = tx.changes[:0], tx.rows[:0]
	tx.indexed, tx.indexKeys, tx.replaced = tx.indexed[:0], tx.indexKeys[:0], tx.replaced[:0]
	tx.s.writing.Unlock()
}

// trim lets go of the memory of a large transaction.
func (tx *Tx) trim() {
	if len(tx.heads) > keepHeads {
		tx.heads = make(map[entryID]Head)
	}
	if len(tx.requests) > keepHeads {
		tx.requests = make(map[godwit.RequestKey]godwit.Result)
	}
	if cap(tx.changes) > keepHeads {
		tx.changes = nil
	}
	if cap(tx.rows) > keepRows {
		tx.rows = nil
	}
	if cap(tx.row) > keepRows {
		tx.row = nil
	}
	if cap(tx.indexed) > keepHeads {
		tx.indexed, tx.indexKeys = nil, nil
	}
	if cap(tx.replaced) > keepHeads {
		tx.replaced = nil
	}
}

// Revision is the last revision given.
func (tx *Tx) Revision() godwit.Revision { return tx.revision }

// Time is the log's time, in unix milliseconds.
func (tx *Tx) Time() int64 { return tx.time }

// Advance moves the log's time forward; it never goes back.
func (tx *Tx) Advance(ms int64) { tx.time = max(tx.time, ms) }

// raisePurged moves the purge floor up.
func (tx *Tx) raisePurged(floor godwit.Revision) {
	if floor <= max(tx.purged, tx.s.Purged()) {
		return
	}
	tx.purged = floor
	tx.row = appendPair(tx.row[:0], uint64(floor), 0)
	tx.set(metaPurged, tx.row)
}

func (tx *Tx) count(ns godwit.NamespaceID, keys, bytes int64) {
	c := tx.countOf(ns)
	tx.counts[ns] = count{c.keys + keys, c.bytes + bytes}
}

func (tx *Tx) countOf(ns godwit.NamespaceID) (c count) {
	c, ok := tx.counts[ns]
	if !ok {
		c.keys, c.bytes = tx.s.counts.of(ns)
	}
	return c
}

func (tx *Tx) set(key, row []byte) { tx.check(tx.batch.Set(key, row, nil)) }

func (tx *Tx) delete(key []byte) { tx.check(tx.batch.Delete(key, nil)) }

func (tx *Tx) check(err error) {
	if tx.err == nil && err != nil {
		tx.err = fmt.Errorf("gather write: %w", err)
	}
}

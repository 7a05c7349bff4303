package store

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// Durability is when a commit counts as durable.
type Durability bool

const (
	// Sync is: once Commit.Wait has returned. For whoever owns the log.
	Sync Durability = true
	// NoSync is: at once; for followers, whose log is upstream, and for what can
	// be derived again. Who owns the log gives no revision so.
	NoSync Durability = false
)

// Committed is what one commit changed. Its records are valid only while the
// function that is told of it runs.
type Committed struct {
	Prev, Revision godwit.Revision // the position before, and after
	Time           int64           // the log's, unix milliseconds
	Exact          bool            // Records are all there is between Prev and Revision

	// Records are what took effect. Exact: in order of revision. Else they are in
	// the order in which they came, and what was removed is an OpDelete without a
	// revision.
	Records []godwit.Record
}

// Commit is a transaction that reads see and that is on its way to the disk.
type Commit struct {
	s        *Store
	batch    *pebble.Batch
	sync     Durability
	revision godwit.Revision
	grows    bool // it gave revisions, which are durable once Wait has returned
	rewound  bool
	system   []godwit.Record
	cluster  *string // nil: it stays
	lineage  *godwit.Lineage
	told     *Committed // for OnCommit; nil: it is not told
	onCommit func(*Committed)
}

// committed are reused: the records of a batch are much memory.
var committed = sync.Pool{New: func() any { return new(Committed) }}

// keepRecords bounds what of a large batch is kept for the next.
const keepRecords = 1 << 14

func (c *Committed) release() {
	clear(c.Records)
	if cap(c.Records) > keepRecords {
		c.Records = nil
	}
	*c = Committed{Records: c.Records[:0]}
	committed.Put(c)
}

// Commit makes the transaction visible, whole and at once, and returns before
// it is durable. The caller calls Wait on each, in order. After an error the
// store must not be written to again.
func (tx *Tx) Commit(d Durability) (Commit, error) {
	s := tx.s
	defer tx.release()
	c := Commit{
		s: s, sync: d, revision: tx.revision, grows: tx.revision != tx.prev, rewound: tx.rewound,
		system: tx.system, cluster: tx.cluster, lineage: tx.lineage,
	}
	if tx.empty() {
		return c, tx.batch.Close() // nothing changed; Wait still waits its turn
	}
	exact := !tx.mixed && !tx.inexact
	tx.writeIndex()
	tx.writeMixed()
	tx.writeCounts()
	tx.writeHistories()
	tx.key = append(tx.key[:0], metaApplied...)
	tx.row = appendPair(tx.row[:0], uint64(tx.revision), uint64(tx.time))
	tx.set(tx.key, tx.row)
	if tx.err != nil {
		_ = tx.batch.Close()
		return Commit{}, tx.err
	}
	c.batch = tx.batch
	if err := tx.publish(d); err != nil {
		return Commit{}, err
	}
	c.told, tx.told = tx.told, nil
	if c.told != nil {
		c.told.Revision, c.told.Time, c.told.Exact, c.onCommit = tx.revision, tx.time, exact, tx.onCommit
	}
	return c, nil
}

func (tx *Tx) empty() bool {
	return tx.err == nil && tx.batch.Empty() && tx.run == nil && tx.revision == tx.prev && !tx.reached && !tx.rewound
}

func (tx *Tx) writeCounts() {
	for ns, n := range tx.counts {
		tx.key = appendNS(tx.key[:0], prefixCounter, ns)
		if n == (count{}) {
			tx.delete(tx.key)
			continue
		}
		tx.row = appendPair(tx.row[:0], uint64(n.keys), uint64(n.bytes))
		tx.set(tx.key, tx.row)
	}
}

// publish lets reads see the batch. The hot table's keys are blocked while that
// happens, so that no read can see one part of it old and another new.
func (tx *Tx) publish(d Durability) error {
	s := tx.s
	err := s.durable.failure()
	if err == nil {
		err = tx.awaitRun()
	}
	if err != nil {
		return fmt.Errorf("commit: %w", errors.Join(err, tx.batch.Close()))
	}
	s.pending.Store(uint64(tx.revision))
	if tx.mixed {
		s.mixed.Store(true)
	}
	tx.blockHot()
	defer tx.unblockHot()
	err = tx.takeRun()
	switch {
	case err != nil:
	case d == Sync:
		err = s.db.ApplyNoSyncWait(tx.batch, pebble.Sync)
	default:
		err = s.db.Apply(tx.batch, pebble.NoSync)
	}
	if err != nil {
		s.durable.fail(err)
		return fmt.Errorf("commit: %w", err)
	}
	for ns, n := range tx.counts {
		s.counts.put(ns, n)
	}
	for ns, h := range tx.histories {
		s.histories.put(ns, *h)
	}
	tx.publishErasings()
	s.applied.Store(uint64(tx.revision))
	s.logTime.Store(tx.time)
	s.ahead = tx.ahead
	if !tx.mixed {
		s.mixed.Store(false)
	}
	if len(tx.replaced) > 0 {
		s.replacedRows++
		s.replaced.Add(int64(len(tx.replaced)))
	}
	tx.publishWiped()
	if tx.purged != 0 {
		s.purged.Store(uint64(tx.purged))
	}
	if tx.owner != nil {
		s.owner.Store(tx.owner)
	}
	return nil
}

// blocksAll tells that the transaction cannot name all keys that it replaces, or
// takes the log back.
func (tx *Tx) blocksAll() bool { return len(tx.dropped) > 0 || tx.unnamed || tx.rewound }

func (tx *Tx) blockHot() {
	if tx.blocksAll() {
		tx.s.hot.blockAll(tx.revision)
	}
	for i := range tx.changes {
		tx.s.hot.block(tx.changes[i].hash, tx.revision)
	}
}

func (tx *Tx) unblockHot() {
	for i := range tx.changes {
		c := &tx.changes[i]
		tx.s.hot.unblock(c.hash, c.id, tx.rows[c.from:c.to])
	}
	if tx.blocksAll() {
		tx.s.hot.unblockAll()
	}
}

// Wait returns once the commit is durable and the catalog knows of it.
func (c Commit) Wait() error {
	if c.batch != nil {
		if c.sync == Sync {
			if err := c.batch.SyncWait(); err != nil {
				c.s.durable.fail(err)
				return fmt.Errorf("sync: %w", err)
			}
		}
		if err := c.batch.Close(); err != nil {
			return fmt.Errorf("release batch: %w", err)
		}
	}
	if len(c.system) > 0 && c.s.cfg.OnSystem != nil {
		c.s.cfg.OnSystem(c.system)
	}
	if c.cluster != nil {
		c.s.cluster.Store(c.cluster)
	}
	if c.lineage != nil {
		c.s.lineage.Store(c.lineage)
	}
	c.tell()
	if c.rewound {
		c.s.durable.rewind(c.revision)
	}
	if c.grows { // else the sync of the commit that gave the last may be on its way
		c.s.durable.advance(c.revision)
	}
	return nil
}

// tell calls OnCommit, unless nothing of the log's has changed.
func (c Commit) tell() {
	if c.told == nil {
		return
	}
	if c.told.Revision != c.told.Prev || len(c.told.Records) > 0 {
		c.onCommit(c.told)
	}
	c.told.release()
}

// commitAside commits what gives no revision and nobody waits for, as the sweeper does.
func (tx *Tx) commitAside() error {
	c, err := tx.Commit(NoSync)
	if err != nil {
		return err
	}
	if c.told != nil {
		c.told.release()
	}
	if c.batch == nil {
		return nil
	}
	return c.batch.Close()
}

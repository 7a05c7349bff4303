package store

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/planted"
)

// Tx gathers what a batch of the log changes, and shows it to the decisions
// that follow in the same batch. There is one at a time, for one goroutine: it
// holds the store's write lock from Begin to Commit or Rollback.
type Tx struct {
	s         *Store
	batch     *pebble.Batch
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
	dropped   []godwit.NamespaceID
	cleared   []clearing
	wiped     map[godwit.NamespaceID]wiped // a zero one: it is forgotten
	unnamed   bool                         // more keys are cleared than changes has
	noted     bool                         // it notes what is to be erased
	ended     int64                        // when what it removes came to its end, unix milliseconds; 0: at its own time
	system    []godwit.Record
	requests  map[godwit.RequestKey]godwit.Result      // remembered in this transaction
	proposers map[ProposerID]uint64                    // whose batches this transaction holds
	histories map[godwit.NamespaceID]*namespaceHistory // of those that change
	versions  map[entryID]*keyVersions
	told      *Committed // for OnCommit; nil: there is none
	onCommit  func(*Committed)
	err       error  // the first of the writes into batch
	key, row  []byte // scratch
	following
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
	bulk    bool            // it may become a run

	cluster *string // nil: it stays
	lineage *godwit.Lineage
	owner   *ownership
	purged  godwit.Revision // the purge floor; 0: it stays

	ownNS               godwit.NamespaceID // whose own entry ownKey is
	ownKey              string
	entries, tombstones rowCursor
}

// change is a key whose row this transaction replaces.
type change struct {
	hash     uint64
	id       entryID
	from, to int // its row in Tx.rows; empty if the key has none any more, or a later one
}

type entryID struct {
	ns  godwit.NamespaceID
	key string
}

// headKind is what stands under a key at this node.
type headKind uint8

const (
	headNone headKind = iota
	headEntry
	headSwept   // an entry that had expired and whose value is gone
	headDeleted // a tombstone
)

// Head is what a decision needs to know of a key.
type Head struct {
	Revision   godwit.Revision
	Expiration int64
	Created    int64

	kind   headKind
	due    int64 // of a tombstone
	at     place
	size   int64 // of an entry, as counters count
	blob   godwit.BlobID
	number number
	change int // 1 + its place in Tx.changes; 0: not changed
}

// number is a value that can be added to, if it is one.
type number struct {
	n  int64
	is bool
}

func numberOf(v godwit.Value) (n number) {
	n.n, n.is = godwit.ParseNumber(v.Inline)
	return n
}

// Live tells whether the key has an entry at a time of the log, in unix seconds.
// That this node has swept it makes no difference.
func (h Head) Live(now int64) bool {
	return (h.kind == headEntry || h.kind == headSwept) && (h.Expiration == 0 || h.Expiration > now)
}

// Number is the number that a live key holds, if its value is one. That this node
// has swept it makes no difference.
func (h Head) Number() (n int64, ok bool) { return h.number.n, h.number.is }

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
	if tx.noted {
		tx.s.erasures.unnoted()
	}
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
	tx.following = following{}
	if len(tx.heads) > keepHeads {
		tx.heads = make(map[entryID]Head)
	}
	if len(tx.requests) > keepHeads {
		tx.requests = make(map[godwit.RequestKey]godwit.Result)
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
	clear(tx.indexed)
	clear(tx.heads)
	clear(tx.counts)
	tx.histories, tx.versions = nil, nil
	clear(tx.requests)
	clear(tx.changes)
	if tx.told != nil {
		tx.told.release()
	}
	tx.told, tx.onCommit = nil, nil
	tx.changes, tx.rows = tx.changes[:0], tx.rows[:0]
	tx.indexed, tx.indexKeys, tx.replaced = tx.indexed[:0], tx.indexKeys[:0], tx.replaced[:0]
	tx.batch, tx.system, tx.err, tx.dropped, tx.proposers = nil, nil, nil, nil, nil
	tx.cleared, tx.wiped, tx.unnamed, tx.noted, tx.ended = nil, nil, false, false, 0
	tx.s.writing.Unlock()
}

// Revision is the last revision given.
func (tx *Tx) Revision() godwit.Revision { return tx.revision }

// Time is the log's time, in unix milliseconds.
func (tx *Tx) Time() int64 { return tx.time }

// Advance moves the log's time forward; it never goes back.
func (tx *Tx) Advance(ms int64) { tx.time = max(tx.time, ms) }

// Head returns what stands under a key, this transaction's changes included.
func (tx *Tx) Head(ns godwit.NamespaceID, key string) (Head, error) {
	if h, ok := tx.heads[entryID{ns, key}]; ok {
		return h, nil
	}
	if slices.Contains(tx.dropped, ns) {
		return Head{}, nil
	}
	h, err := tx.readHead(ns, key)
	if err == nil {
		h = tx.lookedUp(entryID{ns, key}, h)
	}
	return h, err
}

// lookedUp keeps what the database has under a key, unless that is cleared.
func (tx *Tx) lookedUp(id entryID, h Head) Head {
	if len(tx.cleared) > 0 && tx.isCleared(id, h.Revision) {
		h = Head{}
	}
	tx.heads[id] = h
	return h
}

func (tx *Tx) readHead(ns godwit.NamespaceID, key string) (h Head, err error) {
	found, err := rowCacheGet(tx.s.hot.rows, hotHash(tx.s.hot, ns, key), ns, key, func(row []byte) error {
		h, err = headOf(key, row)
		return err
	})
	if found || err != nil {
		return h, err
	}
	tx.key = appendEntryKey(tx.key[:0], ns, key)
	v, closer, err := tx.s.db.Get(tx.key)
	if errors.Is(err, pebble.ErrNotFound) {
		return tx.readTombstone(ns, key)
	}
	if err != nil {
		return Head{}, fmt.Errorf("read entry: %w", err)
	}
	defer closer.Close()
	return headOf(key, v)
}

func headOf(key string, row []byte) (Head, error) {
	e, err := decodeEntryRow(row)
	if err != nil {
		return Head{}, err
	}
	return Head{
		kind: headEntry, Revision: e.revision, Expiration: e.expiration, Created: e.created,
		at: e.place, blob: e.blob.ID, size: int64(len(key)+len(e.metadata)) + e.size,
		number: numberOf(godwit.Value{Inline: e.inline}),
	}, nil
}

func (tx *Tx) readTombstone(ns godwit.NamespaceID, key string) (Head, error) {
	if !tx.s.tombstoned.has(ns) {
		return Head{}, nil
	}
	tx.key = appendTombstoneKey(tx.key[:0], ns, key)
	v, closer, err := tx.s.db.Get(tx.key)
	if errors.Is(err, pebble.ErrNotFound) {
		return Head{}, nil
	}
	if err != nil {
		return Head{}, fmt.Errorf("read tombstone: %w", err)
	}
	defer closer.Close()
	return tombstoneHead(v)
}

func tombstoneHead(row []byte) (Head, error) {
	t, err := decodeTombstoneRow(row)
	if err != nil {
		return Head{}, err
	}
	return t.head(), nil
}

// Apply makes a record take effect and moves the position to it. Its revision is
// above all before it. Its bytes stay the same until the commit's Wait returns, and
// are not kept longer. On a store that is mixed it does what CatchUp does.
func (tx *Tx) Apply(r *godwit.Record) error {
	old, err := tx.Head(r.Namespace, r.Key)
	if err != nil {
		return err
	}
	tx.revision = r.Revision
	if !tx.mixed {
		return tx.take(r, old)
	}
	if is, err := tx.superseded(r, old); is || err != nil {
		return cmp.Or(err, tx.clearBy(r))
	}
	return tx.takeOver(r, old)
}

// take puts a record in place of what stands under its key.
func (tx *Tx) take(r *godwit.Record, old Head) error {
	if r.Swept && r.Expiration == 0 {
		return fmt.Errorf("record %d has no value and no expiration", r.Revision)
	}
	from := len(tx.rows)
	h := tx.replace(r, old)
	tx.index(r)
	tx.forgetRow(old)
	tx.changes = append(tx.changes, change{hotHash(tx.s.hot, r.Namespace, r.Key), entryID{r.Namespace, r.Key}, from, len(tx.rows)})
	h.change = len(tx.changes)
	tx.heads[entryID{r.Namespace, r.Key}] = h
	tx.note(r)
	return tx.err
}

// replace writes all rows of what a record puts under a key but those of the index
// by revision.
func (tx *Tx) replace(r *godwit.Record, old Head) Head {
	retention := int64(tx.s.cfg.Retention / time.Second)
	if planted.ForgetTombstone {
		retention = 1
	}
	kept := tx.keepVersion(entryID{r.Namespace, r.Key}, old, instant{r.Revision, tx.time}, endBy(r))
	tx.removeHead(r.Namespace, r.Key, old, kept)
	switch {
	case r.Op == godwit.OpPut && !r.Swept:
		return tx.putEntry(r)
	case r.Op == godwit.OpPut:
		return tx.putTombstone(r.Namespace, r.Key, tombstoneRow{
			kind: tombSwept, revision: r.Revision, due: r.Expiration + retention, expiration: r.Expiration, created: r.Created,
			number: numberOf(r.Value),
		})
	default:
		return tx.putTombstone(r.Namespace, r.Key, tombstoneRow{
			kind: tombDeleted, revision: r.Revision, due: tx.time/1000 + retention,
		})
	}
}

// note keeps a record for those that are told of it.
func (tx *Tx) note(r *godwit.Record) {
	if tx.told != nil {
		tx.told.Records = append(tx.told.Records, *r)
	}
	if r.Namespace == godwit.SystemNamespace {
		tx.noteSystem(r)
	}
}

// forgetRow takes back the row that this transaction gave a key: nobody may find
// in the row cache what was never the last.
func (tx *Tx) forgetRow(h Head) {
	if h.change > 0 {
		c := &tx.changes[h.change-1]
		c.to = c.from
	}
}

func (tx *Tx) putEntry(r *godwit.Record) Head {
	h := Head{
		kind: headEntry, Revision: r.Revision, Expiration: r.Expiration, Created: r.Created,
		at: placeOf(r.Value), blob: r.Value.Blob.ID,
		size:   int64(len(r.Key)+len(r.Metadata)) + r.Value.Size(),
		number: numberOf(r.Value),
	}
	from := len(tx.rows)
	tx.rows = appendEntryRow(tx.rows, r)
	tx.key = appendEntryKey(tx.key[:0], r.Namespace, r.Key)
	tx.set(tx.key, tx.rows[from:])
	if h.Expiration != 0 {
		tx.setDue(h.Expiration, r.Namespace, r.Key, r.Revision)
	}
	switch h.at {
	case placeRow:
		tx.key = appendValueKey(tx.key[:0], r.Namespace, r.Revision)
		tx.set(tx.key, r.Value.Inline)
	case placeBlob:
		tx.key = appendBlobKey(tx.key[:0], r.Namespace, h.blob)
		tx.row = appendBlobRow(tx.row[:0], r.Revision, r.Key)
		tx.set(tx.key, tx.row)
	}
	tx.count(r.Namespace, 1, h.size)
	return h
}

func (tx *Tx) putTombstone(ns godwit.NamespaceID, key string, t tombstoneRow) Head {
	tx.s.tombstoned.add(ns)
	tx.delete(appendEntryKey(tx.key[:0], ns, key))
	tx.key = appendTombstoneKey(tx.key[:0], ns, key)
	tx.row = appendTombstoneRow(tx.row[:0], t)
	tx.set(tx.key, tx.row)
	tx.setDue(t.due, ns, key, t.revision)
	return t.head()
}

// removeHead deletes what removeBody does, and takes it out of the index by
// revision.
func (tx *Tx) removeHead(ns godwit.NamespaceID, key string, h Head, kept bool) {
	if h.kind == headNone {
		return
	}
	tx.removeBody(ns, key, h, kept)
	tx.unindex(h.Revision)
}

// removeBody deletes every row of what stands under a key but those of the index by
// revision and the entry's own, which what comes next overwrites or, a tombstone, deletes.
// kept tells that the value stays, of a version.
func (tx *Tx) removeBody(ns godwit.NamespaceID, key string, h Head, kept bool) {
	if h.kind != headEntry {
		tx.delete(appendTombstoneKey(tx.key[:0], ns, key))
		tx.delete(appendDueKey(tx.key[:0], h.due, ns, key))
		return
	}
	if h.Expiration != 0 {
		tx.delete(appendDueKey(tx.key[:0], h.Expiration, ns, key))
	}
	if !kept {
		tx.useless(ns)
	}
	switch {
	case kept:
	case h.at == placeRow:
		tx.delete(appendValueKey(tx.key[:0], ns, h.Revision))
	case h.at == placeBlob:
		tx.discardBlob(ns, h.blob)
	}
	tx.count(ns, -1, -h.size)
}

func (tx *Tx) discardBlob(ns godwit.NamespaceID, id godwit.BlobID) {
	tx.delete(appendBlobKey(tx.key[:0], ns, id))
	due := tx.s.cfg.Now().Add(tx.s.cfg.BlobGrace).Unix()
	tx.row = tx.row[:0]
	if tx.s.cfg.Follower {
		tx.row = append(tx.row, ns[:]...)
	}
	tx.set(appendGarbageKey(tx.key[:0], due, id), tx.row)
}

// raisePurged moves the purge floor up.
func (tx *Tx) raisePurged(floor godwit.Revision) {
	if floor <= max(tx.purged, tx.s.Purged()) {
		return
	}
	tx.purged = floor
	tx.row = appendPair(tx.row[:0], uint64(floor), 0)
	tx.set(metaPurged, tx.row)
}

func (tx *Tx) setDue(due int64, ns godwit.NamespaceID, key string, r godwit.Revision) {
	tx.key = appendDueKey(tx.key[:0], due, ns, key)
	tx.row = binary.BigEndian.AppendUint64(tx.row[:0], uint64(r))
	tx.set(tx.key, tx.row)
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

// noteSystem keeps a record for OnSystem, drops the namespace whose entry it
// deletes, and clears the keys that it names.
func (tx *Tx) noteSystem(r *godwit.Record) {
	keep := *r
	keep.Value.Inline = append([]byte(nil), r.Value.Inline...)
	keep.Metadata = append([]byte(nil), r.Metadata...)
	tx.system = append(tx.system, keep)
	if id, ok := namespaceOf(r.Key); ok && r.Op == godwit.OpDelete {
		tx.dropNamespace(id)
		tx.s.erasures.ended(id)
	} else if ok {
		tx.setErasing(id, r)
		tx.setHistory(id, r)
	}
	if err := tx.clearBy(r); tx.err == nil {
		tx.err = err
	}
}

// namespacePrefix is where the catalog keeps the entries that make namespaces
// exist; deleting one deletes the namespace's keys.
const namespacePrefix = "namespace/"

// namespaceOf returns the namespace whose own entry stands under a key of the
// system namespace.
func namespaceOf(key string) (godwit.NamespaceID, bool) {
	text, ok := strings.CutPrefix(key, namespacePrefix)
	if !ok {
		return godwit.NamespaceID{}, false
	}
	id, err := godwit.ParseNamespaceID(text)
	return id, err == nil
}

// dropNamespace deletes all of a namespace's keys in a few rows. What it leaves
// behind in i, r, x and b the sweeper clears away.
func (tx *Tx) dropNamespace(ns godwit.NamespaceID) {
	tx.dropRows(ns, prefixEntry, prefixValue, prefixTombstone, prefixVersion, prefixEnded)
	tx.useless(ns)
	tx.set(appendNS(tx.key[:0], prefixDropped, ns), nil)
	tx.unwipe(ns)
	tx.counts[ns] = count{}
	tx.dropHistory(ns)
	tx.dropped = append(tx.dropped, ns)
}

// dropRows deletes all of a namespace's rows of some kinds, which are those of its keys
// among others, and forgets what stands under its keys in this transaction.
func (tx *Tx) dropRows(ns godwit.NamespaceID, prefixes ...byte) {
	for _, prefix := range prefixes {
		lower := appendNS(nil, prefix, ns)
		tx.check(tx.batch.DeleteRange(lower, successor(lower), nil))
	}
	for id, h := range tx.heads {
		if id.ns == ns {
			tx.forgetRow(h)
			tx.heads[id] = Head{}
		}
	}
}

func (tx *Tx) set(key, row []byte) { tx.check(tx.batch.Set(key, row, nil)) }
func (tx *Tx) delete(key []byte)   { tx.check(tx.batch.Delete(key, nil)) }

func (tx *Tx) check(err error) {
	if tx.err == nil && err != nil {
		tx.err = fmt.Errorf("gather write: %w", err)
	}
}

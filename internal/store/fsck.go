package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/blob"
)

// Fsck holds every index of a closed store against every other, reads every
// value, and reports what does not fit, in no order and one at a time. It changes
// nothing. Errors are about not being able to look: those of Open, the context's.
func Fsck(ctx context.Context, cfg Config, report func(problem string)) (err error) {
	s, err := openReadOnly(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.release()) }()
	f := &fsck{s: s, ctx: ctx, blobs: make(map[godwit.BlobID]bool), counts: make(map[godwit.NamespaceID]count)}
	var telling sync.Mutex
	f.report = func(problem string) {
		telling.Lock()
		defer telling.Unlock()
		report(problem)
	}
	f.history = fsckHistory{values: make(revisionSet), counts: make(map[godwit.NamespaceID]count)}
	return f.run()
}

type fsck struct {
	s       *Store
	ctx     context.Context //nolint:containedctx // lives as long as one call
	report  func(string)    // by any goroutine
	files   *blob.Store
	follows bool // the store is a follower's
	dropped map[godwit.NamespaceID]bool

	replaced revisionSet
	packed   godwit.Revision // the last of the row of i that was looked at
	near     mutations       // that were looked for last
	named    int64           // entries whose value is a row
	used     int64           // rows of values that are those of an entry, as long as it says

	naming sync.Mutex
	blobs  map[godwit.BlobID]bool // named by an entry, or an earlier version
	counts map[godwit.NamespaceID]count

	history fsckHistory
}

func (f *fsck) run() error {
	if err := f.s.load(); err != nil {
		f.problem("%v", err)
		return nil
	}
	follower, err := f.s.getMeta(metaFollower)
	if err != nil {
		return err
	}
	f.follows = follower != nil
	if err := errors.Join(f.findDropped(), f.findReplaced()); err != nil {
		return err
	}
	if _, statErr := f.s.cfg.FS.Stat(f.s.blobDir()); statErr == nil {
		if f.files, err = blob.Open(readOnlyFS{blobFS{f.s.cfg.FS}}, f.s.blobDir()); err != nil {
			return err
		}
	}
	if err := f.rows(); err != nil {
		return err
	}
	f.compareCounts()
	f.compareHistories()
	f.lineage()
	f.wiped()
	return f.strangers()
}

// rowCheck looks at all rows of one prefix.
type rowCheck struct {
	prefix byte
	row    func(k, v []byte)
}

// rows looks at all rows, on two processors. Each row of a value is read once: if as many
// are those of an entry as entries have one, no entry lacks its own.
func (f *fsck) rows() error {
	group, ctx := errgroup.WithContext(f.ctx)
	group.Go(func() error {
		if err := f.check(ctx, rowCheck{prefixEntry, f.entry}); err != nil {
			return err
		}
		return f.tables(ctx)
	})
	group.Go(func() error {
		return f.check(ctx,
			rowCheck{prefixVersion, f.version}, rowCheck{prefixEnded, f.ended}, rowCheck{prefixTombstone, f.tombstone},
			rowCheck{prefixIndex, f.index}, rowCheck{prefixRevision, f.revision}, rowCheck{prefixDue, f.due}, rowCheck{prefixValue, f.value},
			rowCheck{prefixRequest, f.request}, rowCheck{prefixReqTime, f.requestTime}, rowCheck{prefixProposer, f.proposer})
	})
	if err := group.Wait(); err != nil {
		return err
	}
	if f.used != f.named {
		if err := f.check(f.ctx, rowCheck{prefixEntry, f.entryValue}); err != nil {
			return err
		}
	}
	return f.check(f.ctx, rowCheck{prefixBlob, f.blobRow}, rowCheck{prefixGarbage, f.garbage}) // all that name them are known
}

func (f *fsck) check(ctx context.Context, checks ...rowCheck) error {
	for _, c := range checks {
		err := scanPrefix(f.s.db, []byte{c.prefix}, func(k, v []byte) error {
			c.row(k, v)
			return ctx.Err()
		})
		if pebble.IsCorruptionError(err) {
			f.problem("rows of %q: %v", c.prefix, err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// tables reads the files of the database whole, also what no row is read of.
func (f *fsck) tables(ctx context.Context) error {
	for after := uint64(0); ; {
		t, ok, err := f.s.TableAfter(after)
		if err != nil || !ok {
			return err
		}
		after = t.Number
		err = f.s.CheckTable(ctx, t, func(ctx context.Context, _ int) error { return ctx.Err() })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			f.problem("%v", err)
		}
	}
}

func (f *fsck) problem(format string, args ...any) { f.report(fmt.Sprintf(format, args...)) }

func (f *fsck) findDropped() error {
	f.dropped = make(map[godwit.NamespaceID]bool)
	return scanPrefix(f.s.db, []byte{prefixDropped}, func(k, _ []byte) error {
		if len(k) == 1+nsLen {
			f.dropped[godwit.NamespaceID(k[1:])] = true
		} else {
			f.problem("dropped namespace %q: damaged key", k)
		}
		return nil
	})
}

func (f *fsck) findReplaced() error {
	f.replaced = make(revisionSet)
	return scanPrefix(f.s.db, []byte{prefixReplaced}, func(k, row []byte) error {
		_, keyErr := cutReplacedKey(k)
		_, revisions, err := decodeReplacedRow(row)
		if err != nil || keyErr != nil {
			f.problem("replaced %q: damaged row", k)
		}
		for _, r := range revisions {
			f.replaced.add(r)
		}
		return nil
	})
}

// strangers reports rows of no kind in the key table.
func (f *fsck) strangers() error {
	var lower []byte
	for _, prefix := range []byte("bcdeghiklmnopqrtuvwx") {
		if err := f.stranger(lower, []byte{prefix}); err != nil {
			return err
		}
		lower = []byte{prefix + 1}
	}
	return f.stranger(lower, nil)
}

func (f *fsck) stranger(lower, upper []byte) error {
	return scanRange(f.s.db, lower, upper, func(k, _ []byte) error {
		f.problem("row %q is of no kind", k)
		return f.ctx.Err()
	})
}

// get returns a row, or nil.
func (f *fsck) get(key []byte) []byte {
	v, closer, err := f.s.db.Get(key)
	if err != nil {
		if !errors.Is(err, pebble.ErrNotFound) {
			f.problem("row %q: %v", key, err)
		}
		return nil
	}
	defer closer.Close()
	return append([]byte{}, v...)
}

// size is how long a row is, read whole; below 0: there is none.
func (f *fsck) size(key []byte) int64 {
	v, closer, err := f.s.db.Get(key)
	if err != nil {
		if !errors.Is(err, pebble.ErrNotFound) {
			f.problem("row %q: %v", key, err)
		}
		return -1
	}
	defer closer.Close()
	return int64(len(v))
}

func (f *fsck) entry(k, v []byte) {
	ns, key, ok := cutNSKey(k[1:])
	row, err := decodeEntryRow(v)
	if !ok || err != nil {
		f.problem("entry %q: damaged row", k)
		return
	}
	if row.revision > max(godwit.Revision(f.s.applied.Load()), f.s.ahead) {
		f.problem("entry %s %q: revision %d is beyond the applied position", ns, key, row.revision)
	}
	if f.dropped[ns] {
		f.problem("entry %s %q: is of a namespace that was deleted", ns, key)
	}
	f.expectRevision(godwit.OpPut, row.revision, ns, key)
	if row.expiration != 0 {
		f.expectDue(row.expiration, ns, key, row.revision)
	}
	if f.get(appendTombstoneKey(nil, ns, key)) != nil {
		f.problem("entry %s %q: has a tombstone too", ns, key)
	}
	switch row.place {
	case placeRow:
		f.named++
	case placeBlob:
		f.entryBlob(ns, key, row.blob)
	}
	c := f.counts[ns]
	f.counts[ns] = count{c.keys + 1, c.bytes + int64(len(key)+len(row.metadata)) + row.size}
}

// entryValue looks for the row of an entry's value.
func (f *fsck) entryValue(k, v []byte) {
	ns, key, ok := cutNSKey(k[1:])
	row, err := decodeEntryRow(v)
	if !ok || err != nil || row.place != placeRow {
		return
	}
	if n := max(f.size(appendValueKey(nil, ns, row.revision)), 0); n != row.size {
		f.problem("entry %s %q: value of %d bytes, not %d", ns, key, n, row.size)
	}
}

func (f *fsck) entryBlob(ns godwit.NamespaceID, key []byte, b godwit.Blob) {
	f.naming.Lock()
	f.blobs[b.ID] = true
	f.naming.Unlock()
	if f.get(appendBlobKey(nil, ns, b.ID)) == nil {
		f.problem("entry %s %q: blob %s has no row", ns, key, b.ID)
	}
	err := blob.ErrNotFound
	if f.files != nil {
		err = f.files.Verify(f.ctx, b)
	}
	switch {
	case err == nil, f.ctx.Err() != nil:
	case f.follows && errors.Is(err, blob.ErrNotFound): // it can be had again
	case f.files == nil:
		f.problem("entry %s %q: blob directory is missing", ns, key)
	default:
		f.problem("entry %s %q: %v", ns, key, err)
	}
}

func (f *fsck) tombstone(k, v []byte) {
	ns, key, ok := cutNSKey(k[1:])
	t, err := decodeTombstoneRow(v)
	if !ok || err != nil {
		f.problem("tombstone %q: damaged row", k)
		return
	}
	op := godwit.OpDelete
	if t.kind == tombSwept {
		op = godwit.OpPut
	}
	f.expectRevision(op, t.revision, ns, key)
	f.expectDue(t.due, ns, key, t.revision)
}

func (f *fsck) expectRevision(op godwit.Op, r godwit.Revision, ns godwit.NamespaceID, key []byte) {
	for _, rec := range f.mutations(r) {
		if rec.op == op && rec.ns == ns && string(rec.key) == string(key) {
			return
		}
	}
	f.problem("key %s %q: revision %d is not in the index by revision", ns, key, r)
}

// mutations is what the index has of a revision.
func (f *fsck) mutations(r godwit.Revision) (found []indexed) {
	if r == 0 || r > godwit.MaxRevision {
		return nil
	}
	err := scanRevisions(f.s.db, r-1, r, func(rec indexed) error {
		rec.key = bytes.Clone(rec.key)
		found = append(found, rec)
		return nil
	})
	if err != nil && !errors.Is(err, ErrCorrupt) { // damaged rows are told of by themselves
		f.problem("revision %d: %v", r, err)
	}
	return found
}

// mutations are what the index has of some revisions, all that it has of them.
type mutations struct {
	after, upTo godwit.Revision // of revisions in (after, upTo]
	found       []indexed
}

// nearRecords is about how many mutations are read of the index at once.
const nearRecords = 256

var errNear = errors.New("enough is read")

// mutationsNear is mutations, for who asks in order of revision. It is for one goroutine.
func (f *fsck) mutationsNear(r godwit.Revision) []indexed {
	if r == 0 || r > godwit.MaxRevision {
		return nil
	}
	if r <= f.near.after || r > f.near.upTo {
		f.near = f.readNear(r)
	}
	from, _ := slices.BinarySearchFunc(f.near.found, r, func(m indexed, r godwit.Revision) int { return cmp.Compare(m.revision, r) })
	to := from
	for to < len(f.near.found) && f.near.found[to].revision == r {
		to++
	}
	return f.near.found[from:to]
}

// readNear reads the index from a revision on.
func (f *fsck) readNear(r godwit.Revision) mutations {
	near := mutations{after: r - 1, upTo: godwit.MaxRevision}
	err := scanRevisions(f.s.db, near.after, near.upTo, func(m indexed) error {
		if len(near.found) >= nearRecords && m.revision > near.found[len(near.found)-1].revision {
			near.upTo = m.revision - 1
			return errNear
		}
		m.key = bytes.Clone(m.key)
		near.found = append(near.found, m)
		return nil
	})
	if err != nil && !errors.Is(err, errNear) {
		return mutations{after: r - 1, upTo: r, found: f.mutations(r)}
	}
	return near
}

func (f *fsck) expectDue(due int64, ns godwit.NamespaceID, key []byte, r godwit.Revision) {
	got := f.get(appendDueKey(nil, due, ns, string(key)))
	if len(got) != 8 || godwit.Revision(binary.BigEndian.Uint64(got)) != r {
		f.problem("key %s %q: time %d is not in the index by time", ns, key, due)
	}
}

// head is what stands under a key, or false.
func (f *fsck) head(ns godwit.NamespaceID, key []byte) (Head, bool) {
	tx := Tx{s: f.s}
	h, err := tx.readHead(ns, string(key))
	if err != nil {
		f.problem("key %s %q: %v", ns, key, err)
	}
	return h, err == nil && h.kind != headNone
}

func (f *fsck) revision(k, v []byte) {
	r, err := decodeSingle(k, v)
	if err != nil {
		f.problem("revision %q: damaged row", k)
		return
	}
	f.stands(r)
}

func (f *fsck) index(k, v []byte) {
	last, err := cutIndexKey(k)
	before := f.packed
	if err == nil {
		f.packed = last
		err = decodeIndexRow(last, v, func(r indexed) error {
			if r.revision <= before {
				f.problem("revision %d: is in the index by revision twice", r.revision)
			}
			f.stands(r)
			return nil
		})
	}
	if err != nil {
		f.problem("index %q: damaged row", k)
	}
}

// stands expects what is under a key to be of a revision, unless that was replaced.
func (f *fsck) stands(r indexed) {
	if h, ok := f.head(r.ns, r.key); (!ok || h.Revision != r.revision) && !f.dropped[r.ns] && !f.replaced.has(r.revision) && r.revision >= f.s.wiped[r.ns].before {
		f.problem("revision %d: key %s %q is not at it", r.revision, r.ns, r.key)
	}
}

func (f *fsck) due(k, v []byte) {
	due, ns, key, ok := cutDueKey(k)
	if !ok || len(v) != 8 {
		f.problem("time %q: damaged row", k)
		return
	}
	h, ok := f.head(ns, key)
	at := h.due
	if h.kind == headEntry {
		at = h.Expiration
	}
	if (!ok || at != due || h.Revision != godwit.Revision(binary.BigEndian.Uint64(v))) && !f.dropped[ns] && !f.unswept(ns) {
		f.problem("time %d: key %s %q has nothing due then", due, ns, key)
	}
}

func (f *fsck) value(k, v []byte) {
	if len(k) != 1+nsLen+8 {
		f.problem("value %q: damaged key", k)
		return
	}
	ns, r := godwit.NamespaceID(k[1:1+nsLen]), godwit.Revision(binary.BigEndian.Uint64(k[1+nsLen:]))
	if f.history.values.has(r) {
		return
	}
	found := f.mutationsNear(r)
	for _, rec := range found {
		row, err := decodeEntryRow(f.get(appendEntryKey(nil, ns, string(rec.key))))
		if err != nil || row.revision != r || row.place != placeRow {
			continue
		}
		if row.size == int64(len(v)) {
			f.used++
		}
		return
	}
	if len(found) == 0 {
		f.problem("value of revision %d: no entry has it", r)
		return
	}
	f.problem("value of revision %d: entry %s %q does not use it", r, found[0].ns, found[0].key)
}

func (f *fsck) blobRow(k, v []byte) {
	ns, id, err := cutBlobKey(k)
	if err != nil {
		f.problem("blob %q: damaged key", k)
		return
	}
	if f.dropped[ns] {
		return
	}
	if !f.blobs[id] && !f.unswept(ns) {
		f.problem("blob %s: no entry names it", id)
	}
	r, key, known, err := decodeBlobRow(v)
	if err != nil {
		f.problem("blob %s: damaged row", id)
	}
	if !known {
		return
	}
	if v := f.versionOf(ns, key, r); v != nil && v.blob.ID == id {
		return
	}
	if h, ok := f.head(ns, key); (!ok || h.Revision != r || h.blob != id) && !f.unswept(ns) {
		f.problem("blob %s: entry %s %q does not name it at revision %d", id, ns, key, r)
	}
}

// unswept tells whether rows of x and b may mean nothing, of a namespace that was cleared.
func (f *fsck) unswept(ns godwit.NamespaceID) bool {
	w, is := f.s.wiped[ns]
	return is && !w.swept
}

// wiped expects clearings to be at the applied position or before.
func (f *fsck) wiped() {
	for ns, w := range f.s.wiped {
		if w.before > godwit.Revision(f.s.applied.Load())+1 {
			f.problem("namespace %s: was cleared at revision %d, beyond the applied position", ns, w.before)
		}
	}
}

// garbage that was a follower's may have got a name again: its row tells where to look
// before the file goes.
func (f *fsck) garbage(k, v []byte) {
	if len(k) != 1+8+idLen {
		f.problem("garbage %q: damaged key", k)
	} else if id := godwit.BlobID(k[9:]); f.blobs[id] && len(v) != nsLen {
		f.problem("blob %s: an entry names it, and it is to be removed", id)
	}
}

func (f *fsck) request(k, v []byte) {
	r, err := decodeRequestRow(v)
	if err != nil || len(k) != 1+reqLen {
		f.problem("request %q: damaged row", k)
	} else if f.get(appendReqTimeKey(nil, r.time, godwit.RequestKey(k[1:]))) == nil {
		f.problem("request %x: not in the index by time", k[1:])
	}
}

func (f *fsck) requestTime(k, _ []byte) {
	if len(k) != 1+8+reqLen {
		f.problem("request time %q: damaged key", k)
	} else if f.get(appendRequestKey(nil, godwit.RequestKey(k[9:]))) == nil {
		f.problem("request %x: only in the index by time", k[9:])
	}
}

func (f *fsck) proposer(k, v []byte) {
	if len(k) != 1+len(ProposerID{}) {
		f.problem("proposer %q: damaged key", k)
	} else if number, _, err := decodePair(v); err != nil || number == 0 {
		f.problem("proposer %x: damaged row", k[1:])
	}
}

func (f *fsck) compareCounts() {
	for ns, c := range f.s.counts.all {
		if f.counts[ns] != c {
			f.problem("namespace %s: counters say %d keys of %d bytes, there are %d of %d", ns, c.keys, c.bytes, f.counts[ns].keys, f.counts[ns].bytes)
		}
	}
	for ns, c := range f.counts {
		if _, ok := f.s.counts.all[ns]; !ok {
			f.problem("namespace %s: no counters for %d keys of %d bytes", ns, c.keys, c.bytes)
		}
	}
}

func (f *fsck) lineage() {
	l := f.s.Lineage()
	for i := 1; i < len(l); i++ {
		if l[i].First <= l[i-1].First || l[i].Generation < l[i-1].Generation {
			f.problem("lineage: epoch %s does not come after the one before it", l[i].ID)
		}
	}
	if n := len(l); n > 0 && !f.follows && l[n-1].First > godwit.Revision(f.s.applied.Load()) {
		f.problem("lineage: epoch %s begins beyond the applied position", l[n-1].ID)
	}
}

package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/blob"
)

// Fsck holds every index of a closed store against every other, reads every
// value, and reports what does not fit, in no order and one at a time. It changes
// nothing. Errors are about not being able to look: those of Open, the context's.
func Fsck(ctx context.Context, cfg Config, report func(problem string)) error {
	return fsckStore(ctx, cfg, nil, report)
}

// FsckDigest does what Fsck does, and makes Store.Digest of the entries that are live at
// now, in unix seconds, from the values that it reads. It says nothing if something was
// reported.
func FsckDigest(ctx context.Context, cfg Config, now int64, report func(problem string)) (sum [32]byte, revision godwit.Revision, err error) {
	d := &fsckDigest{EntryDigest: *NewEntryDigest(now)}
	err = fsckStore(ctx, cfg, d, report)
	return d.Sum(), d.revision, err
}

func fsckStore(ctx context.Context, cfg Config, d *fsckDigest, report func(problem string)) (err error) {
	s, err := openReadOnly(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.release()) }()
	f := &fsck{s: s, ctx: ctx, digest: d, seed: maphash.MakeSeed(), blobs: make(map[godwit.BlobID]bool), counts: make(map[godwit.NamespaceID]count)}
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
	digest  *fsckDigest // nil: none is wanted

	replaced revisionSet
	packed   godwit.Revision // the last of the row of i that was looked at
	near     mutations       // that were looked for last

	seed                         maphash.Seed
	entries, tombstones, indexes tallies // of rows of e, of t, and of those that lead to both
	buried                       *pebble.Iterator

	naming sync.Mutex
	blobs  map[godwit.BlobID]bool // of which it has to be known whether an entry, or an earlier version, names them
	counts map[godwit.NamespaceID]count
	whole  errgroup.Group // that read blobs

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
	if err := errors.Join(f.findDropped(), f.findReplaced(), f.findBlobs()); err != nil {
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

// rows looks at all rows, on two processors. Each row of a value is read once, by whoever
// makes the digest if it comes by all of them.
func (f *fsck) rows() error {
	f.whole.SetLimit(blobsAtOnce)
	group, ctx := errgroup.WithContext(f.ctx)
	others := []rowCheck{
		{prefixVersion, f.version}, {prefixEnded, f.ended}, {prefixTombstone, f.tombstone},
		{prefixIndex, f.index}, {prefixRevision, f.revision}, {prefixDue, f.due},
		{prefixRequest, f.request}, {prefixReqTime, f.requestTime}, {prefixProposer, f.proposer},
	}
	values := rowCheck{prefixValue, f.value}
	if f.digest == nil {
		others = append(others, values)
	}
	entries := func() error { return f.allEntries(ctx) }
	rest := func() error { return f.check(ctx, others...) }
	tables := func() error { return f.tables(ctx) }
	if f.digest == nil {
		group.Go(inTurn(entries, tables))
		group.Go(rest)
	} else {
		group.Go(entries)
		group.Go(inTurn(rest, tables))
	}
	if err := errors.Join(group.Wait(), f.whole.Wait()); err != nil {
		return err
	}
	if f.digest != nil && f.digest.readAll {
		f.indexes.values = f.digest.values
	} else if f.digest != nil {
		if err := f.check(f.ctx, values); err != nil {
			return err
		}
	}
	if err := f.compareTallies(); err != nil {
		return err
	}
	return f.check(f.ctx, rowCheck{prefixBlob, f.blobRow}, rowCheck{prefixGarbage, f.garbage}) // all that name them are known
}

// inTurn does one thing, and another if that went well.
func inTurn(first, second func() error) func() error {
	return func() error {
		if err := first(); err != nil {
			return err
		}
		return second()
	}
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

// head is what stands under a key, or false.
func (f *fsck) head(ns godwit.NamespaceID, key []byte) (Head, bool) {
	tx := Tx{s: f.s}
	h, err := tx.readHead(ns, string(key))
	if err != nil {
		f.problem("key %s %q: %v", ns, key, err)
	}
	return h, err == nil && h.kind != headNone
}

func (f *fsck) due(k, v []byte) {
	due, ns, key, ok := cutDueKey(k)
	if !ok || len(v) != 8 {
		f.problem("time %q: damaged row", k)
		return
	}
	if !f.dropped[ns] && !f.unswept(ns) {
		f.indexes.due(f.seed, due, godwit.Revision(binary.BigEndian.Uint64(v)), ns, key)
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

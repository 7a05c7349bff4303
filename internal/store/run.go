package store

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit"
)

// A run is entries that go into the database as sorted files, one for each kind of
// row, which the database takes over all at once. What comes in order of place then
// lies in the lowest level from the start: it is written once, and not into the log, a
// memtable, a file of the first level and those below, which for a copy of everything
// took half of the processor time.
//
// The rows that count and note, of which each run brings new ones, go by the log
// as ever: files of them would lie above the entries, and be compacted with those.
// So a run has three steps. Its files are made, and synced, while the runs before it may
// yet have to be taken over: nothing names them. Then the log is synced: what the database
// takes over is durable at once, and all that was committed before has to be, or what a
// crash leaves would be no prefix. Then come the files, and the rest by the log. A crash
// between the two leaves entries that are neither counted nor noted, which Unrun removes,
// and one before them files in dirRuns, which Open removes.

// runFrom is from how many bytes on entries become files: below, the syncs cost more
// than what is saved.
const runFrom = 1 << 20

const (
	// RunBytes is about how many bytes of entries should become a run.
	RunBytes = 8 << 20
	// RunsAhead is how many runs may be begun and not taken yet. Their bytes stay in memory,
	// beside those that are gathered for the next.
	RunsAhead = 2
)

// runState is how the entries of a run go in, and how far they are.
type runState uint8

const (
	runByLog   runState = iota // by the log, since they are few
	runByFiles                 // by files, which are being made
	runTaken                   // the database has taken the files over
)

// Run is entries on their way into a store.
type Run struct {
	s       *Store
	records []*godwit.Record
	state   runState
	paths   []string       // of the files that there may be
	files   errgroup.Group // so that the disk syncs them together
}

// BeginRun begins to bring entries in, in order of place, behind all that are here and
// in the runs begun before: their files are made while the caller goes on. Tx.Take ends
// that, for runs in the order in which they began; Drop where none comes. The records and
// their bytes stay the same until then.
func (s *Store) BeginRun(records []*godwit.Record) *Run {
	r, size := &Run{s: s, records: records}, 0
	for _, rec := range records {
		size += len(rec.Key) + len(rec.Metadata) + len(rec.Value.Inline)
	}
	if size < runFrom {
		return r
	}
	r.state = runByFiles
	// It need not survive a crash: what is in it is linked to where it stays.
	if err := s.cfg.FS.MkdirAll(s.dirRuns(), 0o700); err != nil {
		r.files.Go(func() error { return fmt.Errorf("make a directory for a copy: %w", err) })
		return r
	}
	number := s.runs.Add(1)
	for i := range runKinds {
		kind := &runKinds[i]
		if !slices.ContainsFunc(records, kind.has) {
			continue
		}
		path := filepath.Join(s.dirRuns(), fmt.Sprintf("%d-%c", number, kind.prefix))
		r.paths = append(r.paths, path)
		r.files.Go(func() error {
			if err := s.writeRows(path, kind, kind.of(records)); err != nil {
				return fmt.Errorf("write a copy's file: %w", err)
			}
			return nil
		})
	}
	return r
}

// Drop takes back a run that is not taken.
func (r *Run) Drop() error {
	_ = r.files.Wait()
	return r.remove()
}

func (r *Run) remove() (err error) {
	if r.state == runTaken { // the database has removed them
		return nil
	}
	for _, path := range r.paths {
		if gone := r.s.cfg.FS.Remove(path); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	r.paths, r.records = nil, nil
	return err
}

// Take has the transaction bring a run in, and do nothing else but notes. Mix, and a note
// of where the first run begins, must have been committed before. The run is the
// transaction's from now on.
func (tx *Tx) Take(r *Run) error {
	ahead := godwit.Revision(0)
	for _, rec := range r.records {
		if rec.Namespace == godwit.SystemNamespace {
			if err := tx.revive(rec.Key); err != nil {
				return errors.Join(err, r.Drop())
			}
		}
		ahead = max(ahead, rec.Revision)
		if r.state == runByLog {
			tx.installBehind(rec)
		} else {
			tx.count(rec.Namespace, 1, sizeOf(rec))
		}
		tx.note(rec)
	}
	tx.mix(ahead)
	tx.run = r
	return tx.err
}

// installBehind puts an entry behind all others. Nothing stands there, so there is nothing
// to look for, and nobody can have kept what was there.
func (tx *Tx) installBehind(r *godwit.Record) {
	from := len(tx.rows)
	tx.putEntry(r)
	tx.rows = tx.rows[:from]
	tx.setRevision(indexed{revision: r.Revision, op: r.Op, ns: r.Namespace}, r.Key)
}

// Mix notes that the store will hold parts of later states.
func (tx *Tx) Mix() { tx.mix(0) }

// awaitRun makes a run, and all that was committed before it, durable.
func (tx *Tx) awaitRun() error {
	if tx.run == nil || tx.run.state != runByFiles {
		return nil
	}
	var log errgroup.Group
	log.Go(tx.s.syncLog)
	made := tx.run.files.Wait()
	if made != nil {
		made = tx.s.uploadError(made)
	}
	err := log.Wait()
	if err != nil {
		tx.s.durable.fail(err)
	}
	return errors.Join(made, err)
}

// takeRun makes a run visible, whose files and the log before it are durable.
func (tx *Tx) takeRun() error {
	if tx.run == nil || tx.run.state != runByFiles {
		return nil
	}
	if err := tx.s.db.Ingest(context.Background(), tx.run.paths); err != nil {
		return err
	}
	tx.run.state = runTaken
	return nil
}

func (s *Store) dirRuns() string { return filepath.Join(s.cfg.Dir, "runs") }

// removeRuns removes what a crash left of a run.
func (s *Store) removeRuns() error {
	switch _, err := s.cfg.FS.Stat(s.dirRuns()); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look for what is left of a copy: %w", err)
	}
	if err := s.cfg.FS.RemoveAll(s.dirRuns()); err != nil {
		return fmt.Errorf("remove what is left of a copy: %w", err)
	}
	return nil
}

// runKind is a kind of rows, of which an entry has one or none.
type runKind struct {
	prefix byte
	has    func(*godwit.Record) bool
	order  func(a, b *godwit.Record) int // nil: they come in it
	row    func(key, row []byte, r *godwit.Record) (k, v []byte)
}

var runKinds = []runKind{
	{
		prefix: prefixEntry,
		has:    func(*godwit.Record) bool { return true },
		row: func(key, row []byte, r *godwit.Record) (k, v []byte) {
			return appendEntryKey(key, r.Namespace, r.Key), appendEntryRow(row, r)
		},
	}, {
		prefix: prefixRevision,
		has:    func(*godwit.Record) bool { return true },
		order:  func(a, b *godwit.Record) int { return cmp.Compare(a.Revision, b.Revision) },
		row: func(key, row []byte, r *godwit.Record) (k, v []byte) {
			return appendRevisionKey(key, r.Revision), appendRevisionRow(row, r.Op, r.Namespace, r.Key)
		},
	}, {
		prefix: prefixValue,
		has:    func(r *godwit.Record) bool { return placeOf(r.Value) == placeRow },
		order: func(a, b *godwit.Record) int {
			return cmp.Or(bytes.Compare(a.Namespace[:], b.Namespace[:]), cmp.Compare(a.Revision, b.Revision))
		},
		row: func(key, _ []byte, r *godwit.Record) (k, v []byte) {
			return appendValueKey(key, r.Namespace, r.Revision), r.Value.Inline
		},
	}, {
		prefix: prefixBlob,
		has:    func(r *godwit.Record) bool { return placeOf(r.Value) == placeBlob },
		order: func(a, b *godwit.Record) int {
			return cmp.Or(bytes.Compare(a.Namespace[:], b.Namespace[:]), bytes.Compare(a.Value.Blob.ID[:], b.Value.Blob.ID[:]))
		},
		row: func(key, row []byte, r *godwit.Record) (k, v []byte) {
			return appendBlobKey(key, r.Namespace, r.Value.Blob.ID), appendBlobRow(row, r.Revision, r.Key)
		},
	}, {
		prefix: prefixDue,
		has:    func(r *godwit.Record) bool { return r.Expiration != 0 },
		order: func(a, b *godwit.Record) int {
			return cmp.Or(cmp.Compare(uint64(a.Expiration), uint64(b.Expiration)), bytes.Compare(a.Namespace[:], b.Namespace[:]), cmp.Compare(a.Key, b.Key))
		},
		row: func(key, row []byte, r *godwit.Record) (k, v []byte) {
			return appendDueKey(key, r.Expiration, r.Namespace, r.Key), binary.BigEndian.AppendUint64(row, uint64(r.Revision))
		},
	},
}

// of returns the records that have a row, in order of it.
func (k *runKind) of(records []*godwit.Record) []*godwit.Record {
	if k.order == nil {
		return records
	}
	of := make([]*godwit.Record, 0, len(records))
	for _, r := range records {
		if k.has(r) {
			of = append(of, r)
		}
	}
	slices.SortFunc(of, k.order)
	return of
}

// writeRows writes and syncs one file.
func (s *Store) writeRows(path string, kind *runKind, records []*godwit.Record) (err error) {
	f, err := s.cfg.FS.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	gathered := &gatheredFile{f, bufio.NewWriterSize(f, gatherBytes)}
	w := sstable.NewWriter(objstorageprovider.NewFileWritable(gathered), s.runOptions)
	var key, row, last []byte // scratch
	for _, r := range records {
		k, v := kind.row(key[:0], row[:0], r)
		if bytes.Equal(k, last) { // of two that cannot both be: a check finds it
			continue
		}
		if err := w.Set(k, v); err != nil {
			return errors.Join(err, w.Close())
		}
		key, last = last, k
		if kind.prefix != prefixValue {
			row = v
		}
	}
	return w.Close()
}

// gatherBytes is how much of a file is written at once: a block, and the few bytes
// behind it, were a write each.
const gatherBytes = 256 << 10

// gatheredFile is a file that is written in large pieces. What was written is there
// once it is synced.
type gatheredFile struct {
	vfs.File
	gathered *bufio.Writer
}

// Write implements io.Writer.
func (f *gatheredFile) Write(p []byte) (int, error) { return f.gathered.Write(p) }

// Sync implements vfs.File.
func (f *gatheredFile) Sync() error {
	if err := f.gathered.Flush(); err != nil {
		return err
	}
	return f.File.Sync()
}

// Unrun removes all entries behind a place (nil: all), which a run brought in that
// a crash has cut off: nothing counts them, or tells of them.
func (s *Store) Unrun(ctx context.Context, after *Place) error {
	tx := s.Begin()
	lower := []byte{prefixEntry}
	if after != nil {
		lower = append(appendEntryKey(nil, after.Namespace, after.Key), 0)
	}
	err := scanRange(s.db, lower, []byte{prefixEntry + 1}, func(k, row []byte) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		ns, key, ok := cutNSKey(k[1:])
		e, err := decodeEntryRow(row)
		if err != nil || !ok {
			return fmt.Errorf("read entry: %w", ErrCorrupt)
		}
		tx.unrun(k, ns, string(key), &e)
		return tx.err
	})
	if err != nil {
		tx.Rollback()
		return err
	}
	c, err := tx.Commit(NoSync)
	if err != nil {
		return err
	}
	return c.Wait()
}

func (tx *Tx) unrun(row []byte, ns godwit.NamespaceID, key string, e *entryRow) {
	tx.delete(row)
	tx.delete(appendRevisionKey(tx.key[:0], e.revision))
	if e.expiration != 0 {
		tx.delete(appendDueKey(tx.key[:0], e.expiration, ns, key))
	}
	switch e.place {
	case placeRow:
		tx.delete(appendValueKey(tx.key[:0], ns, e.revision))
	case placeBlob:
		tx.delete(appendBlobKey(tx.key[:0], ns, e.blob.ID))
	}
	tx.changes = append(tx.changes, change{hash: hotHash(tx.s.hot, ns, key), id: entryID{ns, key}})
}

package store

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit"
)

// A run is a transaction of entries that goes into the database as sorted files,
// one for each kind of row, which the database takes over all at once. What comes
// in order of place then lies in the lowest level from the start: it is written
// once, and not into the log, a memtable, a file of the first level and those
// below, which for a copy of everything took half of the processor time.
//
// The rows that count and note, of which each run brings new ones, go by the log
// as ever: files of them would lie above the entries, and be compacted with those.
// So a run has two steps. Files are durable at once, and all that was committed
// before them has to be, or what a crash leaves would be no prefix: the log is
// synced beside them, first. Then comes the rest. A crash between the two leaves entries that
// are neither counted nor noted, which Unrun removes, and one before them files in
// dirRuns, which Open removes.

// runFrom is from how many bytes on a transaction may be a run: below, the syncs
// cost more than what is saved.
const runFrom = 1 << 20

// filedKinds are the rows of a run that become files.
const filedKinds = string(prefixBlob) + string(prefixEntry) + string(prefixRevision) +
	string(prefixTombstone) + string(prefixValue) + string(prefixDue)

// InBulk has the transaction, if it is large, go into the database as a run. It
// installs entries of about so many bytes in order of place, behind all that are
// here, and does nothing else but notes. Mix, and a note of where they begin, must
// have been committed before.
func (tx *Tx) InBulk(bytes int) {
	tx.bulk = true
	if bytes >= runFrom {
		_ = tx.batch.Close()
		tx.batch = tx.s.db.NewBatchWithSize(bytes + bytes/4)
	}
}

// installBehind puts an entry behind all others. Nothing stands there, so there
// is nothing to look for, and nobody can have kept what was there.
func (tx *Tx) installBehind(r *godwit.Record) error {
	if r.Namespace == godwit.SystemNamespace {
		if err := tx.revive(r.Key); err != nil {
			return err
		}
	}
	tx.mix(r.Revision)
	from := len(tx.rows)
	tx.putEntry(r)
	tx.rows = tx.rows[:from]
	tx.index(r)
	tx.note(r)
	return tx.err
}

// Mix notes that the store will hold parts of later states.
func (tx *Tx) Mix() { tx.mix(0) }

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

// runRow is what a run does to one row.
type runRow struct {
	key, value []byte
	deleted    bool
	at         int // its place in the transaction: of one key's, the last counts
}

// run is a transaction as files.
type run struct {
	paths []string
	rest  *pebble.Batch // what goes by the log
}

// writeRun writes a transaction as files. It returns nil if the transaction is no
// run, small, or does what files like that cannot say.
func (tx *Tx) writeRun() (_ *run, err error) {
	if !tx.bulk || tx.batch.Len() < runFrom {
		return nil, nil
	}
	kinds, ok := sortByKind(tx.batch)
	if !ok {
		return nil, nil
	}
	s := tx.s
	r := &run{rest: s.db.NewBatch()}
	// It need not survive a crash: what is in it is linked to where it stays.
	if err := s.cfg.FS.MkdirAll(s.dirRuns(), 0o700); err != nil {
		return nil, s.uploadError(fmt.Errorf("make a directory for a copy: %w", err))
	}
	var files errgroup.Group // so that the disk syncs them, and the log, together
	defer func() {
		if err = errors.Join(err, files.Wait()); err != nil {
			err = errors.Join(err, s.dropRun(r))
		}
	}()
	files.Go(func() error {
		err := s.syncLog()
		if err != nil {
			s.durable.fail(err)
		}
		return err
	})
	for kind, rows := range kinds {
		switch {
		case len(rows) == 0:
			continue
		case strings.IndexByte(filedKinds, byte(kind)) < 0:
			if err := apply(r.rest, rows); err != nil {
				return nil, err
			}
			continue
		}
		path := filepath.Join(s.dirRuns(), string(rune(kind)))
		r.paths = append(r.paths, path)
		files.Go(func() error {
			if err := s.writeRows(path, inOrder(rows)); err != nil {
				return s.uploadError(fmt.Errorf("write a copy's file: %w", err))
			}
			return nil
		})
	}
	return r, nil
}

// apply does to a batch what rows say.
func apply(b *pebble.Batch, rows []runRow) (err error) {
	for i := range rows {
		if rows[i].deleted {
			err = b.Delete(rows[i].key, nil)
		} else {
			err = b.Set(rows[i].key, rows[i].value, nil)
		}
		if err != nil {
			return fmt.Errorf("gather write: %w", err)
		}
	}
	return nil
}

// sortByKind returns the rows that a batch changes by the first byte of their key,
// in the order in which it does. They point into the batch. It is false if the
// batch does more than to set and delete rows.
func sortByKind(b *pebble.Batch) (kinds [128][]runRow, ok bool) {
	for r, at := b.Reader(), 0; ; at++ {
		kind, key, value, more, err := r.Next()
		if !more || err != nil {
			return kinds, err == nil
		}
		deleted := kind == pebble.InternalKeyKindDelete
		if !deleted && kind != pebble.InternalKeyKindSet || len(key) == 0 || key[0] >= 128 {
			return kinds, false
		}
		if kinds[key[0]] == nil {
			kinds[key[0]] = make([]runRow, 0, b.Count()/2+1) // most are entries, and as many of the index
		}
		kinds[key[0]] = append(kinds[key[0]], runRow{key, value, deleted, at})
	}
}

// inOrder returns rows in order of key, each once, as the last of them says.
func inOrder(rows []runRow) []runRow {
	sorted := true
	for i := 1; i < len(rows) && sorted; i++ {
		sorted = bytes.Compare(rows[i-1].key, rows[i].key) < 0
	}
	if sorted {
		return rows
	}
	slices.SortFunc(rows, func(a, b runRow) int {
		return cmp.Or(bytes.Compare(a.key, b.key), cmp.Compare(b.at, a.at))
	})
	return slices.CompactFunc(rows, func(a, b runRow) bool { return bytes.Equal(a.key, b.key) })
}

// writeRows writes and syncs one file.
func (s *Store) writeRows(path string, rows []runRow) (err error) {
	f, err := s.cfg.FS.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	gathered := &gatheredFile{f, bufio.NewWriterSize(f, gatherBytes)}
	w := sstable.NewWriter(objstorageprovider.NewFileWritable(gathered), s.runOptions)
	for i := range rows {
		if rows[i].deleted {
			err = w.Delete(rows[i].key)
		} else {
			err = w.Set(rows[i].key, rows[i].value)
		}
		if err != nil {
			return errors.Join(err, w.Close())
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

// dropRun takes back a run that came to nothing.
func (s *Store) dropRun(r *run) error {
	err := r.rest.Close()
	for _, path := range r.paths {
		if gone := s.cfg.FS.Remove(path); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

// takeRun makes a run visible. Its files and the log before it are durable.
func (s *Store) takeRun(r *run) error {
	if err := s.db.Ingest(context.Background(), r.paths); err != nil {
		return err
	}
	return errors.Join(s.db.Apply(r.rest, pebble.NoSync), r.rest.Close())
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

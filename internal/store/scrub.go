package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/blob"
)

// What a scrub needs of a store: to go through all that is on the disk, piece by
// piece, in an order that survives a restart. Files of the database go by their
// numbers, which grow: a pass that has come to the highest one has seen all that
// stood when it began and was not written anew since. Blobs go by their rows of b.

// Pace is asked before so many bytes are read, and waits. Error: the scrub ends.
type Pace func(ctx context.Context, n int) error

// Table is a file of the database.
type Table struct {
	Number            uint64
	Size              int64
	smallest, largest []byte // keys of rows
}

// TableAfter returns the file of the database with the lowest number above one, false
// if there is none.
func (s *Store) TableAfter(number uint64) (next Table, ok bool, err error) {
	err = s.tables(func(t Table) {
		if t.Number > number && (!ok || t.Number < next.Number) {
			next, ok = t, true
		}
	})
	return next, ok, err
}

// tables calls fn for each file of the database that is in use.
func (s *Store) tables(fn func(Table)) error {
	levels, err := s.levels()
	if err != nil {
		return err
	}
	for _, level := range levels {
		for i := range level {
			t := &level[i]
			fn(Table{uint64(t.BackingSSTNum), int64(t.Size), t.Smallest.UserKey, t.Largest.UserKey})
		}
	}
	return nil
}

func (s *Store) hasTable(number uint64) bool {
	found := false
	err := s.tables(func(t Table) { found = found || t.Number == number })
	return found || err != nil
}

func (s *Store) tablePath(number uint64) string {
	return filepath.Join(s.cfg.Dir, "db", fmt.Sprintf("%06d.sst", number))
}

// CheckTable reads a file of the database from the disk, past all caches of this
// process, and holds each block against its checksum. One that is not in use any more is
// whole. Errors: ErrCorrupt, also of a disk that does not let it be read; pace's.
func (s *Store) CheckTable(ctx context.Context, t Table, pace Pace) error {
	paced := &pacedFile{ctx: ctx, pace: pace}
	err := s.readTable(t, paced)
	switch {
	case err == nil:
		return nil
	case paced.stopped != nil:
		return paced.stopped
	case !s.hasTable(t.Number):
		return nil
	}
	return fmt.Errorf("file %06d.sst of the database: %w (%w)", t.Number, ErrCorrupt, err)
}

func (s *Store) readTable(t Table, paced *pacedFile) (err error) {
	f, err := s.cfg.FS.Open(s.tablePath(t.Number), vfs.SequentialReadsOption)
	if err != nil {
		return err
	}
	paced.File = f
	in, err := sstable.NewSimpleReadable(paced)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r, err := sstable.NewReader(paced.ctx, in, s.pebbleOptions().MakeReaderOptions())
	if err != nil {
		return errors.Join(err, in.Close())
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return r.ValidateBlockChecksums()
}

// pacedFile is a file that is read at a pace.
type pacedFile struct {
	vfs.File
	ctx     context.Context //nolint:containedctx // the library's reader takes none
	pace    Pace
	stopped error
}

// ReadAt implements io.ReaderAt.
func (f *pacedFile) ReadAt(p []byte, off int64) (int, error) {
	if f.stopped == nil {
		f.stopped = f.pace(f.ctx, len(p))
	}
	if f.stopped != nil {
		return 0, f.stopped
	}
	return f.File.ReadAt(p, off)
}

// DamagedIn calls fn for each entry that cannot be read since a file of the database
// is damaged. It goes by the index by revision, and ends where that cannot be read.
func (s *Store) DamagedIn(ctx context.Context, t Table, fn func(Damage)) error {
	within := func(k []byte) bool {
		return bytes.Compare(k, t.smallest) >= 0 && bytes.Compare(k, t.largest) <= 0
	}
	looked := 0
	return scanRevisions(s.db, 0, godwit.MaxRevision, func(r indexed) error {
		if looked++; looked%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if r.op != godwit.OpPut {
			return nil
		}
		err := s.unreadable(r, within)
		if err != nil {
			fn(Damage{Namespace: r.ns, Key: string(r.key), Revision: r.revision, Err: err})
		}
		return nil
	})
}

// unreadable is why rows of an entry that are within a file cannot be read.
func (s *Store) unreadable(r indexed, within func(key []byte) bool) error {
	for _, k := range [][]byte{appendEntryKey(nil, r.ns, r.key), appendValueKey(nil, r.ns, r.revision)} {
		if !within(k) {
			continue
		}
		_, closer, err := s.db.Get(k)
		switch {
		case err == nil:
			_ = closer.Close()
		case !errors.Is(err, pebble.ErrNotFound):
			return err
		}
	}
	return nil
}

// NamedBlob is a blob that an entry names, or an earlier version of one.
type NamedBlob struct {
	Namespace godwit.NamespaceID
	Key       string
	Revision  godwit.Revision
	Blob      godwit.Blob
	Position  []byte // of this one, for BlobAfter
}

// BlobAfter returns the blob behind a position, nil for the beginning; false if there
// is none. Those of which a store of an old format does not tell whose they are, are
// left out.
func (s *Store) BlobAfter(ctx context.Context, position []byte) (b NamedBlob, ok bool, err error) {
	lower := []byte{prefixBlob}
	if position != nil {
		lower = append(bytes.Clone(position), 0)
	}
	err = scanRange(s.db, lower, []byte{prefixBlob + 1}, func(k, row []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, ok, err = s.namedBlob(k, row)
		if ok && err == nil {
			err = errEnough
		}
		return err
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return b, ok, err
}

func (s *Store) namedBlob(k, row []byte) (b NamedBlob, ok bool, err error) {
	ns, id, err := cutBlobKey(k)
	if err != nil {
		return b, false, err
	}
	r, key, known, err := decodeBlobRow(row)
	if err != nil || !known {
		return b, false, err
	}
	b = NamedBlob{Namespace: ns, Key: string(key), Revision: r, Position: bytes.Clone(k)}
	b.Blob, err = s.blobAt(ns, b.Key, r)
	if IsDamage(err) { // which is told of with the file that it is in
		return b, false, nil
	}
	return b, err == nil && b.Blob.ID == id, err
}

// blobAt is the blob that an entry, or an earlier version, names.
func (s *Store) blobAt(ns godwit.NamespaceID, key string, r godwit.Revision) (godwit.Blob, error) {
	var e godwit.Entry
	_, err := readHeader(s.db, ns, []byte(key), &e, nil)
	if err == nil && e.Revision == r {
		return e.Value.Blob, nil
	}
	if err != nil && !errors.Is(err, godwit.ErrKeyNotFound) {
		return godwit.Blob{}, err
	}
	row, closer, err := s.db.Get(appendVersionKey(nil, ns, key, r))
	if errors.Is(err, pebble.ErrNotFound) {
		return godwit.Blob{}, nil // it has gone meanwhile
	}
	if err != nil {
		return godwit.Blob{}, fmt.Errorf("read version: %w", err)
	}
	v, err := decodeVersionRow(row)
	return v.blob, errors.Join(err, closer.Close())
}

// CheckBlob reads a blob's file and holds it against the hash of what was written. One
// that nobody names any more is whole. Errors: blob.ErrNotFound, blob.ErrDamaged, also
// of a disk that does not let it be read; pace's.
func (s *Store) CheckBlob(ctx context.Context, b NamedBlob, pace Pace) error {
	err := s.blobs.VerifyPaced(ctx, b.Blob, pace)
	if err == nil || ctx.Err() != nil || s.Names(b) {
		return err
	}
	return nil
}

// Names tells whether a blob is still named.
func (s *Store) Names(b NamedBlob) bool {
	_, closer, err := s.db.Get(appendBlobKey(nil, b.Namespace, b.Blob.ID))
	if err == nil {
		_ = closer.Close()
	}
	return !errors.Is(err, pebble.ErrNotFound)
}

// IsMissing tells whether an error is of a blob without a file.
func IsMissing(err error) bool {
	return errors.Is(err, blob.ErrNotFound) || errors.Is(err, fs.ErrNotExist)
}

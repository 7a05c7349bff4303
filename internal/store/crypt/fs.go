// Package crypt owns the encryption of a data directory: a file system that encrypts
// each file's content on its way to the disk, the keys for it, the note in the
// directory of which of them are in use, and the change of a directory from one key to
// another. What is on the disk without a key is names of files, their sizes, and when
// they changed.
//
// It protects what is on a disk, or a copy of it, from who gets to read that. It does
// not notice who changes it: docs/encryption.md has the details. It knows nothing of what the files hold, and
// must not import the store.
package crypt

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// FS encrypts files of one data directory. Its methods may be called from many
// goroutines.
type FS struct {
	vfs.FS // below

	place Place
	keys  *Keys

	mu   sync.Mutex
	note *note // what the marker is to say before a file is made; nil: it says it
}

var _ vfs.FS = (*FS)(nil)

// Unwrap implements vfs.FS.
func (f *FS) Unwrap() vfs.FS { return f.FS }

// claim has the marker name the active key, before there is a file that needs it.
func (f *FS) claim() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.note == nil {
		return nil
	}
	if err := f.place.writeNote(f.note); err != nil {
		return err
	}
	f.note = nil
	return nil
}

// Create implements vfs.FS.
func (f *FS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.claim(); err != nil {
		return nil, err
	}
	inner, err := f.FS.Create(name, category)
	if err != nil {
		return nil, err
	}
	opened, err := f.begin(inner, name, category)
	if err != nil {
		return nil, errors.Join(err, f.FS.Remove(name))
	}
	return opened, nil
}

// ReuseForWrite implements vfs.FS. The file gets a header, and by that a key, of its
// own: what it held before reads as noise from then on, which is what its reader takes
// an old log's end for.
func (f *FS) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.claim(); err != nil {
		return nil, err
	}
	inner, err := f.FS.ReuseForWrite(from, to, category)
	if err != nil {
		return nil, err
	}
	return f.begin(inner, to, category)
}

func (f *FS) begin(inner vfs.File, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	opened, err := f.keys.active().begin(inner)
	if err == nil && readAfterCrash(category) {
		err = inner.SyncData()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("begin %s: %w", name, err), inner.Close())
	}
	return opened, nil
}

// readAfterCrash tells whether a file is read after a crash though it was never
// synced as a whole: a log, and the list of files. Their headers are synced before
// there is anything behind them. So a header that is not whole, in a file that is
// longer, is damage, and never what a crash has left.
func readAfterCrash(category vfs.DiskWriteCategory) bool {
	return category == "pebble-wal" || category == "pebble-manifest"
}

// Open implements vfs.FS. Error, besides those of the disk: ErrDamaged. That is what a
// header of another key is too: Mount has found no use of one that is not there.
func (f *FS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	inner, err := f.FS.Open(name, opts...)
	if err != nil {
		return nil, err
	}
	opened, err := f.keys.openFile(inner)
	if errors.Is(err, ErrKey) {
		err = fmt.Errorf("%v, and %s does not tell of it: %w", err, MarkerName, ErrDamaged) //nolint:errorlint // it is not that any more
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", name, err), inner.Close())
	}
	return opened, nil
}

// OpenReadWrite implements vfs.FS: nothing is ever written over.
func (f *FS) OpenReadWrite(string, vfs.DiskWriteCategory, ...vfs.OpenOption) (vfs.File, error) {
	return nil, vfs.ErrUnsupported
}

// Stat implements vfs.FS.
func (f *FS) Stat(name string) (vfs.FileInfo, error) {
	info, err := f.FS.Stat(name)
	if err != nil {
		return nil, err
	}
	return withoutHeader(info), nil
}

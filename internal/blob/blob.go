// Package blob owns values too large to live beside their keys: one file each,
// written once, named by a random id, verified chunk by chunk as it is read.
//
// A blob is durable (file and directory synced) before [Writer.Commit] returns,
// so a record that names it never names something that a crash can take away.
// This package knows neither keys nor revisions, nor which blobs are still
// named: that is the store's. It must not import Pebble.
package blob

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/godwitkv/godwit"
)

// FS is what a blob store needs of a file system.
type FS interface {
	Create(name string) (File, error) // replaces what is there
	Open(name string) (File, error)   // for reading
	Rename(from, to string) error
	Remove(name string) error
	Exists(name string) bool
	List(dir string) ([]string, error)
	MkdirAll(dir string) error
	SyncDir(dir string) error // makes creations, renames and removals durable
}

// File is an open file.
type File interface {
	io.Reader
	io.Writer
	io.Closer
	Sync() error
}

// ErrNotFound tells that there is no blob of an id.
var ErrNotFound = errors.New("blob not found")

// ErrDamaged tells that a blob's bytes are not those that were written.
var ErrDamaged = errors.New("blob is damaged")

const partial = ".partial"

// Store is a directory of blobs. Its methods may be called from many goroutines.
type Store struct {
	fs  FS
	dir string
}

// Open returns the store in dir, which it makes if need be. Files of uploads
// that a crash cut off are removed.
func Open(fs FS, dir string) (*Store, error) {
	if err := fs.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("make blob directory: %w", err)
	}
	names, err := fs.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list blobs: %w", err)
	}
	s := &Store{fs: fs, dir: dir}
	for _, name := range names {
		if strings.HasSuffix(name, partial) {
			if err := fs.Remove(s.join(name)); err != nil {
				return nil, fmt.Errorf("remove unfinished blob: %w", err)
			}
		}
	}
	return s, nil
}

// IDs returns the ids of all blobs, in no order.
func (s *Store) IDs() ([]godwit.BlobID, error) {
	names, err := s.fs.List(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list blobs: %w", err)
	}
	var ids []godwit.BlobID
	for _, name := range names {
		var id godwit.BlobID
		if n, err := hex.Decode(id[:], []byte(name)); len(name) == 2*len(id) && err == nil && n == len(id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Create starts a blob. The caller ends it with Commit or Abort.
func (s *Store) Create() (*Writer, error) {
	var id godwit.BlobID
	_, _ = rand.Read(id[:])
	return s.create(id, s.path(id)+partial)
}

// Import starts a blob whose id, length and hash are given: Commit refuses
// another content with ErrDamaged. Several imports of one blob do not disturb each
// other, and what is there under the id stays until it is replaced.
func (s *Store) Import(b godwit.Blob) (*Writer, error) {
	var unique [8]byte
	_, _ = rand.Read(unique[:])
	w, err := s.create(b.ID, s.path(b.ID)+"."+hex.EncodeToString(unique[:])+partial)
	if err != nil {
		return nil, err
	}
	w.want = &b
	return w, nil
}

func (s *Store) create(id godwit.BlobID, name string) (*Writer, error) {
	f, err := s.fs.Create(name)
	if err != nil {
		return nil, fmt.Errorf("create blob: %w", err)
	}
	return newWriter(s, id, name, f), nil
}

// Has tells whether there is a blob of an id.
func (s *Store) Has(id godwit.BlobID) bool { return s.fs.Exists(s.path(id)) }

// Open returns the content of b, verified as it is read: a read of damaged
// bytes ends in ErrDamaged instead. Error: ErrNotFound.
func (s *Store) Open(b godwit.Blob) (*Reader, error) {
	f, err := s.fs.Open(s.path(b.ID))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open blob %s: %w", b.ID, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	return newReader(b, f), nil
}

// Remove deletes a blob. Readers that have it open go on. That there is none is
// no error.
func (s *Store) Remove(id godwit.BlobID) error {
	if err := s.fs.Remove(s.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove blob: %w", err)
	}
	return nil
}

// Verify reads the whole blob and compares its hash. Errors: ErrNotFound,
// ErrDamaged, the context's.
func (s *Store) Verify(ctx context.Context, b godwit.Blob) error {
	return s.VerifyPaced(ctx, b, func(context.Context, int) error { return nil })
}

// VerifyPaced does what Verify does, and calls wait before it reads so many bytes.
// Further errors: wait's.
func (s *Store) VerifyPaced(ctx context.Context, b godwit.Blob, wait func(ctx context.Context, n int) error) error {
	r, err := s.Open(b)
	if err != nil {
		return err
	}
	defer r.Close()
	return r.verify(ctx, wait)
}

func (s *Store) path(id godwit.BlobID) string { return s.join(id.String()) }
func (s *Store) join(name string) string      { return path.Join(s.dir, name) }

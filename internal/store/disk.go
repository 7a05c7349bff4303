package store

import (
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/godwitkv/godwit/internal/blob"
)

// FS is a file system that a store can live on. Others take it as a value: this
// package alone knows whose it is.
type FS = vfs.FS

// MemFS is a file system in memory, for tests. One made to crash can be cloned
// as a power cut would leave it.
type MemFS = vfs.MemFS

// CrashClone says how much of what was not synced survives a crash.
type CrashClone = vfs.CrashCloneCfg

// Disk is the machine's own file system.
func Disk() FS { return vfs.Default }

// NewMemFS returns an empty file system in memory.
func NewMemFS() *MemFS { return vfs.NewMem() }

// NewCrashFS returns an empty file system in memory that knows what was synced.
func NewCrashFS() *MemFS { return vfs.NewCrashableMem() }

// blobFS gives the blob store the part of the file system that it needs.
type blobFS struct{ fs FS }

var _ blob.FS = blobFS{}

const writeCategory = vfs.DiskWriteCategory("godwit-blob")

func (b blobFS) Create(name string) (blob.File, error) { return b.fs.Create(name, writeCategory) }
func (b blobFS) Open(name string) (blob.File, error) {
	f, err := b.fs.Open(name, vfs.SequentialReadsOption)
	if err != nil {
		return nil, err
	}
	return f, nil
}
func (b blobFS) Rename(from, to string) error      { return b.fs.Rename(from, to) }
func (b blobFS) Remove(name string) error          { return b.fs.Remove(name) }
func (b blobFS) List(dir string) ([]string, error) { return b.fs.List(dir) }
func (b blobFS) Exists(name string) bool {
	_, err := b.fs.Stat(name)
	return err == nil
}
func (b blobFS) MkdirAll(dir string) error {
	if err := b.fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return b.SyncDir(filepath.Dir(dir))
}

func (b blobFS) SyncDir(dir string) error { return syncDir(b.fs, dir) }

func syncDir(fs FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	if err := d.Sync(); err != nil {
		_ = d.Close()
		return err
	}
	return d.Close()
}

func isNoSpace(err error) bool { return vfs.IsNoSpaceError(err) }

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"

	"github.com/godwitkv/godwit/internal/store/crypt"
)

// format is Pebble's on-disk format, pinned so that an update of the library
// does not change it.
const format = pebble.FormatValueSeparation

// blockShare is the part of the cache memory that blocks get. Rows get the rest:
// the same bytes hold more of them, and finding one costs a tenth.
const blockShare = 5

// reservedMemtables are those that Pebble takes out of its cache's size: the one
// that is written to, and one that is being flushed or kept for the next. Without
// room for them the cache holds no block at all.
const reservedMemtables = 2

// stopWrites is how many memtables may wait, and one less than how many files of the log
// the database keeps to use again.
const stopWrites = 4

func (s *Store) pebbleOptions() *pebble.Options {
	o := &pebble.Options{
		FS:                          s.cfg.FS,
		CacheSize:                   max(s.cfg.CacheBytes/blockShare, 1<<20) + reservedMemtables*s.space.memtable(),
		FormatMajorVersion:          format,
		MemTableSize:                uint64(s.space.memtable()),
		MemTableStopWritesThreshold: stopWrites,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       64,
		LBaseMaxBytes:               64 << 20,
		MaxOpenFiles:                4096,
		BytesPerSync:                512 << 10,
		Logger:                      pebbleLogger{s.cfg.Logger},
		CompactionConcurrencyRange:  func() (int, int) { return 1, max(1, min(3, runtime.GOMAXPROCS(0)-1)) },
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].BlockSize = 4 << 10
	}
	o.EventListener = s.space.listener(s.cfg.Logger)
	return o
}

// runOptions are those of a file for the lowest level.
func runOptions(o *pebble.Options) sstable.WriterOptions {
	o = o.Clone()
	o.EnsureDefaults()
	return o.MakeWriterOptions(len(o.Levels)-1, format.MaxTableFormat())
}

// lockDirectory takes a data directory for this process. Error: ErrInUse.
func lockDirectory(fsys FS, dir string) (*pebble.Lock, error) {
	lock, err := pebble.LockDirectory(filepath.Join(dir, "db"), fsys)
	var path *fs.PathError
	var number syscall.Errno
	switch {
	case err == nil:
		return lock, nil
	case errors.As(err, &path), errors.As(err, &number) && number != syscall.EAGAIN && number != syscall.EACCES:
		return nil, fmt.Errorf("lock data directory: %w", err)
	default:
		return nil, fmt.Errorf("%s: %w (%w)", dir, ErrInUse, err)
	}
}

// openPebble tells a damaged database from a disk that does not let it be read.
func openPebble(dir string, o *pebble.Options) (*pebble.DB, error) {
	db, err := pebble.Open(dir, o)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", corrupt(err))
	}
	return db, nil
}

// corrupt marks an error of the database as ErrCorrupt, unless it says already
// what it is, or comes from the operating system: then the data may be whole.
func corrupt(err error) error {
	var path *fs.PathError
	var number syscall.Errno
	switch {
	case errors.Is(err, ErrCorrupt), errors.Is(err, ErrVersion):
		return err
	case pebble.IsCorruptionError(err), errors.Is(err, fs.ErrNotExist), errors.Is(err, crypt.ErrDamaged):
	case errors.As(err, &path), errors.As(err, &number):
		return err
	}
	return fmt.Errorf("%w (%w)", ErrCorrupt, err)
}

// pebbleLogger passes on what Pebble finds worth saying.
type pebbleLogger struct{ log *slog.Logger }

func (l pebbleLogger) Infof(format string, args ...any) {
	l.log.Debug("pebble", "detail", fmt.Sprintf(format, args...))
}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.log.Error("pebble", "detail", fmt.Sprintf(format, args...))
}

// Fatalf is called when the write-ahead log fails: nothing may be acknowledged
// after it, so nothing goes on.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	l.log.Error("store failed: the process ends", "detail", msg)
	panic(fatal("godwit: store failed: " + msg))
}

// fatal is what the process ends with.
type fatal string

// recoverFatal makes an error of what would end the process while the store is
// only being opened.
func recoverFatal(err *error) {
	switch p := recover().(type) {
	case nil:
	case fatal:
		*err = errors.New(string(p))
	case runtime.Error:
		panic(p)
	case error: // Pebble's way to end where it has no logger at hand
		*err = p
	default:
		panic(p)
	}
}

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"runtime"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
)

// format is Pebble's on-disk format, pinned so that an update of the library
// does not change it.
const format = pebble.FormatValueSeparation

// blockShare is the part of the cache memory that blocks get. Rows get the rest:
// the same bytes hold more of them, and finding one costs a tenth.
const blockShare = 5

func (s *Store) pebbleOptions() *pebble.Options {
	o := &pebble.Options{
		FS:                          s.cfg.FS,
		CacheSize:                   max(s.cfg.CacheBytes/blockShare, 1<<20),
		FormatMajorVersion:          format,
		MemTableSize:                uint64(s.space.memtable()),
		MemTableStopWritesThreshold: 4,
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

// openPebble tells a damaged database from other failures.
func openPebble(dir string, o *pebble.Options) (*pebble.DB, error) {
	db, err := pebble.Open(dir, o)
	switch {
	case err == nil:
		return db, nil
	case pebble.IsCorruptionError(err), errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("open database: %w (%w)", ErrCorrupt, err)
	default:
		return nil, fmt.Errorf("open database: %w", err)
	}
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
	panic("godwit: store failed: " + msg)
}

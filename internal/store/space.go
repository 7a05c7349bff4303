package store

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// space watches what the disk and the database can still take. Below the
// reserve puts are refused and deletes are not: the reserve is what the database
// needs to write down what it has accepted, and to compact.
type space struct {
	fs       FS
	dir      string
	asked    int64 // Config.DiskReserve
	total    atomic.Int64
	left     atomic.Int64
	measured atomic.Int64 // unix nanoseconds
	stalled  atomic.Bool
	reported atomic.Int64 // unix nanoseconds of the last background error told

	corrupted func() // told of each damaged block that a read met
}

// EndlessDisk is how much is free where the file system cannot tell.
const EndlessDisk = 1 << 62

const (
	minReserve  = 16 << 20
	maxReserve  = 256 << 20
	minMemtable = 4 << 20
	openRoom    = 512 << 10
	maxMemtable = 32 << 20
	// measureEvery bounds how old the answer to full may be while puts go on.
	measureEvery = 50 * time.Millisecond
)

func newSpace(cfg Config) *space {
	sp := &space{fs: cfg.FS, dir: cfg.Dir, asked: cfg.DiskReserve, corrupted: func() {}}
	sp.measure()
	return sp
}

// measure asks the file system. One that cannot tell counts as endless.
func (sp *space) measure() {
	sp.measured.Store(time.Now().UnixNano())
	u, err := sp.fs.GetDiskUsage(sp.dir)
	if err != nil {
		sp.left.Store(EndlessDisk)
		return
	}
	sp.total.Store(int64(min(u.TotalBytes, EndlessDisk)))
	sp.left.Store(int64(min(u.AvailBytes, EndlessDisk)))
}

func (sp *space) free() int64 { return sp.left.Load() }

func (sp *space) reserve() int64 {
	switch {
	case sp.asked < 0:
		return 0
	case sp.asked > 0:
		return sp.asked
	case sp.total.Load() == 0:
		return minReserve
	default:
		return min(max(sp.total.Load()/10, minReserve), maxReserve)
	}
}

// full tells that puts are to be refused.
func (sp *space) full() bool {
	if time.Now().UnixNano()-sp.measured.Load() > int64(measureEvery) {
		sp.measure()
	}
	return sp.left.Load() < sp.reserve()
}

// spare is how much is free above the reserve now, below zero if less than that is.
func (sp *space) spare() int64 {
	sp.measure()
	return sp.free() - sp.reserve()
}

// exhausted tells that half of the reserve is gone too: a follower that goes on
// applying may fill up the disk.
func (sp *space) exhausted() bool { return sp.full() && sp.left.Load() < sp.reserve()/2 }

// memtable is smaller on a small disk, so that what is in memory always fits.
func (sp *space) memtable() int64 {
	if sp.total.Load() == 0 {
		return maxMemtable
	}
	return min(max(sp.total.Load()/64, minMemtable), maxMemtable)
}

// listener hears from the database that writes are about to stand still.
func (sp *space) listener(log *slog.Logger) *pebble.EventListener {
	return &pebble.EventListener{
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) {
			sp.stalled.Store(true)
			log.Warn("store is behind with compactions: writes wait", "reason", i.Reason)
		},
		WriteStallEnd: func() {
			sp.stalled.Store(false)
			log.Info("store has caught up: writes go on")
		},
		// A damaged block fails the reads that meet it, and no others.
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			log.Error("a file of the database is damaged", "file", i.Path, "error", i.Details.Error())
			sp.corrupted()
		},
		BackgroundError: func(err error) { sp.backgroundError(log, err) },
	}
}

// backgroundError tells of a flush or compaction that failed. The database tries
// again at once, so one line a second is enough.
func (sp *space) backgroundError(log *slog.Logger, err error) {
	now, last := time.Now().UnixNano(), sp.reported.Load()
	if now-last > int64(time.Second) && sp.reported.CompareAndSwap(last, now) {
		log.Error("store background work", "error", err.Error())
	}
}

// checkRoom refuses to open a store that would find no room for what it writes
// while it opens. Error: godwit.ErrDiskFull.
func (sp *space) checkRoom() error {
	if left := sp.free(); left < openRoom {
		return godwit.Errorf(godwit.CodeDiskFull, "the disk is full: %d bytes are free, and opening needs %d", left, openRoom)
	}
	return nil
}

// DiskFull tells that puts are to be refused with godwit.ErrDiskFull.
func (s *Store) DiskFull() bool { return s.space.full() }

// DiskExhausted tells that a store whose log is elsewhere is to wait for room
// before it applies more: the rest of the reserve is what the database needs.
func (s *Store) DiskExhausted() bool { return s.space.exhausted() }

// Stalled tells that the database is behind, so that writes would wait long:
// writers are to be told to come back (godwit.ErrBusy).
func (s *Store) Stalled() bool { return s.space.stalled.Load() }

// Package storetest makes the disk under a store misbehave, for tests of the
// store and of what stands on it. It belongs to the store: it may import
// Pebble's file systems, and nothing outside tests may import it.
package storetest

import (
	"fmt"
	"strings"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/godwitkv/godwit/internal/store"
)

// ErrInjected is the error of an operation that was made to fail.
var ErrInjected = fmt.Errorf("injected error: %w", syscall.EIO)

// ErrNoSpace is the error of a full disk.
var ErrNoSpace error = syscall.ENOSPC

// Op is an operation on a file system that a test can let fail or wait.
type Op string

// The operations.
const (
	Create Op = "create"
	Write  Op = "write"
	Sync   Op = "sync"
	Rename Op = "rename"
	Remove Op = "remove"
	Other  Op = "other"
)

// Faults is a file system whose operations fail or wait when a test says so.
// Its methods may be called from many goroutines.
type Faults struct {
	store.FS

	turn  sync.Mutex // of operations: held while fault decides on one
	fault func(op Op, path string) error

	mu    sync.Mutex
	held  chan struct{} // closed when syncs may go on; nil: they may
	holds int           // syncs that wait
	count int           // operations that change something
	met   *sync.Cond    // holds has changed
}

// NewFaults wraps fs.
func NewFaults(fs store.FS) *Faults {
	f := new(Faults)
	f.met = sync.NewCond(&f.mu)
	f.FS = errorfs.Wrap(fs, errorfs.InjectorFunc(f.inject))
	return f
}

// Inject lets fault decide the error of each operation that changes something,
// before it is carried out, one at a time. nil ends that: on return nothing of the
// fault before runs any more.
func (f *Faults) Inject(fault func(op Op, path string) error) {
	f.turn.Lock()
	defer f.turn.Unlock()
	f.fault = fault
}

// FailLog lets every operation of a kind on a write-ahead log fail.
func (f *Faults) FailLog(failing Op) { f.Fail(failing, ".log") }

// Fail lets every operation of a kind fail on files whose paths have part.
func (f *Faults) Fail(failing Op, part string) {
	f.Inject(func(op Op, path string) error {
		if op == failing && strings.Contains(path, part) {
			return ErrInjected
		}
		return nil
	})
}

// Count is how many operations there were so far that change something.
func (f *Faults) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// HoldSyncs lets every sync of a write-ahead log wait until the function that
// it returns is called, which may be called again.
func (f *Faults) HoldSyncs() (release func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	held := make(chan struct{})
	f.held = held
	return sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.held = nil
		close(held)
	})
}

// AwaitHeld returns once a sync waits.
func (f *Faults) AwaitHeld() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.holds == 0 {
		f.met.Wait()
	}
}

func (f *Faults) inject(o errorfs.Op) error {
	if o.Kind.ReadOrWrite() == errorfs.OpIsRead {
		return nil
	}
	op := opOf(o.Kind)
	if op == Sync && strings.HasSuffix(o.Path, ".log") {
		f.hold()
	}
	f.mu.Lock()
	f.count++
	f.mu.Unlock()
	f.turn.Lock()
	defer f.turn.Unlock()
	if f.fault == nil {
		return nil
	}
	return f.fault(op, o.Path)
}

func (f *Faults) hold() {
	f.mu.Lock()
	defer f.mu.Unlock()
	held := f.held
	if held == nil {
		return
	}
	f.holds++
	f.met.Broadcast()
	f.mu.Unlock()
	<-held
	f.mu.Lock()
	f.holds--
}

func opOf(k errorfs.OpKind) Op {
	switch k {
	case errorfs.OpCreate, errorfs.OpReuseForWrite, errorfs.OpMkdirAll:
		return Create
	case errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpFilePreallocate:
		return Write
	case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo, errorfs.OpFileFlush:
		return Sync
	case errorfs.OpRename, errorfs.OpLink:
		return Rename
	case errorfs.OpRemove, errorfs.OpRemoveAll:
		return Remove
	default:
		return Other
	}
}

// SmallDisk makes a disk of 256 MiB of fs: the database's memtables on it have 4 MiB.
// The race detector's builds have them on the heap now and then.
func SmallDisk(fs store.FS) store.FS { return smallDisk{fs} }

type smallDisk struct{ store.FS }

func (smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: 1 << 28, TotalBytes: 1 << 28}, nil
}

// SetDiskUsage sets what fs says of its size and of what is free, in bytes.
func SetDiskUsage(fs *store.MemFS, total, free uint64) {
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: free, TotalBytes: total, UsedBytes: total - free})
}

package jetstream

import (
	"errors"
	"sync"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/blob"
	"github.com/godwitkv/godwit/internal/store"
)

const (
	// maxAssemblies bounds how many values come in at once.
	maxAssemblies = 1024
	// abandonAfter is how long a value's next chunk may take to come, by the stream's
	// time, before nobody counts on it any more: its sender is gone.
	abandonAfter = 10 * time.Minute
)

// assembler puts the chunks of values together, as they come by the stream.
// Chunks of one value come in order, and begin again where their sender tried
// again; those of others may stand between them.
type assembler struct {
	store *store.Store

	mu  sync.Mutex
	all map[godwit.BlobID]*assembly
}

type assembly struct {
	first uint64 // message of the first chunk
	last  int64  // the stream's time of the last, unix milliseconds
	file  *store.BlobImport
}

func newAssembler(s *store.Store) *assembler {
	return &assembler{store: s, all: make(map[godwit.BlobID]*assembly)}
}

// first is the first message of values that are not whole yet; 0: there are none.
func (a *assembler) first() (first uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, it := range a.all {
		if first == 0 || it.first < first {
			first = it.first
		}
	}
	return first
}

// add takes a chunk. A value that is here already needs none. One whose chunks do
// not fit together is dropped: nobody can name it, or its sender begins again.
// Error: the disk's.
func (a *assembler) add(sequence uint64, now int64, c *chunk) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(now)
	if a.store.HasBlob(c.blob.ID) {
		a.drop(c.blob.ID)
		return nil
	}
	it := a.all[c.blob.ID]
	if c.offset == 0 && (it == nil || it.file.Size() != 0) {
		a.drop(c.blob.ID)
		if len(a.all) >= maxAssemblies {
			return nil
		}
		file, err := a.store.BeginImport(c.blob)
		if err != nil {
			return err
		}
		it = &assembly{first: sequence, file: file}
		a.all[c.blob.ID] = it
	}
	if it == nil || it.file.Size() != c.offset {
		return nil
	}
	it.last = now
	if _, err := it.file.Write(c.data); err != nil {
		a.drop(c.blob.ID)
		return err
	}
	if it.file.Size() < c.blob.Size {
		return nil
	}
	delete(a.all, c.blob.ID)
	if err := it.file.Commit(); err != nil && !errors.Is(err, blob.ErrDamaged) {
		return err
	}
	return nil
}

// drop and forget need a.mu held.
func (a *assembler) drop(id godwit.BlobID) {
	if it := a.all[id]; it != nil {
		it.file.Abort()
		delete(a.all, id)
	}
}

func (a *assembler) forget(now int64) {
	for id, it := range a.all {
		if now-it.last > abandonAfter.Milliseconds() {
			a.drop(id)
		}
	}
}

func (a *assembler) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id := range a.all {
		a.drop(id)
	}
}

// takeChunk takes a part of a value.
func (m *Member) takeChunk(msg Message, rest []byte) error {
	c, err := decodeChunk(rest)
	if err != nil {
		return err
	}
	return m.chunks.add(msg.Sequence, msg.Time, &c)
}

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
	// maxAssemblies bounds how many values come in at once, and maxUnnamed of how
	// many that have come in it is known that nothing names them yet.
	maxAssemblies = 1024
	maxUnnamed    = 1 << 16
)

// assembler puts the chunks of values together, as they come by the stream.
// Chunks of one value come in order, and begin again where their sender tried
// again; those of others may stand between them. A value that is whole and that no
// batch has named is remembered too, also where its own sender has it already: a start
// removes its file, as it does every file that no entry names, and so the chunks have to
// be read again.
type assembler struct {
	store *store.Store

	mu        sync.Mutex
	all       map[godwit.BlobID]*assembly
	unnamed   map[godwit.BlobID]*assembly // whole; file is nil
	forgotten map[godwit.BlobID]*assembly // were unnamed for too long
	forgot    int64                       // when forget last looked
	proposed  map[godwit.BlobID]int       // by this member, and not answered yet
}

type assembly struct {
	first uint64            // message of the first chunk
	last  int64             // the stream's time of the last, unix milliseconds
	seen  time.Time         // when that came
	file  *store.BlobImport // nil: nothing is written, as for want of room, or all is
}

func (it *assembly) size() int64 {
	if it.file == nil {
		return 0
	}
	return it.file.Size()
}

// write takes the next chunk, and tells whether the value is whole with it. After an error
// all are to come again.
func (it *assembly) write(s *store.Store, c *chunk) (whole bool, err error) {
	if it.file == nil {
		if it.file, err = s.BeginImport(c.blob); err != nil {
			return false, err
		}
	}
	if _, err := it.file.Write(c.data); err != nil {
		it.abort()
		return false, err
	}
	if it.file.Size() < c.blob.Size {
		return false, nil
	}
	err = it.file.Commit()
	it.file = nil
	return err == nil, err
}

func (it *assembly) abort() {
	if it.file != nil {
		it.file.Abort()
		it.file = nil
	}
}

func newAssembler(s *store.Store) *assembler {
	return &assembler{
		store: s, all: make(map[godwit.BlobID]*assembly), unnamed: make(map[godwit.BlobID]*assembly),
		forgotten: make(map[godwit.BlobID]*assembly), proposed: make(map[godwit.BlobID]int),
	}
}

// first is the first message of values that are not whole yet, or not named; 0:
// there are none.
func (a *assembler) first() (first uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, some := range []map[godwit.BlobID]*assembly{a.all, a.unnamed} {
		for _, it := range some {
			if first == 0 || it.first < first {
				first = it.first
			}
		}
	}
	return first
}

// named is told of a batch before what it does is committed, and returns the values of its
// that it waited for, and whether some had been forgotten.
func (a *assembler) named(b *godwit.Batch) (awaited []*godwit.Mutation, late bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.unnamed)+len(a.forgotten) == 0 {
		return nil, false
	}
	for _, m := range blobs(b) {
		id := m.Value.Blob.ID
		if a.unnamed[id] != nil || a.forgotten[id] != nil {
			late = late || a.forgotten[id] != nil
			delete(a.unnamed, id)
			delete(a.forgotten, id)
			awaited = append(awaited, m)
		}
	}
	return awaited, late
}

// passed is told of a batch that was decided long ago, for good. Values of its that came
// again and that nothing names any more, no earlier version either, go. Error: the disk's.
func (a *assembler) passed(b *godwit.Batch) error {
	awaited, _ := a.named(b)
	for _, m := range awaited {
		if err := a.store.SpareBlob(m.Namespace, m.Value.Blob.ID); err != nil {
			return err
		}
	}
	return nil
}

// blobs are the mutations of a batch whose values are blobs.
func blobs(b *godwit.Batch) (all []*godwit.Mutation) {
	for i := range b.Transactions {
		for j := range b.Transactions[i].Mutations {
			if m := &b.Transactions[i].Mutations[j]; !m.Value.Blob.IsZero() {
				all = append(all, m)
			}
		}
	}
	return all
}

// add takes a chunk. A value that is here already needs none. One whose chunks do
// not fit together is dropped: nobody can name it, or its sender begins again. One for
// which there is no room stays, for first to count it, until its chunks are read again.
// Error: the disk's; *noRoomError.
func (a *assembler) add(sequence uint64, now int64, c *chunk) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.store.HasBlob(c.blob.ID) {
		a.drop(c.blob.ID)
		a.wait(sequence, now, c)
		return nil
	}
	it := a.all[c.blob.ID]
	if c.offset == 0 && (it == nil || it.size() != 0) {
		a.drop(c.blob.ID)
		a.makeRoom()
		it = &assembly{first: sequence}
		a.all[c.blob.ID] = it
	}
	if it == nil || it.size() != c.offset {
		return nil
	}
	it.last, it.seen = now, time.Now()
	whole, err := it.write(a.store, c)
	switch {
	case errors.Is(err, blob.ErrDamaged):
		delete(a.all, c.blob.ID)
		return nil
	case godwit.CodeOf(err) == godwit.CodeDiskFull:
		return &noRoomError{it.first, err}
	case whole:
		delete(a.all, c.blob.ID)
		a.await(c.blob.ID, it)
	}
	return err
}

// wait takes a chunk of a value that is here and that may not be named yet.
func (a *assembler) wait(sequence uint64, now int64, c *chunk) {
	if it := a.unnamed[c.blob.ID]; it != nil {
		it.last, it.seen = now, time.Now()
	} else if c.offset == 0 {
		a.await(c.blob.ID, &assembly{first: sequence, last: now, seen: time.Now()})
	}
}

// await remembers that a value is whole and not named. It needs a.mu held.
func (a *assembler) await(id godwit.BlobID, it *assembly) {
	if len(a.unnamed) < maxUnnamed {
		a.unnamed[id] = it
		delete(a.forgotten, id)
	}
}

// makeRoom drops the value that has waited longest for a chunk, where there are too many:
// one whose sender is gone, since others send a chunk each few seconds. It needs a.mu held.
func (a *assembler) makeRoom() {
	if len(a.all) < maxAssemblies {
		return
	}
	var oldest godwit.BlobID
	for id, it := range a.all {
		if o := a.all[oldest]; o == nil || it.last < o.last {
			oldest = id
		}
	}
	a.drop(oldest)
}

// drop needs a.mu held.
func (a *assembler) drop(id godwit.BlobID) {
	if it := a.all[id]; it != nil {
		it.abort()
		delete(a.all, id)
	}
}

func (a *assembler) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id := range a.all {
		a.drop(id)
	}
	clear(a.unnamed)
	clear(a.forgotten)
}

// takeChunk takes a part of a value.
func (m *Member) takeChunk(msg Message, rest []byte) error {
	c, err := decodeChunk(rest)
	if err != nil {
		return err
	}
	err = m.chunks.add(msg.Sequence, msg.Time, &c)
	if full := (*noRoomError)(nil); errors.As(err, &full) {
		m.stuck = msg.Sequence
		m.place.Chunks = m.chunks.first() // wherever reading goes on
	}
	return err
}

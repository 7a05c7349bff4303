package jetstream

import (
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/state"
)

// Chunks of which no more is heard hold the log up: a member that is started again reads
// from the first of them on, and until then the stream keeps all that came since.
//
// Where a value is forgotten and is named after all, nothing is lost: one that is not whole
// is fetched from another member, its sender at the least, and one that is whole stays on
// the disk for keepAfter more, and is flushed before its writer is answered.
const (
	// abandonAfter is how long a value's next chunk may take to come before nobody counts
	// on it any more: its sender is gone, who gives up after chunkWait.
	abandonAfter = 30 * time.Second
	// unnamedAfter is how long the batch may take that names a whole value: it may come as
	// late, and waits for its turn before.
	unnamedAfter = 2 * state.MaxLate
	// keepAfter is for how long the file of a value that was forgotten stays.
	keepAfter = 5 * time.Minute
	// forgetEvery is how much of the stream's time passes between two looks, and
	// removeEach how many files one removes: each is looked for among all namespaces.
	forgetEvery = time.Second
	removeEach  = 16
)

// old tells whether nothing has come of a value for so long, by the stream's time and by
// this member's own: the one jumps with the stream's leader, and who was away reads in a
// moment what has come in hours.
func (it *assembly) old(now int64, after time.Duration) bool {
	return (time.Duration(now-it.last)*time.Millisecond).Abs() > after && time.Since(it.seen) > after
}

// forget drops what nobody counts on any more, and the files of what was forgotten long
// ago. Error: the disk's.
func (a *assembler) forget(now int64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if d := now - a.forgot; d >= 0 && d < forgetEvery.Milliseconds() {
		return nil
	}
	a.forgot = now
	for id, it := range a.all {
		if it.old(now, abandonAfter) {
			a.drop(id)
		}
	}
	for id, it := range a.unnamed {
		if it.old(now, unnamedAfter) || it.old(now, abandonAfter) && !a.store.HasBlob(id) { // its sender has discarded it
			delete(a.unnamed, id)
			if len(a.forgotten) < maxUnnamed {
				a.forgotten[id] = it
			}
		}
	}
	return a.removeForgotten(now)
}

// removeForgotten needs a.mu held.
func (a *assembler) removeForgotten(now int64) error {
	removed := 0
	for id, it := range a.forgotten {
		if removed == removeEach || !it.old(now, unnamedAfter+keepAfter) || a.proposed[id] > 0 {
			continue
		}
		removed++
		delete(a.forgotten, id)
		named, err := a.store.NamesBlob(id) // before its chunks came again, as the stream may have them
		if err == nil && !named {
			err = a.store.RemoveBlob(id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keep keeps the files of values that this member is about to propose until done, however
// long that takes.
func (a *assembler) keep(txs []godwit.Transaction) (done func()) {
	b := godwit.Batch{Transactions: txs}
	all := blobs(&b)
	if len(all) == 0 {
		return func() {}
	}
	a.count(all, 1)
	return func() { a.count(all, -1) }
}

func (a *assembler) count(all []*godwit.Mutation, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range all {
		id := m.Value.Blob.ID
		if a.proposed[id] += n; a.proposed[id] == 0 {
			delete(a.proposed, id)
		}
	}
}

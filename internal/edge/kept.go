package edge

import (
	"container/list"
	"sync"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// kept is the withheld values that are here all the same because they were read:
// the ones read last, within some bytes.
type kept struct {
	most  int64
	store *store.Store

	mu    sync.Mutex
	bytes int64
	order *list.List // of godwit.Blob, the one read last in front
	byID  map[godwit.BlobID]*list.Element
}

func newKept(most int64, s *store.Store) *kept {
	return &kept{most: most, store: s, order: list.New(), byID: make(map[godwit.BlobID]*list.Element)}
}

// used notes that a value was read.
func (k *kept) used(id godwit.BlobID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e, ok := k.byID[id]; ok {
		k.order.MoveToFront(e)
	}
}

// add notes that a value is here, and removes others until all have room. One
// that is too large on its own stays until the next.
func (k *kept) add(b godwit.Blob) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.byID[b.ID]; ok {
		return
	}
	k.byID[b.ID] = k.order.PushFront(b)
	k.bytes += b.Size
	if k.bytes > k.most {
		k.forgetGone()
	}
	for k.bytes > k.most && k.order.Len() > 1 {
		oldest := k.order.Back()
		k.drop(oldest)
		_ = k.store.RemoveBlob(oldest.Value.(godwit.Blob).ID) // it takes room until the entry is replaced
	}
}

// forgetGone drops those that the store has swept since: their entries were
// replaced.
func (k *kept) forgetGone() {
	for e := k.order.Back(); e != nil; {
		before := e.Prev()
		if !k.store.HasBlob(e.Value.(godwit.Blob).ID) {
			k.drop(e)
		}
		e = before
	}
}

func (k *kept) drop(e *list.Element) {
	b := k.order.Remove(e).(godwit.Blob)
	delete(k.byID, b.ID)
	k.bytes -= b.Size
}

package store

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/godwitkv/godwit"
)

// hotTable keeps the entries that are read most in front of the database, so
// that a hit costs one hash and one comparison, takes no lock and allocates
// nothing; behind it stands rowCache, which holds many more. Both are exact:
// between a commit becoming visible and what it replaces leaving them there is
// no moment, since the commit blocks its keys first. A library's cache was not
// taken because none can be told that.
//
// A key belongs to one set of hotWays slots. A fill happens only if nothing
// blocked the set since the database was read, so what was read before a commit
// never comes in after it.
type hotTable struct {
	seed   maphash.Seed
	rows   *rowCache
	sets   []hotSet
	budget int64
	used   atomic.Int64
}

const (
	hotWays     = 8
	hotMaxBytes = 4 << 10 // larger entries stay out
	hotPerSet   = 4 << 10 // bytes of budget for which there is one set
	hotOverhead = 200     // what an entry costs besides its bytes
	hotMinSets  = 1 << 4  // of the smallest table
	hotMaxSets  = 1 << 20 // of the largest
)

type hotSet struct {
	slots   [hotWays]atomic.Pointer[hotEntry]
	mu      sync.Mutex // all below, and changes of slots
	blocked int32      // commits under way that replace a key of this set
	fills   uint32     // counts blocks; a fill must find what its read found
	newest  uint64     // revision of the last commit that blocked a key of this set
	victim  uint8      // slot to be replaced next
	ghosts  [hotWays]uint32
	ghost   uint8 // ghost to be replaced next
}

type hotEntry struct {
	hash  uint64
	ns    godwit.NamespaceID
	entry godwit.Entry
}

func (e *hotEntry) cost() int64 {
	return int64(len(e.entry.Key) + len(e.entry.Metadata) + len(e.entry.Value.Inline) + hotOverhead)
}

func newHotTable(budget, rowBudget int64) *hotTable {
	n := hotMinSets
	for int64(n)*hotPerSet < budget && n < hotMaxSets {
		n *= 2
	}
	return &hotTable{seed: maphash.MakeSeed(), rows: newRowCache(rowBudget), sets: make([]hotSet, n), budget: budget}
}

func hotHash[K string | []byte](t *hotTable, ns godwit.NamespaceID, key K) uint64 {
	var h uint64
	switch k := any(key).(type) {
	case string:
		h = maphash.String(t.seed, k)
	case []byte:
		h = maphash.Bytes(t.seed, k)
	}
	// Ids are random, so their bits need no hashing of their own.
	return h ^ binary.LittleEndian.Uint64(ns[:])
}

func (t *hotTable) set(hash uint64) *hotSet { return &t.sets[hash&uint64(len(t.sets)-1)] }

// get returns the entry of a key, or nil.
func (t *hotTable) get(hash uint64, ns godwit.NamespaceID, key []byte) *godwit.Entry {
	s := t.set(hash)
	for i := range s.slots {
		if e := s.slots[i].Load(); e != nil && e.hash == hash && e.ns == ns && e.entry.Key == string(key) {
			return &e.entry
		}
	}
	return nil
}

// hotTicket is the right to fill what is read after it was taken.
type hotTicket struct {
	fills uint32
	quiet bool // no commit is about to change a key of the set; what is read may be kept
	slot  bool // in a slot, too
}

// ticket is taken before the database is read. A key that meets a full set is
// given a slot only when it comes again soon, so that a scan does not clear the
// table.
func (t *hotTable) ticket(hash uint64) hotTicket {
	s := t.set(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blocked > 0 {
		return hotTicket{}
	}
	mark := uint32(hash >> 32)
	k := hotTicket{fills: s.fills, quiet: true}
	for i := range s.slots {
		if s.slots[i].Load() == nil || s.ghosts[i] == mark {
			k.slot = true
			return k
		}
	}
	s.ghosts[s.ghost] = mark
	s.ghost = (s.ghost + 1) % hotWays
	return k
}

// fillRow keeps the row of a key, unless it may have changed since the ticket.
func (t *hotTable) fillRow(k hotTicket, hash uint64, ns godwit.NamespaceID, key, row []byte) {
	if !k.quiet || len(row) > hotMaxBytes {
		return
	}
	s := t.set(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blocked == 0 && s.fills == k.fills {
		rowCachePut(t.rows, hash, ns, key, row)
	}
}

// fill puts e into a slot, unless its key may have changed since the ticket.
func (t *hotTable) fill(k hotTicket, e *hotEntry) {
	cost := e.cost()
	if !k.slot || cost > hotMaxBytes {
		return
	}
	s := t.set(e.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blocked > 0 || s.fills != k.fills {
		return
	}
	i := s.freeSlot(e)
	if old := s.slots[i].Load(); old != nil {
		t.used.Add(-old.cost())
	}
	if t.used.Add(cost) > t.budget {
		t.used.Add(-cost)
		s.slots[i].Store(nil)
		return
	}
	s.slots[i].Store(e)
}

// freeSlot picks the slot of the same key, an empty one, or the next victim.
func (s *hotSet) freeSlot(e *hotEntry) int {
	free := -1
	for i := range s.slots {
		old := s.slots[i].Load()
		if old == nil {
			free = i
		} else if old.hash == e.hash && old.ns == e.ns && old.entry.Key == e.entry.Key {
			return i
		}
	}
	if free < 0 {
		free = int(s.victim)
		s.victim = (s.victim + 1) % hotWays
	}
	return free
}

// block takes a key out and keeps it out until unblock.
func (t *hotTable) block(hash uint64, by godwit.Revision) {
	s := t.set(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocked++
	s.fills++
	s.newest = max(s.newest, uint64(by))
	t.rows.remove(hash)
	for i := range s.slots {
		if old := s.slots[i].Load(); old != nil && old.hash == hash {
			t.used.Add(-old.cost())
			s.slots[i].Store(nil)
		}
	}
}

// unchanged tells whether no commit has changed the key since the ticket, nor was about
// to. If so, newest is a revision that what was read since holds, and at or above that
// of every commit that changed the key.
func (t *hotTable) unchanged(k hotTicket, hash uint64) (newest godwit.Revision, still bool) {
	s := t.set(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	return godwit.Revision(s.newest), k.quiet && s.blocked == 0 && s.fills == k.fills
}

// blockAll takes every key out, for a commit that cannot name those it replaces,
// and keeps them out until unblockAll.
func (t *hotTable) blockAll(by godwit.Revision) {
	for i := range t.sets {
		s := &t.sets[i]
		s.mu.Lock()
		s.blocked++
		s.fills++
		s.newest = uint64(by) // lower, if the log is taken back
		for j := range s.slots {
			if old := s.slots[j].Swap(nil); old != nil {
				t.used.Add(-old.cost())
			}
		}
		s.mu.Unlock()
	}
	t.rows.clear()
}

func (t *hotTable) unblockAll() {
	for i := range t.sets {
		s := &t.sets[i]
		s.mu.Lock()
		s.blocked--
		s.mu.Unlock()
	}
}

// unblock lets the key in again, and keeps the row that the commit gave it; row
// is empty if it has none. Commits come one at a time and unblock their keys in
// the order of their changes, so the last row stays.
func (t *hotTable) unblock(hash uint64, id entryID, row []byte) {
	s := t.set(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocked--
	if len(row) > 0 && len(row) <= hotMaxBytes {
		rowCachePut(t.rows, hash, id.ns, id.key, row)
	} else {
		t.rows.remove(hash)
	}
}

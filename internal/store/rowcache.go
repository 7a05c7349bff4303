package store

import (
	"encoding/binary"
	"sync"

	"github.com/godwitkv/godwit"
)

// rowCache keeps rows of e as the database has them, by a hash of their key. It
// is memory without pointers, so that a million rows cost the garbage collector
// nothing, and its size is what it was given. The oldest rows go first: the ones
// in use are kept by the hot table in front.
//
// It knows nothing of time: that it never holds what the database no longer has
// is up to the hot table, which alone puts rows in and takes them out.
type rowCache struct {
	memory []byte // of all rings
	shards []rowShard
}

const (
	rowShards   = 64
	rowMinRing  = 8 << 10 // bytes of a shard's ring from which it keeps anything
	rowHeadLen  = 8 + 4 + 2 + 2
	rowMaxShare = 8  // a row takes at most this part of a ring
	rowRound    = 32 // sizes of places: the next version of a row is often a few bytes longer
)

// rowShard is a ring of places for a row, each behind a header: hash:8, size of
// the place:4, length of ns and key:2, length of the row:2. A place without a
// row is one whose key is being changed, and is taken again if what it is
// changed to fits. Places of this lap lie in [0, next), those left of the lap
// before in [first, end), with next <= first.
type rowShard struct {
	mu    sync.Mutex
	index map[uint64]uint32 // where the row of a hash starts
	ring  []byte
	next  int
	first int
	end   int
}

// newRowCache returns a cache of at most that many bytes; one that is too small,
// or for which there is no memory, keeps nothing.
func newRowCache(bytes int64) *rowCache {
	c := &rowCache{shards: make([]rowShard, rowShards)}
	each := int(min(bytes/rowShards, 1<<31))
	if each < rowMinRing {
		return c
	}
	memory, err := newMemory(each * rowShards)
	if err != nil {
		return c
	}
	c.memory = memory
	for i := range c.shards {
		s := &c.shards[i]
		s.index = make(map[uint64]uint32)
		s.ring = memory[i*each : (i+1)*each : (i+1)*each]
	}
	return c
}

// close gives the memory back. The cache keeps nothing after it.
func (c *rowCache) close() error {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.index, s.ring = nil, nil
		s.mu.Unlock()
	}
	if c.memory == nil {
		return nil
	}
	memory := c.memory
	c.memory = nil
	return freeMemory(memory)
}

// The hot table takes a hash's low bits for its sets; these are others.
func (c *rowCache) shard(hash uint64) *rowShard { return &c.shards[hash>>48%rowShards] }

// get decodes the row of a key with fn, whose argument is valid only during the
// call, and tells whether there was one.
func rowCacheGet[K string | []byte](c *rowCache, hash uint64, ns godwit.NamespaceID, key K, fn func(row []byte) error) (bool, error) {
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.index[hash]
	if !ok {
		return false, nil
	}
	p := s.at(int(at))
	if len(p.row) == 0 || !isRowOf(p.id, ns, key) {
		return false, nil
	}
	return true, fn(p.row)
}

func isRowOf[K string | []byte](id []byte, ns godwit.NamespaceID, key K) bool {
	return len(id) == nsLen+len(key) && string(id[:nsLen]) == string(ns[:]) && string(id[nsLen:]) == string(key)
}

// rowPlace is a place of a ring, taken apart; its slices point into the ring.
type rowPlace struct {
	hash    uint64
	size    int
	id, row []byte
}

func (s *rowShard) at(i int) rowPlace {
	head := s.ring[i : i+rowHeadLen]
	idEnd := i + rowHeadLen + int(binary.LittleEndian.Uint16(head[12:]))
	return rowPlace{
		hash: binary.LittleEndian.Uint64(head),
		size: int(binary.LittleEndian.Uint32(head[8:])),
		id:   s.ring[i+rowHeadLen : idEnd],
		row:  s.ring[idEnd : idEnd+int(binary.LittleEndian.Uint16(head[14:]))],
	}
}

// put keeps a copy of a key's row, of at most hotMaxBytes, in place of what it
// held.
func rowCachePut[K string | []byte](c *rowCache, hash uint64, ns godwit.NamespaceID, key K, row []byte) {
	s := c.shard(hash)
	n := rowHeadLen + nsLen + len(key) + len(row)
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > len(s.ring)/rowMaxShare {
		return
	}
	at, size := s.room(hash, n)
	b := binary.LittleEndian.AppendUint64(s.ring[at:at], hash)
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	b = binary.LittleEndian.AppendUint16(b, uint16(nsLen+len(key)))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(row)))
	b = append(append(b, ns[:]...), key...)
	_ = append(b, row...)
	s.index[hash] = uint32(at)
}

// remove drops a hash's row and keeps its place.
func (c *rowCache) remove(hash uint64) {
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.index[hash]; ok {
		binary.LittleEndian.PutUint16(s.ring[at+14:], 0)
	}
}

func (c *rowCache) clear() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		clear(s.index)
		s.next, s.first, s.end = 0, 0, 0
		s.mu.Unlock()
	}
}

// room returns where n bytes for a hash go and the size of that place: where it
// stood before if it fits, else the next in the ring. What is in the way leaves.
func (s *rowShard) room(hash uint64, n int) (at, size int) {
	if old, ok := s.index[hash]; ok {
		if p := s.at(int(old)); p.size >= n {
			return int(old), p.size
		}
		delete(s.index, hash)
	}
	n = (n + rowRound - 1) &^ (rowRound - 1)
	if s.next+n > len(s.ring) {
		s.evictBelow(s.end)
		s.first, s.end, s.next = 0, s.next, 0
	}
	s.evictBelow(s.next + n)
	at = s.next
	s.next += n
	return at, n
}

// evictBelow drops the places of the lap before that start below an offset.
func (s *rowShard) evictBelow(offset int) {
	for s.first < s.end && s.first < offset {
		p := s.at(s.first)
		if at, ok := s.index[p.hash]; ok && int(at) == s.first {
			delete(s.index, p.hash)
		}
		s.first += p.size
	}
}

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
	shards []rowShard
}

const (
	rowShards   = 64
	rowMinRing  = 8 << 10 // bytes of a shard's ring from which it keeps anything
	rowHeadLen  = 8 + 4 + 4
	rowMaxShare = 8 // a row takes at most this part of a ring
)

// rowShard is a ring of rows, each behind a header: hash:8, length of ns and
// key:4, length of the row:4. Rows of this lap lie in [0, next), those left of
// the lap before in [first, end), with next <= first.
type rowShard struct {
	mu    sync.Mutex
	index map[uint64]uint32 // where the row of a hash starts
	ring  []byte
	next  int
	first int
	end   int
}

func newRowCache(bytes int64) *rowCache {
	c := &rowCache{shards: make([]rowShard, rowShards)}
	each := min(bytes/rowShards, 1<<31)
	if each < rowMinRing {
		return c
	}
	for i := range c.shards {
		s := &c.shards[i]
		s.index = make(map[uint64]uint32)
		s.ring = make([]byte, each)
	}
	return c
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
	_, id, row := s.at(int(at))
	if len(id) != nsLen+len(key) || string(id[:nsLen]) != string(ns[:]) || string(id[nsLen:]) != string(key) {
		return false, nil
	}
	return true, fn(row)
}

// at takes the row that starts at a place of the ring apart.
func (s *rowShard) at(i int) (hash uint64, id, row []byte) {
	head := s.ring[i : i+rowHeadLen]
	idLen := int(binary.LittleEndian.Uint32(head[8:]))
	rowLen := int(binary.LittleEndian.Uint32(head[12:]))
	id = s.ring[i+rowHeadLen : i+rowHeadLen+idLen]
	return binary.LittleEndian.Uint64(head), id, s.ring[i+rowHeadLen+idLen : i+rowHeadLen+idLen+rowLen]
}

// put keeps a copy of a key's row in place of what it held.
func rowCachePut[K string | []byte](c *rowCache, hash uint64, ns godwit.NamespaceID, key K, row []byte) {
	s := c.shard(hash)
	n := rowHeadLen + nsLen + len(key) + len(row)
	if n > len(s.ring)/rowMaxShare {
		c.remove(hash)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.room(n)
	b := binary.LittleEndian.AppendUint64(s.ring[at:at], hash)
	b = binary.LittleEndian.AppendUint32(b, uint32(nsLen+len(key)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(row)))
	b = append(append(b, ns[:]...), key...)
	_ = append(b, row...)
	s.index[hash] = uint32(at)
}

func (c *rowCache) remove(hash uint64) {
	s := c.shard(hash)
	s.mu.Lock()
	delete(s.index, hash)
	s.mu.Unlock()
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

// room makes place for n bytes and returns where. Rows in the way leave.
func (s *rowShard) room(n int) int {
	if s.next+n > len(s.ring) {
		s.evictBelow(s.end)
		s.first, s.end, s.next = 0, s.next, 0
	}
	s.evictBelow(s.next + n)
	at := s.next
	s.next += n
	return at
}

// evictBelow drops the rows of the lap before that start below a place.
func (s *rowShard) evictBelow(place int) {
	for s.first < s.end && s.first < place {
		hash, id, row := s.at(s.first)
		if at, ok := s.index[hash]; ok && int(at) == s.first {
			delete(s.index, hash)
		}
		s.first += rowHeadLen + len(id) + len(row)
	}
}

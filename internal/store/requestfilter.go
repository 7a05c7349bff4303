package store

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/godwitkv/godwit"
)

// requestFilter tells of nearly every request key that is new that it is, without
// asking the database. It knows of the keys that were remembered since it began, so for
// one window of the log's time it tells nothing, unless it was shown all that were
// remembered before. It belongs to the one transaction that is open.
type requestFilter struct {
	began int64 // ms of the log's time; 0: it has not
	whole bool  // it knows of those before, too
	parts []requestPart
}

// requestPart is a Bloom filter of keys that were remembered one behind the other.
type requestPart struct {
	bits        []uint64
	keys        int
	first, last int64 // ms of the log's time
}

// A part ends with so many bits for each key, of which so many are set: of a thousand new
// keys a full one takes four for one that it has. The next one is larger if it was full, so
// that there are few at once, and parts go a window after their last key: what is held is
// about 1.5 bytes for each key of the last window, and a part.
const (
	requestBitsPerKey = 12
	requestProbes     = 6
	requestPartLeast  = 1 << 16 // bits
	requestPartMost   = 1 << 26
	requestPartGrowth = 4
	requestPartSpan   = int64(RequestWindow/time.Millisecond) / 4
)

// restart forgets all: keys have come into the database that it has not seen.
func (f *requestFilter) restart() { *f = requestFilter{} }

// add notes that a key was remembered at a time of the log.
func (f *requestFilter) add(now int64, k godwit.RequestKey) {
	f.begin(now)
	p := f.newest(now)
	for i := range requestProbes {
		word, bit := p.probe(k, i)
		p.bits[word] |= bit
	}
	p.keys, p.last = p.keys+1, max(p.last, now)
}

// absent tells that no such key was remembered within a window up to now.
func (f *requestFilter) absent(now int64, k godwit.RequestKey) bool {
	f.begin(now)
	if !f.whole && now-f.began <= RequestWindow.Milliseconds() {
		return false
	}
	for i := range f.parts {
		if f.parts[i].mayHave(k) {
			return false
		}
	}
	return true
}

func (f *requestFilter) begin(now int64) {
	if f.began == 0 {
		f.began = max(now, 1)
	}
	gone := 0
	for gone < len(f.parts) && now-f.parts[gone].last > RequestWindow.Milliseconds() {
		gone++
	}
	f.parts = slices.Delete(f.parts, 0, gone) // or their memory would stay
}

// newest is the part that takes the next key.
func (f *requestFilter) newest(now int64) *requestPart {
	size := requestPartLeast
	if n := len(f.parts); n > 0 {
		p := &f.parts[n-1]
		full := p.keys*requestBitsPerKey >= len(p.bits)*64
		if !full && now-p.first <= requestPartSpan {
			return p
		}
		if size = len(p.bits) * 64; full {
			size = min(requestPartGrowth*size, requestPartMost)
		} else if requestPartGrowth*p.keys*requestBitsPerKey < size {
			size = max(size/requestPartGrowth, requestPartLeast)
		}
	}
	f.parts = append(f.parts, requestPart{bits: make([]uint64, size/64), first: now, last: now})
	return &f.parts[len(f.parts)-1]
}

func (p *requestPart) mayHave(k godwit.RequestKey) bool {
	for i := range requestProbes {
		if word, bit := p.probe(k, i); p.bits[word]&bit == 0 {
			return false
		}
	}
	return true
}

// probe is where bit i of a key stands: a key is a digest, its halves are two hashes.
func (p *requestPart) probe(k godwit.RequestKey, i int) (word, bit uint64) {
	h := binary.LittleEndian.Uint64(k[:8]) + uint64(i)*(binary.LittleEndian.Uint64(k[8:])|1)
	h %= uint64(len(p.bits)) * 64
	return h / 64, 1 << (h % 64)
}

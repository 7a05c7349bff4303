package feed

import (
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/wire"
)

const (
	maxPlaceBytes = 4096   // of a place in a shared log
	minKnownBytes = 16 + 2 // of a proposer or a request
)

func appendState(b []byte, f *State) []byte {
	b = append(b, f.Position.Epoch[:]...)
	b = appendNumbers(b, uint64(f.Position.Revision), uint64(f.Time))
	return wire.AppendCounted(b, f.Place)
}

func decodeState(d *wire.Decoder) *State {
	f := new(State)
	copy(f.Position.Epoch[:], d.Bytes(int64(len(f.Position.Epoch))))
	f.Position.Revision, f.Time = d.Revision(), d.Int()
	f.Place = d.Counted(maxPlaceBytes)
	return f
}

func appendKnown(b []byte, f *Known) []byte {
	b = appendNumbers(b, uint64(len(f.Proposers)))
	for i := range f.Proposers {
		p := &f.Proposers[i]
		b = appendNumbers(append(b, p.ID[:]...), p.Number, uint64(p.Time))
	}
	b = appendNumbers(b, uint64(len(f.Requests)))
	for i := range f.Requests {
		r := &f.Requests[i]
		b = appendNumbers(append(b, r.Key[:]...), uint64(r.Revision), uint64(r.Time))
	}
	for i := range f.Requests {
		if sums := f.Requests[i].Sums; len(sums) > 0 {
			b = wire.AppendSums(appendNumbers(b, uint64(i)), sums)
		}
	}
	return b
}

func decodeKnown(d *wire.Decoder) *Known {
	f := &Known{Proposers: make([]store.KnownProposer, countKnown(d))}
	for i := range f.Proposers {
		p := &f.Proposers[i]
		copy(p.ID[:], d.Bytes(int64(len(p.ID))))
		p.Number, p.Time = uint64(d.Int()), d.Int()
	}
	f.Requests = make([]store.KnownRequest, countKnown(d))
	for i := range f.Requests {
		r := &f.Requests[i]
		copy(r.Key[:], d.Bytes(int64(len(r.Key))))
		r.Revision, r.Time = d.Revision(), d.Int()
	}
	for next := int64(0); d.Len() > 0; {
		i := d.Int()
		if i < next || i >= int64(len(f.Requests)) {
			d.Fail()
			return f
		}
		f.Requests[i].Sums, next = wire.DecodeSums(d), i+1
	}
	return f
}

// countKnown takes how many follow, which the bytes that are left must have room
// for.
func countKnown(d *wire.Decoder) int64 {
	n := d.Int()
	if n > MaxFrameRecords || n > int64(d.Len()/minKnownBytes) {
		d.Fail()
		return 0
	}
	return n
}

// full tells whether that is enough for one frame.
func (f *Known) full() bool {
	const usual = minKnownBytes + 12
	return (len(f.Proposers)+len(f.Requests))*usual >= chunkBytes
}

func (f *Known) empty() bool { return len(f.Proposers)+len(f.Requests) == 0 }

func (f *Known) reset() { f.Proposers, f.Requests = f.Proposers[:0], f.Requests[:0] }

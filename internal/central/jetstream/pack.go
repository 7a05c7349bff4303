package jetstream

import (
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/godwitkv/godwit/internal/wire"
)

// Batches are packed from packedFormat on, where that makes them shorter by an
// eighth: a message is written to six files before it counts, and what batches
// repeat, names of namespaces and conditions above all, is half of one of short
// values that are random, and more of others.
const (
	packedFormat = 2
	packFrom     = 1 << 10 // shorter batches travel as they are
	packWindow   = 1 << 20
	maxUnpacked  = 256 << 20
)

// packer packs and unpacks batches. Its methods may be called from many goroutines.
type packer struct {
	in  *zstd.Encoder
	out *zstd.Decoder
}

func newPacker() *packer {
	in, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(packWindow),
		zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false), zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(fmt.Sprintf("make compressor: %v", err)) // its options are constants
	}
	out, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxUnpacked))
	if err != nil {
		panic(fmt.Sprintf("make decompressor: %v", err))
	}
	return &packer{in, out}
}

// pack returns a batch packed, or false if that is of no use.
func (p *packer) pack(batch []byte) ([]byte, bool) {
	if len(batch) < packFrom {
		return nil, false
	}
	packed := p.in.EncodeAll(batch, make([]byte, 0, len(batch)/2))
	return packed, len(packed) <= len(batch)-len(batch)/8
}

// unpack returns a batch as it was. Error: wire.ErrMalformed.
func (p *packer) unpack(packed []byte) ([]byte, error) {
	batch, err := p.out.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("unpack batch: %w: %w", wire.ErrMalformed, err)
	}
	return batch, nil
}

func (p *packer) close() {
	_ = p.in.Close()
	p.out.Close()
}

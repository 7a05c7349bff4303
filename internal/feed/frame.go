package feed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/godwitkv/godwit/internal/wire"
)

// ContentType is that of a stream of frames.
const ContentType = "application/vnd.godwit.feed"

// A frame:
//
//	length:4 kind:1 flags:1 crc:4 payload
//
// Numbers are big-endian; length is the payload's, crc the Castagnoli sum of
// kind, flags and payload.
const (
	headBytes = 4 + 1 + 1 + 4

	// MaxFrameBytes bounds a frame's payload, both as it travels and as it is
	// once it is decompressed.
	MaxFrameBytes = 32 << 20

	// MaxFrameRecords bounds how many records one frame holds.
	MaxFrameRecords = 1 << 17

	flagZstd = 1 // the payload is compressed
	allFlags = flagZstd
)

type kind uint8

const (
	kindHello     kind = 1
	kindRecords   kind = 2
	kindReady     kind = 3
	kindHeartbeat kind = 4
	kindEnd       kind = 5
	kindPage      kind = 6
	kindState     kind = 7
	kindKnown     kind = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errFrameTooLarge tells that something is too large for one frame.
var errFrameTooLarge = fmt.Errorf("frame is over %d bytes or %d records", MaxFrameBytes, MaxFrameRecords)

// AppendFrame appends f to b, not compressed. An error, which leaves b as it
// was, is that f is too large.
func AppendFrame(b []byte, f Frame) ([]byte, error) {
	from := len(b)
	b = append(b, make([]byte, headBytes)...)
	b, k := appendPayload(b, f)
	if len(b)-from-headBytes > MaxFrameBytes || countRecords(f) > MaxFrameRecords {
		return b[:from], errFrameTooLarge
	}
	sealFrame(b[from:], k, 0)
	return b, nil
}

// sealFrame writes the head of the frame that b is.
func sealFrame(b []byte, k kind, flags byte) {
	binary.BigEndian.PutUint32(b, uint32(len(b)-headBytes))
	b[4], b[5] = byte(k), flags
	binary.BigEndian.PutUint32(b[6:], sumFrame(b[4:6], b[headBytes:]))
}

func sumFrame(kindAndFlags, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(kindAndFlags, castagnoli), castagnoli, payload)
}

// frameHead is a frame's head, taken apart.
type frameHead struct {
	length int
	kind   kind
	flags  byte
	sum    uint32
}

// parseHead reads a frame's head. Error: wire.ErrMalformed.
func parseHead(b []byte) (h frameHead, err error) {
	n := binary.BigEndian.Uint32(b)
	h = frameHead{int(n), kind(b[4]), b[5], binary.BigEndian.Uint32(b[6:headBytes])}
	if n > MaxFrameBytes || h.kind < kindHello || h.kind > kindKnown || h.flags&^allFlags != 0 {
		return h, fmt.Errorf("read frame: %w", wire.ErrMalformed)
	}
	return h, nil
}

// frameReader reads frames. It is for one goroutine.
type frameReader struct {
	zstd *zstd.Decoder // nil until the first compressed frame
}

// read reads one frame, whose bytes are its own: they outlive the next read.
// Errors: io.EOF if r ends where a frame may start, io.ErrUnexpectedEOF within
// one; wire.ErrMalformed; r's.
func (fr *frameReader) read(r io.Reader) (Frame, error) {
	var head [headBytes]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	h, err := parseHead(head[:])
	if err != nil {
		return nil, err
	}
	payload, err := readPayload(r, h.length)
	if err != nil {
		return nil, err
	}
	if sumFrame(head[4:6], payload) != h.sum {
		return nil, fmt.Errorf("read frame: its checksum does not match: %w", wire.ErrMalformed)
	}
	if h.flags&flagZstd != 0 {
		if payload, err = fr.expand(payload); err != nil {
			return nil, err
		}
	}
	return Decode(h.kind, payload)
}

// readStep is how much is read of a payload before memory is taken for more: a
// length alone makes nobody take all that it says.
const readStep = 1 << 20

func readPayload(r io.Reader, n int) ([]byte, error) {
	b := make([]byte, min(n, readStep))
	for at := 0; ; {
		m, err := io.ReadFull(r, b[at:])
		if at += m; err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if at == n {
			return b, nil
		}
		b = append(b, make([]byte, min(n-at, len(b)))...)
	}
}

func (fr *frameReader) expand(b []byte) ([]byte, error) {
	if fr.zstd == nil {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(MaxFrameBytes), zstd.WithDecoderMaxWindow(MaxFrameBytes))
		if err != nil {
			return nil, fmt.Errorf("make decompressor: %w", err)
		}
		fr.zstd = d
	}
	out, err := fr.zstd.DecodeAll(b, nil)
	if err != nil {
		return nil, fmt.Errorf("decompress frame: %w: %w", wire.ErrMalformed, err)
	}
	return out, nil
}

// compressor compresses frames. Its methods may be called from many goroutines.
type compressor struct{ zstd *zstd.Encoder }

func newCompressor() *compressor {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(compressWindow),
		zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
	if err != nil {
		panic(fmt.Sprintf("make compressor: %v", err)) // its options are constants
	}
	return &compressor{e}
}

const (
	compressWindow = 1 << 20
	compressFrom   = 1 << 10 // shorter payloads travel as they are
)

// compress returns a frame compressed, in dst's memory if that is enough, or
// frame itself if that does not make it shorter by an eighth.
func (c *compressor) compress(dst, frame []byte) []byte {
	payload := frame[headBytes:]
	if len(payload) < compressFrom || frame[5]&flagZstd != 0 {
		return frame
	}
	out := c.zstd.EncodeAll(payload, append(dst[:0], frame[:headBytes]...))
	if len(out)-headBytes > len(payload)-len(payload)/8 {
		return frame
	}
	sealFrame(out, kind(frame[4]), frame[5]|flagZstd)
	return out
}

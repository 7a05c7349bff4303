package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"sync"

	"github.com/godwitkv/godwit"
)

// A blob's file is a magic word and then the value in chunks, each followed by
// a checksum of the blob's id, the chunk's number and the chunk:
//
//	"gwb1" { chunk [1..chunkSize]byte  crc32c uint32 }
//
// Only the last chunk may be short. Length and hash of the value stand in the
// record that names the blob.
const (
	magic     = "gwb1"
	chunkSize = 64 << 10
	frameSize = chunkSize + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(id godwit.BlobID, number uint32, chunk []byte) uint32 {
	var head [20]byte
	copy(head[:], id[:])
	binary.BigEndian.PutUint32(head[16:], number)
	return crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, chunk)
}

// frames are reused: at 64 KiB each they would otherwise be most of what a
// stream costs the garbage collector.
var frames = sync.Pool{New: func() any { return new([frameSize]byte) }}

// Writer writes one blob. It is for one goroutine.
type Writer struct {
	store  *Store
	id     godwit.BlobID
	want   *godwit.Blob // what it must become; nil: anything
	part   string       // its file's name until Commit
	named  bool         // it may have its own, which nothing had before
	file   File
	frame  *[frameSize]byte
	fill   int
	number uint32
	size   int64
	hash   hash.Hash
}

func newWriter(s *Store, id godwit.BlobID, part string, f File) *Writer {
	w := &Writer{store: s, id: id, part: part, file: f, frame: frames.Get().(*[frameSize]byte), hash: sha256.New()}
	return w
}

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		c := copy(w.frame[w.fill:chunkSize], p)
		w.fill += c
		n += c
		p = p[c:]
		if w.fill == chunkSize {
			if err := w.flush(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func (w *Writer) flush() error {
	if w.size == 0 {
		if _, err := io.WriteString(w.file, magic); err != nil {
			return fmt.Errorf("write blob: %w", err)
		}
	}
	chunk := w.frame[:w.fill]
	w.hash.Write(chunk)
	binary.BigEndian.PutUint32(w.frame[w.fill:], checksum(w.id, w.number, chunk))
	if _, err := w.file.Write(w.frame[:w.fill+4]); err != nil {
		return fmt.Errorf("write blob: %w", err)
	}
	w.size += int64(w.fill)
	w.number++
	w.fill = 0
	return nil
}

// Commit makes the blob durable and returns how to name it. On error the blob is
// gone, as after Abort; under the id of an import there is what was, or the whole blob.
func (w *Writer) Commit() (godwit.Blob, error) {
	b, err := w.commit()
	if err != nil {
		w.Abort()
		return godwit.Blob{}, err
	}
	w.release()
	return b, nil
}

func (w *Writer) commit() (godwit.Blob, error) {
	if w.fill > 0 || w.size == 0 {
		if err := w.flush(); err != nil {
			return godwit.Blob{}, err
		}
	}
	b := godwit.Blob{ID: w.id, Size: w.size}
	w.hash.Sum(b.Hash[:0])
	if w.want != nil && *w.want != b {
		return godwit.Blob{}, fmt.Errorf("import blob %s: %w", w.id, ErrDamaged)
	}
	if err := w.file.Sync(); err != nil {
		return godwit.Blob{}, fmt.Errorf("sync blob: %w", err)
	}
	f := w.file
	w.file = nil
	if err := f.Close(); err != nil {
		return godwit.Blob{}, fmt.Errorf("close blob: %w", err)
	}
	// A rename that fails may have been carried out. What then has the name of an import is
	// whole, and may be what was there before.
	w.named = w.want == nil
	if err := w.store.fs.Rename(w.part, w.store.path(w.id)); err != nil {
		return godwit.Blob{}, fmt.Errorf("name blob: %w", err)
	}
	if err := w.store.fs.SyncDir(w.store.dir); err != nil {
		return godwit.Blob{}, fmt.Errorf("sync blob directory: %w", err)
	}
	return b, nil
}

// Abort drops what was written. It may be called after Commit, and then does
// nothing.
func (w *Writer) Abort() {
	if w.frame == nil {
		return
	}
	if w.file != nil {
		_ = w.file.Close()
	}
	_ = w.store.fs.Remove(w.part)
	if w.named {
		_ = w.store.fs.Remove(w.store.path(w.id))
	}
	w.release()
}

func (w *Writer) release() {
	frames.Put(w.frame)
	w.frame = nil
}

// Reader reads one blob. It is for one goroutine.
type Reader struct {
	blob   godwit.Blob
	file   File
	frame  *[frameSize]byte
	chunk  []byte // what of the frame is verified and not yet returned
	number uint32
	left   int64 // bytes of the value not yet in a chunk
	err    error
}

func newReader(b godwit.Blob, f File) *Reader {
	return &Reader{blob: b, file: f, frame: frames.Get().(*[frameSize]byte), left: b.Size}
}

// Read implements io.Reader. It returns verified bytes only.
func (r *Reader) Read(p []byte) (int, error) {
	if len(r.chunk) == 0 && r.err == nil {
		r.err = r.next()
	}
	if len(r.chunk) == 0 {
		return 0, r.err
	}
	n := copy(p, r.chunk)
	r.chunk = r.chunk[n:]
	return n, nil
}

// Peek reads and verifies what Read returns first, if it has not been read yet.
// Errors: ErrDamaged. That the blob is empty is none.
func (r *Reader) Peek() error {
	if len(r.chunk) == 0 && r.err == nil {
		r.err = r.next()
	}
	if r.err == io.EOF {
		return nil
	}
	return r.err
}

func (r *Reader) next() error {
	if r.left == 0 {
		return io.EOF
	}
	if r.number == 0 {
		head := r.frame[:len(magic)]
		if _, err := io.ReadFull(r.file, head); err != nil || !bytes.Equal(head, []byte(magic)) {
			return r.damaged()
		}
	}
	n := int(min(r.left, chunkSize))
	if _, err := io.ReadFull(r.file, r.frame[:n+4]); err != nil {
		return r.damaged()
	}
	if binary.BigEndian.Uint32(r.frame[n:]) != checksum(r.blob.ID, r.number, r.frame[:n]) {
		return r.damaged()
	}
	r.chunk = r.frame[:n]
	r.left -= int64(n)
	r.number++
	return nil
}

func (r *Reader) damaged() error {
	return fmt.Errorf("read blob %s, chunk %d: %w", r.blob.ID, r.number, ErrDamaged)
}

// Close implements io.Closer.
func (r *Reader) Close() error {
	if r.frame == nil {
		return nil
	}
	frames.Put(r.frame)
	r.frame, r.chunk, r.err = nil, nil, io.ErrClosedPipe
	return r.file.Close()
}

// verify reads to the end and compares the hash.
func (r *Reader) verify(ctx context.Context, wait func(context.Context, int) error) error {
	h := sha256.New()
	for {
		n := min(r.left, 16*chunkSize)
		if err := errors.Join(ctx.Err(), wait(ctx, int(n))); err != nil {
			return err
		}
		_, err := io.CopyN(h, r, max(n, 1))
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if !bytes.Equal(h.Sum(nil), r.blob.Hash[:]) {
		return fmt.Errorf("verify blob %s: %w", r.blob.ID, ErrDamaged)
	}
	return nil
}

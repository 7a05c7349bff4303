package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/godwitkv/godwit"
)

// drainBeyond bounds how much of a value that is too long is read only to tell
// its length.
const drainBeyond = 4 * godwit.MaxValueBytes

// recheckEvery is how many bytes of an upload go by between two looks at the
// disk.
const recheckEvery = 4 << 20

var uploadBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Upload implements godwit.Uploader.
func (s *Store) Upload(ctx context.Context, r io.Reader, limit int64) (godwit.Value, error) {
	buf := uploadBuffers.Get().(*bytes.Buffer)
	defer uploadBuffers.Put(buf)
	buf.Reset()
	small := min(int64(s.cfg.InlineBytes), limit)
	n, err := io.Copy(buf, io.LimitReader(r, max(small, godwit.MaxNumberBytes)+1))
	switch {
	case err != nil:
		return godwit.Value{}, fmt.Errorf("read value: %w", err)
	case n <= small, n <= limit && isNumber(buf.Bytes()):
		return godwit.Value{Inline: bytes.Clone(buf.Bytes())}, nil
	case n > limit:
		return godwit.Value{}, tooLarge(n, r, limit)
	default:
		return s.uploadBlob(ctx, buf, r, limit)
	}
}

// isNumber tells whether a value can be added to: then it stands beside its key,
// where decisions find it, whatever InlineBytes is.
func isNumber(value []byte) bool {
	_, is := godwit.ParseNumber(value)
	return is
}

func (s *Store) uploadBlob(ctx context.Context, head *bytes.Buffer, r io.Reader, limit int64) (godwit.Value, error) {
	w, err := s.blobs.Create()
	if err != nil {
		return godwit.Value{}, s.uploadError(err)
	}
	defer w.Abort()
	if _, err := w.Write(head.Bytes()); err != nil {
		return godwit.Value{}, s.uploadError(err)
	}
	had := int64(head.Len())
	n, err := s.copyBlob(ctx, w, r, limit-had)
	if err != nil {
		return godwit.Value{}, err
	}
	if had+n > limit {
		w.Abort()
		return godwit.Value{}, tooLarge(had+n, r, limit)
	}
	b, err := w.Commit()
	if err != nil {
		return godwit.Value{}, s.uploadError(err)
	}
	return godwit.Value{Blob: b}, nil
}

// copyBlob writes what r holds to w, one byte more than most at the most, and
// returns how much that was. It ends early when the disk fills up.
func (s *Store) copyBlob(ctx context.Context, w io.Writer, r io.Reader, most int64) (total int64, err error) {
	for {
		if s.space.full() {
			return total, godwit.ErrDiskFull
		}
		if err := ctx.Err(); err != nil {
			return total, fmt.Errorf("upload: %w", err)
		}
		src := reading{r: r}
		n, err := io.CopyN(w, &src, min(recheckEvery, most+1-total))
		if total += n; total > most {
			return total, nil
		}
		if src.err != nil && src.err != io.EOF { // its own end, which it may give with its last bytes
			return total, fmt.Errorf("read value: %w", src.err)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return total, s.uploadError(err)
		}
		if src.err == io.EOF {
			return total, nil
		}
	}
}

// reading keeps the error of the reader apart from that of the disk.
type reading struct {
	r   io.Reader
	err error
}

func (s *reading) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.err = err
	return n, err
}

// uploadError tells a full disk from other failures.
func (s *Store) uploadError(err error) error {
	s.space.measure()
	if isNoSpace(err) || s.space.full() {
		return &godwit.Error{Code: godwit.CodeDiskFull, Message: godwit.ErrDiskFull.Message, Err: err}
	}
	return err
}

func tooLarge(n int64, r io.Reader, limit int64) error {
	more, _ := io.Copy(io.Discard, io.LimitReader(r, drainBeyond))
	return godwit.Errorf(godwit.CodeValueTooLarge, "Value length of %d exceeds limit of %d.", n+more, limit)
}

// Discard implements godwit.Uploader.
func (s *Store) Discard(v godwit.Value) {
	if v.Blob.IsZero() {
		return
	}
	if err := s.blobs.Remove(v.Blob.ID); err != nil {
		s.cfg.Logger.Warn("discard blob", "error", err.Error())
	}
}

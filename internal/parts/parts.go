// Package parts reads multipart/form-data from whoever sends it: with a bound on the heads
// of its parts, and told apart from a form that was cut off. It imports nothing of the
// module.
package parts

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
)

// maxHeadBytes bounds what stands between the end of one part's content and the beginning
// of the next one's. mime/multipart keeps up to 10 MiB of it in memory.
const maxHeadBytes = 64 << 10

// ErrLongHead is told of a part whose head is over the bound.
var ErrLongHead = fmt.Errorf("the head of a part of the form is over %d bytes", maxHeadBytes)

// Reader iterates over the parts of a form.
type Reader struct {
	parts  *multipart.Reader
	source *source
	part   *multipart.Part // the last one
}

// NewReader returns a Reader of the form that r holds, whose parts boundary separates.
func NewReader(r io.Reader, boundary string) *Reader {
	s := &source{r: r}
	return &Reader{parts: multipart.NewReader(s, boundary), source: s}
}

// Next returns the next part, whose content is as it came, once the one before has been read
// to its end. Errors: io.EOF if, and only if, the closing boundary was there;
// io.ErrUnexpectedEOF where it was not; ErrLongHead.
func (r *Reader) Next() (*multipart.Part, error) {
	if r.part != nil {
		if _, err := io.Copy(io.Discard, r.part); err != nil {
			return nil, fmt.Errorf("pass over a part: %w", err)
		}
	}
	r.source.bounded, r.source.room = true, maxHeadBytes
	part, err := r.parts.NextRawPart()
	r.source.bounded, r.part = false, part
	if err != nil {
		return nil, err
	}
	return part, nil
}

// source is what multipart reads. It never ends with io.EOF, which multipart would tell both
// after the closing boundary and where the head of a part is cut off: it ends with
// io.ErrUnexpectedEOF, so that io.EOF comes of a closing boundary alone. The line of that may
// lack its end, which is therefore added.
type source struct {
	r       io.Reader
	bounded bool
	room    int
	last    byte   // that was read
	lines   string // what ends the form's lines; "": none has ended yet
	left    string // to be added
	ended   bool
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if s.ended {
		return s.add(p)
	}
	n, err := s.r.Read(p)
	s.look(p[:n])
	if s.bounded {
		if s.room -= n; s.room < 0 {
			return 0, ErrLongHead
		}
	}
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	s.ended, s.left = true, s.lines
	if s.left == "" {
		s.left = "\r\n"
	}
	return n, nil
}

// add goes on past the end.
func (s *source) add(p []byte) (int, error) {
	n := copy(p, s.left)
	if s.left = s.left[n:]; n == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return n, nil
}

// look finds out how the first line ends: multipart takes the others to end as it does.
func (s *source) look(b []byte) {
	for _, c := range b {
		if s.lines != "" {
			return
		}
		if c == '\n' {
			if s.lines = "\n"; s.last == '\r' {
				s.lines = "\r\n"
			}
		}
		s.last = c
	}
}

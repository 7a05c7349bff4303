package transfer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"math"
	"os"
	"sync/atomic"
)

// lineOverhead is what a line may have beside its value: a key and metadata whose every
// byte is an escape, and room for white space.
const lineOverhead = 64 << 10

// maxLine is how long a line may be whose value has up to maxValue bytes: in text, each
// byte of it may be an escape of six.
func maxLine(maxValue int64) int64 { return 6*maxValue + lineOverhead }

// lineReader reads lines of a bounded length.
type lineReader struct {
	r    *bufio.Reader
	most int64
	line []byte // of the longer ones
	n    int64  // lines that were read
	sum  uint32 // of those
	last uint32 // of those without the last
	json lineDecoder
}

func newLineReader(r io.Reader, most int64) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 1<<20), most: most}
}

var errLineTooLong = errors.New("the line is too long")

// next returns a line without its end, good until the next. ended tells that it had
// one. io.EOF: there is no more.
func (l *lineReader) next() (line []byte, ended bool, err error) {
	if cap(l.line) > 4<<20 {
		l.line = nil // a long one is not held for good
	}
	l.line, l.last = l.line[:0], l.sum
	for {
		part, err := l.r.ReadSlice('\n')
		l.add(part, err)
		switch {
		case int64(len(l.line)+len(part)) > l.most+1:
			l.n++
			return nil, false, fmt.Errorf("%w: the limit is %d bytes", errLineTooLong, l.most)
		case err == nil && len(l.line) == 0:
			l.n++
			return part[:len(part)-1], true, nil
		}
		l.line = append(l.line, part...)
		switch {
		case err == nil:
			l.n++
			return l.line[:len(l.line)-1], true, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(l.line) == 0:
			return nil, false, io.EOF
		case errors.Is(err, io.EOF):
			l.n++
			return l.line, false, nil
		default:
			return nil, false, fmt.Errorf("read line %d: %w", l.n+1, err)
		}
	}
}

// polynomial is of the sum that machines have an instruction for.
var polynomial = crc32.MakeTable(crc32.Castagnoli)

// add adds to the sum what was read of a line. The last of a file is taken to have an
// end, which may be written yet.
func (l *lineReader) add(part []byte, err error) {
	l.sum = crc32.Update(l.sum, polynomial, part)
	if errors.Is(err, io.EOF) && len(part) > 0 {
		l.sum = crc32.Update(l.sum, polynomial, []byte{'\n'})
	}
}

// skip reads on until line n was read. It is an error if there are not so many.
func (l *lineReader) skip(n int64) error {
	for l.n < n {
		part, err := l.r.ReadSlice('\n')
		l.add(part, err)
		switch {
		case err == nil:
			l.n++
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(part) > 0:
			l.n++
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%w %d lines", errFewLines, l.n)
		default:
			return fmt.Errorf("read line %d: %w", l.n+1, err)
		}
	}
	return nil
}

var errFewLines = errors.New("there are only")

// Lines is the source of files with an item on each line.
type Lines struct {
	Files    []string // names; "-" is Input, or else Stdin
	Stdin    *os.File
	Input    io.Reader // can be read once only
	MaxValue int64     // bytes of a value
	From     Mark      // go on behind it

	Read atomic.Int64 // bytes that were read
}

var _ Source = (*Lines)(nil)

// Batches implements [Source].
func (s *Lines) Batches(ctx context.Context) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		var sum uint32
		for i := range s.Files {
			if i < s.From.File && s.From.Sum == 0 {
				continue // it is not known how it was
			}
			if !s.file(ctx, i, &sum, yield) {
				return
			}
		}
	}
}

// open opens a file. What was not opened here is not closed either.
func (s *Lines) open(name string) (io.ReadCloser, error) {
	switch {
	case name == "-" && s.Input != nil:
		return io.NopCloser(s.Input), nil
	case name == "-":
		return io.NopCloser(s.Stdin), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open input: %w", err)
	}
	return f, nil
}

// file gives what stands in one file, and tells whether to go on. sum is of all files so
// far.
func (s *Lines) file(ctx context.Context, i int, sum *uint32, yield func(Batch, error) bool) bool {
	f, err := s.open(s.Files[i])
	if err != nil {
		yield(Batch{}, err)
		return false
	}
	defer func() { _ = f.Close() }()
	l := newLineReader(countingReader{f, &s.Read}, maxLine(s.MaxValue))
	l.sum = *sum
	defer func() { *sum = l.sum }()
	if err := s.goOn(l, i); err != nil {
		yield(Batch{}, fmt.Errorf("%s: %w", s.Files[i], err))
		return false
	}
	for more := i >= s.From.File; more; {
		b := Batch{}
		more, err = s.batch(l, i, &b)
		b.Mark = Mark{File: i, Line: l.n, Sum: l.sum}
		if err != nil {
			b.Mark.Sum = l.last // the last is the one that is no good
		}
		if errors.As(err, new(*ItemError)) {
			b.Mark.Line--
		}
		if ctx.Err() != nil || (len(b.Items) > 0 || b.Mark.Line > 0) && !yield(b, nil) {
			return false
		}
		if err != nil {
			yield(Batch{}, err)
			return false
		}
	}
	return true
}

// goOn reads a file up to where the source begins, and holds that what was done is there
// yet.
func (s *Lines) goOn(l *lineReader, i int) error {
	switch {
	case i > s.From.File:
		return nil
	case i < s.From.File:
		if err := l.skip(math.MaxInt64); !errors.Is(err, errFewLines) {
			return err
		}
		return nil
	}
	err := l.skip(s.From.Line)
	switch {
	case s.From.Sum != 0 && (errors.Is(err, errFewLines) || err == nil && l.sum != s.From.Sum):
		return fmt.Errorf("the lines up to %d are not those that were written: %w", s.From.Line, ErrNotTheSame)
	case err != nil:
		return fmt.Errorf("go on behind line %d: %w", s.From.Line, err)
	}
	return nil
}

// batch reads as many lines as belong together, and tells whether there may be more.
func (s *Lines) batch(l *lineReader, i int, b *Batch) (more bool, err error) {
	for size := int64(0); len(b.Items) < batchItems && size < batchBytes; {
		line, _, err := l.next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		it := Item{File: s.name(i), Line: l.n}
		if err != nil && !errors.Is(err, errLineTooLong) {
			return false, fmt.Errorf("%s: %w", s.Files[i], err)
		}
		if err == nil {
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			file, n := it.File, it.Line
			it, err = l.json.decode(line)
			it.File, it.Line = file, n
			if err == nil {
				err = it.check(s.MaxValue)
			}
		}
		if err != nil {
			return false, &ItemError{File: it.File, Line: it.Line, Err: err}
		}
		b.Items = append(b.Items, it)
		size += it.size()
	}
	return true, nil
}

// name is how an error calls a file; "" where there is no other.
func (s *Lines) name(i int) string {
	if len(s.Files) == 1 && s.Files[i] == "-" {
		return ""
	}
	return s.Files[i]
}

// countingReader counts for whoever looks on.
type countingReader struct {
	r io.Reader
	n *atomic.Int64
}

func (c countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

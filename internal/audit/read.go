package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/godwitkv/godwit"
)

// Bounds of one read.
const (
	// MaxFound is how many entries a read returns at the most.
	MaxFound = 1000
	// maxLookedAt is how many bytes of the log a read looks at, at the most.
	maxLookedAt = 64 << 20
	readChunk   = 256 << 10
	// maxLine is how long a line is read: none of ours is nearly as long.
	maxLine = 128 << 10
	// headBytes of a file tell it from others: it is only added to.
	headBytes = 256
	// disorder is by how much entries may stand out of the order of their times.
	disorder = time.Minute
)

// Query says which entries are wanted.
type Query struct {
	Match  func(*Entry) bool // nil: all
	Since  time.Time         // none that is older; zero: any
	Limit  int               // 1 to MaxFound
	Cursor string            // from Found, to go on behind it; "": from the latest on
}

// Found is a page of entries.
type Found struct {
	Entries []Entry // the latest first
	Cursor  string  // of what is older and was not looked at; "": that was all
}

// Read returns the latest entries that match, from the file and the one before. Error:
// a file cannot be read, CodeInvalidRequest for a cursor that is none of ours.
func (l *Log) Read(ctx context.Context, q Query) (found Found, err error) {
	if l == nil {
		return found, nil
	}
	files, err := openAll(l.cfg.File)
	if err != nil {
		return found, err
	}
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	r := reading{Query: q, found: &found, left: maxLookedAt}
	if files, err = r.goOn(files); err != nil {
		return found, err
	}
	for _, f := range files {
		if more, err := r.file(ctx, f); err != nil || !more {
			return found, err
		}
	}
	return found, nil
}

// logFile is a file of the log, and up to where it is read.
type logFile struct {
	*os.File
	info fs.FileInfo
	head uint32 // of its first bytes
	end  int64
}

// openAll opens the file of a log and the one before, as far as they are there. A file
// that is replaced between the two openings takes the other name, and is opened once.
func openAll(name string) (files []*logFile, err error) {
	for _, name := range []string{name, Before(name)} {
		f, err := look(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			for _, f := range files {
				_ = f.Close()
			}
			return nil, fmt.Errorf("open audit log: %w", err)
		case slices.ContainsFunc(files, f.same):
			_ = f.Close()
		default:
			files = append(files, f)
		}
	}
	return files, nil
}

// look opens one file.
func look(name string) (f *logFile, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = file.Close()
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	head := make([]byte, min(info.Size(), headBytes))
	if _, err := file.ReadAt(head, 0); err != nil {
		return nil, err
	}
	return &logFile{file, info, crc32.ChecksumIEEE(head), info.Size()}, nil
}

func (f *logFile) same(other *logFile) bool { return os.SameFile(f.info, other.info) }

// reading is a Read under way.
type reading struct {
	Query
	found *Found
	left  int64 // bytes that it may still look at
}

// goOn returns the files as they are to be read on from the cursor.
func (r *reading) goOn(files []*logFile) ([]*logFile, error) {
	if r.Cursor == "" {
		return files, nil
	}
	var head uint32
	var end int64
	if n, err := fmt.Sscanf(r.Cursor, "%08x-%d", &head, &end); n != 2 || err != nil || end < 0 {
		return nil, godwit.Errorf(godwit.CodeInvalidRequest, "The cursor is none of this log.")
	}
	for i, f := range files {
		if f.head == head && end <= f.end {
			f.end = end
			return files[i:], nil
		}
	}
	return nil, nil // what was there has been replaced meanwhile
}

// file looks through a file from its end on, and tells whether to look at the one
// before.
func (r *reading) file(ctx context.Context, f *logFile) (more bool, err error) {
	buf := make([]byte, 0, readChunk+maxLine)
	for at := f.end; at > 0; {
		if err := ctx.Err(); err != nil {
			return false, fmt.Errorf("read audit log: %w", err)
		}
		n := min(at, readChunk)
		if len(buf) > maxLine { // no line of ours
			buf = buf[:0]
		}
		tail := len(buf)
		buf = buf[:tail+int(n)]
		copy(buf[n:], buf[:tail])
		if _, err := f.ReadAt(buf[:n], at-n); err != nil && !errors.Is(err, io.EOF) {
			return false, fmt.Errorf("read audit log: %w", err)
		}
		at, r.left = at-n, r.left-n
		rest, more := r.lines(f, at, buf)
		if !more {
			return false, nil
		}
		if r.left <= 0 && at > 0 {
			r.stopAt(f, at+int64(len(rest)))
			return false, nil
		}
		buf = append(buf[:0], rest...)
	}
	return true, nil
}

// lines takes the whole lines of a text that stands at an offset, the last first, and
// returns what is left at its beginning. No more are wanted when it says so.
func (r *reading) lines(f *logFile, at int64, text []byte) (rest []byte, more bool) {
	for len(text) > 0 {
		i := bytes.LastIndexByte(text[:len(text)-1], '\n')
		if i < 0 && at > 0 {
			return text, true
		}
		if more := r.take(text[i+1:]); !more {
			r.stopAt(f, at+int64(i+1))
			return nil, false
		}
		text = text[:i+1]
	}
	return nil, true
}

// take takes a line, and tells whether more are wanted.
func (r *reading) take(line []byte) bool {
	var e Entry
	if json.Unmarshal(line, &e) != nil {
		return true // a crash has cut it off
	}
	if !r.Since.IsZero() && e.Time.Before(r.Since) {
		return !e.Time.Before(r.Since.Add(-disorder)) // all before is older
	}
	if r.Match == nil || r.Match(&e) {
		r.found.Entries = append(r.found.Entries, e)
	}
	return len(r.found.Entries) < min(max(r.Limit, 1), MaxFound)
}

// stopAt notes where to go on, but where nothing older is wanted.
func (r *reading) stopAt(f *logFile, at int64) {
	if r.left > 0 && len(r.found.Entries) < min(max(r.Limit, 1), MaxFound) {
		return
	}
	r.found.Cursor = fmt.Sprintf("%08x-%d", f.head, at)
}

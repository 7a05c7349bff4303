package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-json-experiment/json/jsontext"
)

// Write writes what a source gives as lines, in the source's order. What has ended is
// left out.
func Write(ctx context.Context, from Source, w io.Writer, p *Progress, now func() int64) error {
	e := exporter{ctx: ctx, w: w, progress: p, now: now, large: largeWriter{w: w}}
	for b, err := range from.Batches(ctx) {
		if err != nil {
			return err
		}
		if err := e.batch(b.Items); err != nil {
			return err
		}
	}
	return nil
}

// exporter writes lines.
type exporter struct {
	ctx      context.Context //nolint:containedctx // lives as long as one call
	w        io.Writer
	progress *Progress
	now      func() int64
	large    largeWriter
	lines    []byte
}

// flushBytes is how much is written at once.
const flushBytes = 1 << 20

func (e *exporter) batch(items []Item) error {
	now := e.now()
	var keys, bytes int64
	for i := range items {
		it := &items[i]
		if it.expired(now) {
			e.progress.Expired.Add(1)
			continue
		}
		if it.Open != nil {
			if err := e.flush(); err != nil {
				return err
			}
			if err := e.open(it); err != nil {
				return err
			}
			continue
		}
		keys, bytes = keys+1, bytes+int64(len(it.Key)+len(it.Value)+len(it.Metadata))
		if e.lines = appendLine(e.lines, it); len(e.lines) >= flushBytes {
			if err := e.flush(); err != nil {
				return err
			}
		}
	}
	e.progress.Keys.Add(keys)
	e.progress.Bytes.Add(bytes)
	return e.flush()
}

// open writes an item whose value comes as a stream.
func (e *exporter) open(it *Item) error {
	v, err := it.Open(e.ctx)
	if err != nil || v == nil {
		return err
	}
	defer func() { _ = v.Close() }()
	n, err := e.large.write(it.Key, v)
	if err != nil {
		return it.fault(err)
	}
	e.progress.Keys.Add(1)
	e.progress.Bytes.Add(n)
	return nil
}

func (e *exporter) flush() error {
	if len(e.lines) == 0 {
		return nil
	}
	_, err := e.w.Write(e.lines)
	e.lines = e.lines[:0]
	if err != nil {
		return fmt.Errorf("write lines: %w", err)
	}
	return nil
}

// ErrNotEmpty is returned by OpenOutput for a file that holds something.
var ErrNotEmpty = errors.New("the file is there already")

// OpenOutput opens a file to write lines to, for its owner alone. With resume it goes
// on behind the last whole line that was written, and what follows that is cut off:
// last is that line's key, "" where there is none. Without, the file must be empty, or
// not be there. Error: ErrNotEmpty.
func OpenOutput(name string, resume bool) (f *os.File, last string, err error) {
	f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, "", fmt.Errorf("open output: %w", err)
	}
	if last, err = position(f, resume); err != nil {
		_ = f.Close()
		return nil, "", fmt.Errorf("%s: %w", name, err)
	}
	return f, last, nil
}

// CloseOutput closes a file of OpenOutput, once what was written is on the disk.
func CloseOutput(f *os.File) error {
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("close output: %w", err)
	}
	return nil
}

// position goes to where the next line belongs.
func position(f *os.File, resume bool) (last string, err error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", fmt.Errorf("look at output: %w", err)
	case !info.Mode().IsRegular() && resume:
		return "", errors.New("it is no file that could be gone on with")
	case !info.Mode().IsRegular() || info.Size() == 0:
		return "", nil
	case !resume:
		return "", ErrNotEmpty
	}
	end, err := lineEnd(f, info.Size())
	if err != nil {
		return "", err
	}
	if last, err = lastKey(f, end); err != nil {
		return "", err
	}
	if err := f.Truncate(end); err != nil {
		return "", fmt.Errorf("cut off what is behind the last whole line: %w", err)
	}
	if _, err := f.Seek(end, io.SeekStart); err != nil {
		return "", fmt.Errorf("go to the end: %w", err)
	}
	return last, nil
}

// lineEnd is the offset behind the last line end before an offset; 0 if there is none.
func lineEnd(f io.ReaderAt, before int64) (int64, error) {
	chunk := make([]byte, 64<<10)
	for before > 0 {
		n := min(before, int64(len(chunk)))
		if _, err := f.ReadAt(chunk[:n], before-n); err != nil {
			return 0, fmt.Errorf("look for the last line: %w", err)
		}
		if i := bytes.LastIndexByte(chunk[:n], '\n'); i >= 0 {
			return before - n + int64(i) + 1, nil
		}
		before -= n
	}
	return 0, nil
}

// lastKey is the key of the line that ends at an offset; "" at the beginning.
func lastKey(f io.ReaderAt, end int64) (string, error) {
	if end == 0 {
		return "", nil
	}
	start, err := lineEnd(f, end-1)
	if err != nil {
		return "", err
	}
	if end-start <= wholeLine {
		line := make([]byte, end-start)
		if _, err := f.ReadAt(line, start); err != nil {
			return "", fmt.Errorf("read the last line: %w", err)
		}
		it, err := new(lineDecoder).decode(line)
		if err != nil {
			return "", errForeign
		}
		return it.Key, nil
	}
	head := make([]byte, maxKeyText) // the key stands first
	if _, err := f.ReadAt(head, start); err != nil {
		return "", fmt.Errorf("read the last line: %w", err)
	}
	key, err := firstKey(head)
	if err != nil {
		return "", errForeign
	}
	return key, nil
}

var errForeign = errors.New("the last line is not one that an export has written")

// wholeLine is up to how long a line is read whole.
const wholeLine = 64 << 20

// maxKeyText is how long a key may be as JSON, with what stands before it.
const maxKeyText = 4 << 10

// firstKey reads the key of a line that begins with it.
func firstKey(head []byte) (string, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(head))
	var name jsontext.Token
	for range 2 { // the object, and its first field
		var err error
		if name, err = dec.ReadToken(); err != nil {
			return "", err
		}
	}
	if name.String() != "key" {
		return "", errors.New("no key")
	}
	raw, err := dec.ReadValue()
	if err != nil {
		return "", err
	}
	key, err := text("key", raw)
	if err != nil {
		return "", err
	}
	it := Item{Key: string(key)}
	return it.Key, it.check(0)
}

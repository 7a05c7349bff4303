package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Before is the name of the file that was full before the one of this name.
func Before(name string) string { return name + ".1" }

// file is one that is added to. When it is full it takes the place of the one
// before it, and a new one is begun.
type file struct {
	name     string
	maxBytes int64
	f        *os.File // nil: it could not be opened
	size     int64
	torn     bool // its last line may not be whole
}

func (f *file) open() error {
	opened, err := os.OpenFile(f.name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	info, err := opened.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = opened.Close()
		return errors.Join(err, fmt.Errorf("%s is not a regular file", f.name))
	}
	f.f, f.size = opened, info.Size()
	f.torn = f.size > 0 && !endsLine(f.name, f.size)
	return nil
}

// endsLine tells whether the last byte of a file ends a line: a crash may have cut
// off what was there last.
func endsLine(name string, size int64) bool {
	r, err := os.Open(name)
	if err != nil {
		return false
	}
	defer func() { _ = r.Close() }()
	var last [1]byte
	_, err = r.ReadAt(last[:], size-1)
	return err == nil && last[0] == '\n'
}

func (f *file) close() error {
	if f.f == nil {
		return nil
	}
	err := f.f.Close()
	f.f = nil
	return err
}

func (f *file) reopen() error {
	_ = f.close() // what was written is written
	return f.open()
}

// write adds lines.
func (f *file) write(lines []byte) error {
	if len(lines) == 0 {
		return nil
	}
	if f.f == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	if f.size > 0 && f.size+int64(len(lines)) > f.maxBytes {
		if err := f.rotate(); err != nil {
			return err
		}
	}
	if f.torn {
		lines = append([]byte{'\n'}, lines...)
	}
	n, err := f.f.Write(lines)
	f.size += int64(n)
	if f.torn = err != nil && (n > 0 || f.torn); err != nil {
		return fmt.Errorf("write to audit log: %w", err)
	}
	return nil
}

// rotate begins a new file.
func (f *file) rotate() error {
	if err := os.Rename(f.name, Before(f.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("rotate audit log: %w", err)
	}
	return f.reopen()
}

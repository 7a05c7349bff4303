package crypt

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// file is an encrypted file, whose header nobody sees. As with any vfs.File, Write
// changes the bytes that it is given: it encrypts them in place.
type file struct {
	vfs.File

	content *content      // nil: nothing was ever written behind the header
	read    int64         // where Read goes on
	writing cipher.Stream // where Write goes on; nil: the file is for reading
	failed  error         // of a write: what it has written of its bytes is not known
}

// begin writes the header of a file that was just made, or is to be used again.
func (k *key) begin(f vfs.File) (*file, error) {
	h, c := k.newHeader()
	if _, err := f.Write(h[:]); err != nil {
		return nil, fmt.Errorf("write header: %w", err)
	}
	return &file{File: f, content: c, writing: c.stream(0)}, nil
}

// openFile reads the header of a file.
//
// A file that ends with the header, or before, is one into which nothing was written,
// or nothing that a crash has left: whatever its header says, it is empty. Without
// encryption it would be too.
func (k *Keys) openFile(f vfs.File) (*file, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() <= headerSize {
		return &file{File: f}, nil
	}
	var h header
	if _, err := f.ReadAt(h[:], 0); err != nil {
		return nil, fmt.Errorf("read header: %w", err)
	}
	c, err := k.open(&h)
	if err != nil {
		return nil, err
	}
	return &file{File: f, content: c}, nil
}

// Read implements vfs.File.
func (f *file) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.read)
	f.read += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// ReadAt implements vfs.File.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at %d", off)
	}
	if f.content == nil {
		return 0, io.EOF
	}
	n, err := f.File.ReadAt(p, off+headerSize)
	f.content.decrypt(p[:n], off)
	return n, err
}

// Write implements vfs.File. After an error it is not known what stands in the file,
// so nothing more is written into it: that would use the key stream twice.
func (f *file) Write(p []byte) (int, error) {
	if f.writing == nil {
		return 0, errors.New("the file is open for reading")
	}
	if f.failed != nil {
		return 0, f.failed
	}
	f.writing.XORKeyStream(p, p)
	n, err := f.File.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	f.failed = err
	return n, err
}

// WriteAt implements vfs.File: nothing is ever written over.
func (f *file) WriteAt([]byte, int64) (int, error) { return 0, vfs.ErrUnsupported }

// Preallocate implements vfs.File.
func (f *file) Preallocate(offset, length int64) error {
	return f.File.Preallocate(offset+headerSize, length)
}

// SyncTo implements vfs.File.
func (f *file) SyncTo(length int64) (fullSync bool, err error) {
	return f.File.SyncTo(length + headerSize)
}

// Prefetch implements vfs.File.
func (f *file) Prefetch(offset, length int64) error {
	return f.File.Prefetch(offset+headerSize, length)
}

// Stat implements vfs.File.
func (f *file) Stat() (vfs.FileInfo, error) {
	info, err := f.File.Stat()
	if err != nil {
		return nil, err
	}
	return withoutHeader(info), nil
}

// fileInfo is of a file without its header.
type fileInfo struct{ vfs.FileInfo }

func withoutHeader(info vfs.FileInfo) vfs.FileInfo {
	if info.IsDir() {
		return info
	}
	return fileInfo{info}
}

// Size implements fs.FileInfo.
func (i fileInfo) Size() int64 { return max(0, i.FileInfo.Size()-headerSize) }

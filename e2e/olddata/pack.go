package olddata

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const contentFile = "content.json"

// Unpack writes an archive's directories below dir, and tells what is in them.
func Unpack(archive, dir string) (c Content, err error) {
	f, err := os.Open(archive)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		return c, fmt.Errorf("%s: %w", archive, err)
	}
	for from := tar.NewReader(unpacked); ; {
		h, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = extract(from, h, dir)
		}
		if err != nil {
			return c, fmt.Errorf("%s: %w", archive, err)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, contentFile))
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	return c, err
}

func extract(from io.Reader, h *tar.Header, dir string) error {
	path := filepath.Join(dir, filepath.FromSlash(h.Name))
	if h.Typeflag == tar.TypeDir {
		return os.MkdirAll(path, 0o700)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}

// pack makes an archive of what is below dir.
func pack(dir, archive string) (err error) {
	f, err := os.Create(archive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	packed, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	to := tar.NewWriter(packed)
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir || !e.IsDir() && !e.Type().IsRegular() {
			return err
		}
		return add(to, dir, path, e)
	})
	return errors.Join(err, to.Close(), packed.Close())
}

func add(to *tar.Writer, dir, path string, e fs.DirEntry) error {
	info, err := e.Info()
	if err != nil {
		return err
	}
	name, err := filepath.Rel(dir, path)
	if err != nil {
		return err
	}
	h := &tar.Header{Name: filepath.ToSlash(name), Mode: 0o600, Typeflag: tar.TypeReg, Size: info.Size()}
	if e.IsDir() {
		h.Mode, h.Typeflag, h.Size = 0o700, tar.TypeDir, 0
	}
	if err := to.WriteHeader(h); err != nil || e.IsDir() {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, f)
	return errors.Join(err, f.Close())
}

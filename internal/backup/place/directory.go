package place

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// directory is a place in the file system: a file for each object.
type directory struct{ path string }

// NewDirectory returns the place in a directory, which the first Put makes.
func NewDirectory(path string) Place { return &directory{path} }

func (d *directory) String() string { return d.path }

func (d *directory) file(name string) string { return filepath.Join(d.path, filepath.FromSlash(name)) }

// Put implements Place: a file is written, synced and named, and its directory is
// synced.
func (d *directory) Put(ctx context.Context, name string, b []byte) (err error) {
	if err := errors.Join(ctx.Err(), checkName(name)); err != nil {
		return err
	}
	if err := d.mkdir(filepath.Dir(d.file(name))); err != nil {
		return fmt.Errorf("make directory of %s: %w", name, err)
	}
	f, err := os.CreateTemp(filepath.Dir(d.file(name)), filepath.Base(name)+".*"+Partial)
	if err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err = os.Rename(f.Name(), d.file(name)); err != nil {
		return fmt.Errorf("name %s: %w", name, err)
	}
	return syncDirectory(filepath.Dir(d.file(name)))
}

// mkdir makes a directory with those above it, durably.
func (d *directory) mkdir(path string) error {
	if info, err := os.Stat(path); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("%s is not a directory", path)
		}
		return nil
	}
	if up := filepath.Dir(path); up != path {
		if err := d.mkdir(up); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

func syncDirectory(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}

// Get implements Place.
func (d *directory) Get(ctx context.Context, name string, most int64) ([]byte, error) {
	if err := errors.Join(ctx.Err(), checkName(name)); err != nil {
		return nil, err
	}
	f, err := os.Open(d.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", name, err)
	}
	return readUpTo(f, name, info.Size(), most)
}

// readUpTo reads an object whole. size is what it is said to have, 0 if nothing is.
func readUpTo(r io.Reader, name string, size, most int64) ([]byte, error) {
	if size > most {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", name, ErrTooLarge, most)
	}
	b := bytes.NewBuffer(make([]byte, 0, max(size, 0)+bytes.MinRead)) // it is read until there is no more
	n, err := b.ReadFrom(io.LimitReader(r, most+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if n > most {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", name, ErrTooLarge, most)
	}
	return b.Bytes(), nil
}

// List implements Place. Links below are not followed, but the place, and the directory of
// a prefix, may be one.
func (d *directory) List(ctx context.Context, prefix string, fn func(Object) error) error {
	root, err := filepath.EvalSymlinks(d.file(prefix))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list %s: %w", d, err)
	}
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if errors.Is(err, fs.ErrNotExist) { // removed meanwhile
			return nil
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		below, err := filepath.Rel(root, path)
		name := prefix + filepath.ToSlash(below)
		if err != nil || !valid(name) {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return fn(Object{name, info.Size(), info.ModTime()})
	})
	if err != nil {
		return fmt.Errorf("list %s: %w", strings.TrimSuffix(prefix, "/"), err)
	}
	return nil
}

// Delete implements Place.
func (d *directory) Delete(ctx context.Context, name string) error {
	if err := errors.Join(ctx.Err(), checkName(name)); err != nil {
		return err
	}
	if err := os.Remove(d.file(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

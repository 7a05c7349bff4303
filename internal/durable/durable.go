// Package durable puts small files in place, whole or not at all, so that they outlive a
// power cut.
//
// It knows nothing of what is in them, and imports nothing of the module.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile puts a file for its owner alone in place of the one that path names, if any.
//
//	remove .NAME.new, create .NAME.new 0600, write, fsync, close, rename, fsync directory
//
// The half-written file has a name that others can guess. Where they may write to the
// directory it could be a link of theirs to another file, or one that they have open: so
// it is made anew, and an error where it is there again.
func WriteFile(path string, content []byte) error {
	temp := HalfWritten(path)
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove half-written file: %w", err)
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write file: %w", err), os.Remove(temp))
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(fmt.Errorf("name file: %w", err), os.Remove(temp))
	}
	return SyncDir(filepath.Dir(path))
}

// HalfWritten is the name of what WriteFile leaves where it did not get to its end.
func HalfWritten(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
}

// SyncDir makes durable what was created, renamed and removed in a directory.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}

package store

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// newName is what a file is called until it is whole.
func newName(name string) string { return name + ".new" }

// writeNamed writes a small file, whole or not at all.
func writeNamed(fsys FS, dir, name, text string) error {
	path := filepath.Join(dir, name)
	if err := writeFile(fsys, newName(path), text); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := fsys.Rename(newName(path), path); err != nil {
		return fmt.Errorf("name %s: %w", name, err)
	}
	return syncDir(fsys, dir)
}

func writeFile(fsys FS, name, text string) error {
	f, err := fsys.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(f, text); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// readSmall returns a file's content. Errors: fs.ErrNotExist, ErrCorrupt if it is longer
// than most bytes.
func readSmall(fsys FS, name string, most int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s has more than %d bytes: %w", name, most, ErrCorrupt)
	}
	return text, err
}

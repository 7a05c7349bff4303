package worker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"
)

// maxSiteDirs bounds the directories of a site: links may lead to the same one in very many
// ways.
const maxSiteDirs = 20_000

// siteFiles goes through the files of a site, also where links lead.
type siteFiles struct {
	has      func(rel string) bool
	withheld []string
	take     func(file, rel string) error // gets each file, by its path and that in the bucket

	looked []string      // what may change
	dirs   int           // how many were read
	above  []os.FileInfo // the directories that lead to the one that is read
}

// walk reads a directory, whose path in the bucket is rel.
func (w *siteFiles) walk(dir, rel string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(w.above, func(up os.FileInfo) bool { return os.SameFile(up, info) }) {
		return nil // a link leads back up
	}
	if w.dirs++; w.dirs > maxSiteDirs {
		return fmt.Errorf("more than %d directories", maxSiteDirs)
	}
	w.looked = append(w.looked, dir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	w.above = append(w.above, info)
	for _, e := range entries {
		if err := w.look(filepath.Join(dir, e.Name()), path.Join(rel, e.Name())); err != nil {
			return err
		}
	}
	w.above = w.above[:len(w.above)-1]
	return nil
}

// look passes over what is neither a file nor a directory: whoever opened a pipe would wait
// until somebody writes.
func (w *siteFiles) look(file, rel string) error {
	if hidden(path.Base(rel)) || slices.Contains(w.withheld, rel) {
		return nil
	}
	info, err := os.Stat(file)
	nowhere := errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP) // a link, so far
	switch {
	case err == nil && info.IsDir():
		return w.walk(file, rel)
	case !w.has(rel):
		return nil
	case err != nil && !nowhere:
		return err
	}
	w.looked = append(w.looked, file)
	if nowhere || !info.Mode().IsRegular() {
		return nil
	}
	return w.take(file, rel)
}

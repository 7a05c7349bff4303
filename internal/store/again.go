package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// A follower whose database is damaged is marked by a file, and its next opening begins
// anew: with nothing but the notes that the mark holds. What it followed has all else.
const againName = "RECOPY"

// ErrRecopy tells that a follower is to become a new copy, and was opened as something
// else.
var ErrRecopy = errors.New("the database of this directory is damaged, and marked to be copied again: start it as the edge or member that it was")

// CopyAgain has the next opening of a follower begin with an empty store, but for some
// notes. Until then the store goes on as it is.
func (s *Store) CopyAgain(notes ...string) error {
	if !s.cfg.Follower {
		return errors.New("nobody has a copy of a store that owns its log")
	}
	keep := make(map[string][]byte)
	for _, name := range notes {
		text, err := s.Note(name)
		if err != nil {
			return fmt.Errorf("read what a new copy keeps: %w", err)
		}
		keep[name] = text
	}
	text, err := json.Marshal(keep)
	if err != nil {
		return fmt.Errorf("mark directory: %w", err)
	}
	return writeNamed(s.cfg.FS, s.cfg.Dir, againName, string(text))
}

// clearMarked removes all that a store keeps from a directory that is marked to be
// copied again, and returns the notes to keep, nil if it is not marked. Cut off by a
// crash, it is done again.
func (s *Store) clearMarked() (keep map[string][]byte, err error) {
	text, err := readSmall(s.cfg.FS, filepath.Join(s.cfg.Dir, againName), 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the mark of a copy to be made again: %w", err)
	}
	if !s.cfg.Follower || s.cfg.promoting { // who promotes has nobody to copy from
		return nil, fmt.Errorf("%s: %w", s.cfg.Dir, ErrRecopy)
	}
	if err := json.Unmarshal(text, &keep); err != nil {
		return nil, fmt.Errorf("read the mark of a copy to be made again: %w (%w)", ErrCorrupt, err)
	}
	s.cfg.Logger.Warn("the database was found damaged: this node becomes a new copy")
	return keep, s.clearDirectory()
}

// clearDirectory removes the database and all files of values. The file of the format
// goes first: without it an empty database is no lost one.
func (s *Store) clearDirectory() error {
	for _, name := range []string{versionName, sealName} {
		err := s.cfg.FS.Remove(filepath.Join(s.cfg.Dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %s: %w", name, err)
		}
	}
	if err := syncDir(s.cfg.FS, s.cfg.Dir); err != nil {
		return err
	}
	return errors.Join(s.clearFiles("db"), s.clearFiles("blobs"))
}

func (s *Store) clearFiles(name string) error {
	dir := filepath.Join(s.cfg.Dir, name)
	files, err := s.cfg.FS.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list %s: %w", name, err)
	}
	for _, f := range files {
		if strings.HasSuffix(f, "LOCK") { // which this process holds
			continue
		}
		if err := s.cfg.FS.RemoveAll(filepath.Join(dir, f)); err != nil {
			return fmt.Errorf("remove what is damaged: %w", err)
		}
	}
	return syncDir(s.cfg.FS, dir)
}

// endClearing keeps the notes in a store that begins anew, and takes the mark away.
func (s *Store) endClearing(keep map[string][]byte) error {
	if keep == nil {
		return nil
	}
	tx := s.Begin()
	for name, text := range keep {
		tx.SetNote(name, text)
	}
	c, err := tx.Commit(Sync)
	if err == nil {
		err = c.Wait()
	}
	if err != nil {
		return fmt.Errorf("keep what a new copy keeps: %w", err)
	}
	if err := s.cfg.FS.Remove(filepath.Join(s.cfg.Dir, againName)); err != nil {
		return fmt.Errorf("remove the mark of a copy to be made again: %w", err)
	}
	return syncDir(s.cfg.FS, s.cfg.Dir)
}

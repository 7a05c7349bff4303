package store

import (
	"errors"
	"io/fs"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// stagedFS is the database's file system while it is being opened. What Pebble
// removes on the way (a log that it has replayed, a list of files that it has
// written anew) stays until keep, and what it makes is gone after undo, so that
// an opening that meets damage leaves the directory as it was.
type stagedFS struct {
	FS

	mu      sync.Mutex
	kept    bool
	made    map[string]bool
	removed []string // in order: a crash must not leave a pointer to what is gone
}

func newStagedFS(fs FS) *stagedFS { return &stagedFS{FS: fs, made: make(map[string]bool)} }

// Unwrap implements vfs.FS.
func (s *stagedFS) Unwrap() vfs.FS { return s.FS }

// note keeps that a file was made, if opening is not over.
func (s *stagedFS) note(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removed = slices.DeleteFunc(s.removed, func(r string) bool { return r == name })
	if s.kept || s.made[name] {
		return
	}
	if _, err := s.FS.Stat(name); err != nil {
		s.made[name] = true
	}
}

// Create implements vfs.FS.
func (s *stagedFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	s.note(name)
	return s.FS.Create(name, category)
}

// Link implements vfs.FS.
func (s *stagedFS) Link(from, to string) error {
	s.note(to)
	return s.FS.Link(from, to)
}

// Rename implements vfs.FS.
func (s *stagedFS) Rename(from, to string) error {
	s.note(to)
	return s.FS.Rename(from, to)
}

// ReuseForWrite implements vfs.FS.
func (s *stagedFS) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	s.note(to)
	return s.FS.ReuseForWrite(from, to, category)
}

// Remove implements vfs.FS.
func (s *stagedFS) Remove(name string) error {
	s.mu.Lock()
	if !s.kept && !s.made[name] {
		if !slices.Contains(s.removed, name) {
			s.removed = append(s.removed, name)
		}
		s.mu.Unlock()
		return nil
	}
	delete(s.made, name)
	s.mu.Unlock()
	return s.FS.Remove(name)
}

// keep ends the opening: what was removed goes.
func (s *stagedFS) keep() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = true
	var err error
	for _, name := range s.removed {
		if rmErr := s.FS.Remove(name); !errors.Is(rmErr, fs.ErrNotExist) {
			err = errors.Join(err, rmErr)
		}
	}
	s.made, s.removed = nil, nil
	return err
}

// undo takes away what a failed opening has made. It may be called after keep,
// and then does nothing.
func (s *stagedFS) undo() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	for name := range s.made {
		if _, statErr := s.FS.Stat(name); statErr == nil {
			err = errors.Join(err, s.FS.Remove(name))
		}
	}
	return err
}

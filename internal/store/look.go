package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/godwitkv/godwit/internal/blob"
)

// Look shows a closed store to fn, which reads it and does not keep it. Nothing is
// changed. Errors: those of Open that are about the directory, fn's.
func Look(ctx context.Context, cfg Config, fn func(context.Context, *Store) error) (err error) {
	s, err := openReadOnly(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.release()) }()
	if err := s.load(); err != nil {
		return fmt.Errorf("%s: %w", s.cfg.Dir, corrupt(err))
	}
	if s.blobs, err = blob.Open(readOnlyFS{blobFS{s.cfg.FS}}, s.blobDir()); err != nil {
		return err
	}
	return fn(ctx, s)
}

// openReadOnly opens the database of a closed store, and loads nothing. The caller
// releases it.
func openReadOnly(cfg Config) (*Store, error) {
	cfg.setDefaults()
	if err := cfg.mount(); err != nil {
		return nil, err
	}
	if err := checkVersion(cfg.FS, cfg.Dir); err != nil && (!cfg.Filling || !errors.Is(err, ErrUnfinished)) {
		return nil, err
	}
	dir := filepath.Join(cfg.Dir, "db")
	if _, err := cfg.FS.Stat(dir); err != nil {
		return nil, fmt.Errorf("%s is not a data directory: %w", cfg.Dir, err)
	}
	s := &Store{cfg: cfg, hot: newHotTable(0, 0), space: newSpace(cfg)}
	if err := s.openReadOnly(dir); err != nil {
		return nil, errors.Join(err, s.release())
	}
	return s, nil
}

func (s *Store) openReadOnly(dir string) (err error) {
	if s.lock, err = lockDirectory(s.cfg.FS, s.cfg.Dir); err != nil {
		return err
	}
	if err := checkSeal(s.cfg.FS, s.cfg.Dir); err != nil {
		return fmt.Errorf("%s: %w", s.cfg.Dir, err)
	}
	opts := s.pebbleOptions()
	opts.Lock, opts.ReadOnly = s.lock, true
	opts.CacheSize -= reservedMemtables * s.space.memtable() // there are none
	if s.db, err = openPebble(dir, opts); err != nil {
		return fmt.Errorf("%s: %w", s.cfg.Dir, err)
	}
	return nil
}

// readOnlyFS lets a blob store be opened and change nothing.
type readOnlyFS struct{ blobFS }

func (readOnlyFS) MkdirAll(string) error { return nil }
func (readOnlyFS) Remove(string) error   { return nil }

// List implements blob.FS: no directory is an empty one.
func (r readOnlyFS) List(dir string) ([]string, error) {
	if !r.Exists(dir) {
		return nil, nil
	}
	return r.blobFS.List(dir)
}

package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"
)

// databaseFiles are the paths of the tables and logs that the database has, also of those
// that it has no more use for.
func (s *Store) databaseFiles(dir string) (paths []string, err error) {
	names, err := s.cfg.FS.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list files of the database: %w", err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".log") {
			paths = append(paths, filepath.Join(dir, name))
		}
	}
	return paths, nil
}

// noteLeftovers keeps which of the files that were there before the database was opened it
// has no more use for: those of the log, which it has read, and what a crash kept it from
// unlinking. It does that in its own time.
func (s *Store) noteLeftovers(before []string) error {
	used := make(map[string]bool)
	if err := s.tables(func(t Table) { used[s.tablePath(t.Number)] = true }); err != nil {
		return err
	}
	for _, path := range before {
		if !used[path] {
			s.erasures.leftovers = append(s.erasures.leftovers, path)
		}
	}
	return nil
}

// awaitLeftovers waits until they are gone. It is for the pass that has its turn.
func (s *Store) awaitLeftovers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, unlinkWait)
	defer cancel()
	e := &s.erasures
	for len(e.leftovers) > 0 {
		if err := s.awaitGone(ctx, e.leftovers[0]); err != nil {
			return err
		}
		e.leftovers = e.leftovers[1:]
	}
	return nil
}

// awaitGone waits until a file is unlinked. Who still reads it holds it up.
func (s *Store) awaitGone(ctx context.Context, path string) error {
	tick := time.NewTicker(unlinkEvery)
	defer tick.Stop()
	for {
		if _, err := s.cfg.FS.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("file %s is still being read: %w", filepath.Base(path), ctx.Err())
		}
	}
}

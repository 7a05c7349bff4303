package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// Restore makes dir, which is absent or empty, a data directory that a centre can be
// started on: a copy of a backup, or of any whole data directory that no node runs
// on, of a generation of its own. The backup is checked in every index and every
// value before, and stays as it is. If that or the copy fails, dir is as it was. Until
// all is done dir is refused by who would run on it, also after a crash. With keys, dir
// is encrypted with the first of them, whether the backup is or not. copied is told how
// many bytes were written.
func Restore(ctx context.Context, from, dir string, keys *store.Keys, copied func(bytes int64)) (*Result, error) {
	if err := mustBeEmpty(dir); err != nil {
		return nil, err
	}
	was, err := Check(ctx, from, keys)
	if err != nil {
		return nil, err
	}
	if err := mustBeEmpty(dir); err != nil { // still: the check may have taken its time
		return nil, err
	}
	undo, err := willFill(dir)
	if err != nil {
		return nil, err
	}
	if err := store.Copy(ctx, storeIn(from, keys), dir, copied); err != nil {
		return nil, errors.Join(roomless(dir, err), undo())
	}
	return promote(ctx, storeIn(dir, keys), was)
}

// willFill returns what takes back all that is made in a directory from now on.
func willFill(dir string) (undo func() error, err error) {
	_, err = os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return func() error { return os.RemoveAll(dir) }, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", dir, err)
	}
	return func() error {
		names, err := os.ReadDir(dir)
		for _, name := range names {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, name.Name())))
		}
		return err
	}, nil
}

// roomless says of an error for want of room what to do: the store's own says what
// becomes of a node's puts.
func roomless(dir string, err error) error {
	if errors.Is(err, godwit.ErrDiskFull) || errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%s: the disk is full: make room, and run it again", dir)
	}
	return err
}

// mustBeEmpty makes sure that a directory can be filled.
func mustBeEmpty(dir string) error {
	empty, err := store.Empty(store.Disk(), dir)
	if err != nil {
		return fmt.Errorf("look at %s: %w", dir, err)
	}
	if !empty {
		return fmt.Errorf("%s is not empty: name a directory that is, or is not there yet", dir)
	}
	return nil
}

// Promote makes a closed store a centre's: any that is whole, a centre's own too. Its
// generation is then above all that it knows of.
func Promote(ctx context.Context, dir string, keys *store.Keys) (*Result, error) {
	cfg := storeIn(dir, keys)
	was, err := look(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return promote(ctx, cfg, was)
}

func promote(ctx context.Context, cfg store.Config, was *Result) (*Result, error) {
	g, err := store.Promote(ctx, cfg, was.Revision)
	if err != nil {
		return nil, err
	}
	now := *was
	now.Dir, now.Generation = cfg.Dir, g
	return &now, nil
}

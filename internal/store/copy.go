package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Copy copies the files of a closed store, synced, into the directory to, which is
// absent or empty. With Config.Keys the copy is encrypted with them, whatever the store
// is. Until Promote has finished it, the copy is refused by all others
// as ErrUnfinished, also where a crash cut Copy off. copied is told now and then
// how many bytes were written. Errors: ErrInUse, to is not empty, the disk's.
func Copy(ctx context.Context, cfg Config, to string, copied func(bytes int64)) error {
	cfg.setDefaults()
	out := cfg
	out.Dir = to
	if err := errors.Join(cfg.mountIfEncrypted(), out.mount()); err != nil {
		return err
	}
	if err := checkVersion(cfg.FS, cfg.Dir); err != nil {
		return err
	}
	lock, err := lockDirectory(cfg.FS, cfg.Dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	empty, err := Empty(cfg.FS, to)
	if err == nil && !empty {
		err = fs.ErrExist
	}
	if err != nil {
		return fmt.Errorf("copy into %s: %w", to, err)
	}
	c := &copier{ctx: ctx, in: blobFS{cfg.FS}, out: blobFS{out.FS}, from: cfg.Dir, to: to, copied: copied}
	if err := c.run(); err != nil {
		return fmt.Errorf("copy %s to %s: %w", cfg.Dir, to, err)
	}
	return nil
}

type copier struct {
	ctx      context.Context //nolint:containedctx // lives as long as one call
	in, out  blobFS
	from, to string
	copied   func(int64)
}

func (c *copier) run() error {
	if err := c.out.MkdirAll(c.to); err != nil {
		return err
	}
	if err := replaceVersion(c.out.fs, c.to, unfinishedText); err != nil {
		return err
	}
	for _, dir := range []string{"db", "blobs"} {
		if err := c.directory(dir); err != nil {
			return err
		}
	}
	if err := c.file(sealName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return c.out.SyncDir(c.to)
}

func (c *copier) directory(dir string) error {
	if !c.in.Exists(filepath.Join(c.from, dir)) {
		return nil
	}
	names, err := c.in.List(filepath.Join(c.from, dir))
	if err != nil {
		return err
	}
	if err := c.out.MkdirAll(filepath.Join(c.to, dir)); err != nil {
		return err
	}
	for _, name := range names {
		if name == "LOCK" || strings.HasSuffix(name, ".partial") {
			continue
		}
		if err := c.file(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return c.out.SyncDir(filepath.Join(c.to, dir))
}

// file copies one file: a link would let the copy change what it was made of.
func (c *copier) file(name string) (err error) {
	in, err := c.in.Open(filepath.Join(c.from, name))
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := c.out.fs.Create(filepath.Join(c.to, name), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if err = c.bytes(out, in); err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// copyChunk is how many bytes are written between two looks at the context.
const copyChunk = 4 << 20

func (c *copier) bytes(w io.Writer, r io.Reader) error {
	for {
		n, err := io.CopyN(w, r, copyChunk)
		if c.copied != nil {
			c.copied(n)
		}
		if ended := c.ctx.Err(); ended != nil {
			return ended
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

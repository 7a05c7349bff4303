package crypt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// halfName is the file that is on its way to another key. It is in none of the
// directories: who lists one takes each file in it for its own.
const halfName = MarkerName + ".rekey"

// Rekey encrypts every file that is plain, or encrypted with another key than the
// active one, with the active one, a file at a time: each is there as it was or as it
// is to be, and a call after a crash goes on. Nobody may be using the directory. Until
// a plain directory is done, Mount refuses it. rewritten is told of each file, if it
// is not nil. Errors: ErrKey, ErrDamaged, the context's, the disk's.
func (p Place) Rekey(ctx context.Context, keys *Keys, rewritten func(bytes int64)) error {
	said, err := p.readNote()
	if err != nil {
		return err
	}
	if said == nil {
		said = &note{unfinished: true}
	}
	if !said.unfinished {
		if said, err = p.needed(said, keys); err != nil {
			return err
		}
	}
	if err := p.RemoveHalf(); err != nil {
		return err
	}
	r := &rekeying{place: p, keys: keys, ctx: ctx, rewritten: rewritten, plain: said.unfinished}
	if err := r.check(); err != nil {
		return err
	}
	if err := p.writeNote(said.with(keys.active())); err != nil {
		return err
	}
	if err := r.run(); err != nil {
		return err
	}
	return p.writeNote(new(note).with(keys.active()))
}

// RemoveHalf removes what a crash has left of a file on its way to another key.
func (p Place) RemoveHalf() error {
	if err := p.FS.Remove(p.join(halfName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove half-written file: %w", err)
	}
	return nil
}

type rekeying struct {
	place     Place
	keys      *Keys
	ctx       context.Context //nolint:containedctx // lives as long as one call
	rewritten func(int64)
	plain     bool // files may be plain
}

// check makes sure that every file can be read, before the first is changed.
func (r *rekeying) check() error {
	return r.place.walk(func(f found) error {
		switch {
		case f.encrypted && r.keys.find(f.id) == nil:
			return fmt.Errorf("%s is encrypted with key %s: %w, which has %s", r.place.join(f.name), f.id, ErrKey, r.keys)
		case !f.encrypted && !r.plain && f.size > headerSize:
			return fmt.Errorf("%s has no header of an encrypted file: %w", r.place.join(f.name), ErrDamaged)
		}
		return nil
	})
}

func (r *rekeying) run() error {
	names, err := r.place.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		if err := r.file(name); err != nil {
			return fmt.Errorf("encrypt %s: %w", r.place.join(name), err)
		}
	}
	for _, dir := range append([]string{""}, r.place.Dirs...) {
		if err := syncDir(r.place.FS, r.place.join(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// file rewrites one file, if it needs to be.
func (r *rekeying) file(name string) error {
	f, err := r.place.look(name)
	if err != nil || f.encrypted && f.id == r.keys.Active() {
		return err
	}
	path := r.place.join(name)
	in, err := r.open(path, f.encrypted || !r.plain)
	if err != nil {
		return err
	}
	defer in.Close()
	half := r.place.join(halfName)
	if err := r.write(half, in); err != nil {
		return errors.Join(err, r.place.RemoveHalf())
	}
	if err := r.place.FS.Rename(half, path); err != nil {
		return err
	}
	if r.rewritten != nil {
		r.rewritten(f.size)
	}
	return syncDir(r.place.FS, filepath.Dir(path))
}

func (r *rekeying) open(path string, encrypted bool) (vfs.File, error) {
	f, err := r.place.FS.Open(path, vfs.SequentialReadsOption)
	if err != nil || !encrypted {
		return f, err
	}
	opened, err := r.keys.openFile(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return opened, nil
}

func (r *rekeying) write(path string, from io.Reader) error {
	inner, err := r.place.FS.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	out, err := r.keys.active().begin(inner)
	if err != nil {
		return errors.Join(err, inner.Close())
	}
	if _, err = io.Copy(out, from); err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

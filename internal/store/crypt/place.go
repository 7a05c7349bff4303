package crypt

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ErrEncrypted tells that a directory is encrypted, and no key was given.
var ErrEncrypted = errors.New("the directory is encrypted, and no key was given")

// ErrPlain tells that a directory is not encrypted, and a key was given.
var ErrPlain = errors.New("the directory is not encrypted, and a key was given")

// ErrUnfinished tells that a directory is being encrypted, or was until a crash.
var ErrUnfinished = errors.New("the encryption of this directory did not come to its end")

// Place is a data directory: where it is, and what of it may be encrypted. All else in
// it is somebody else's.
type Place struct {
	FS    vfs.FS // that it is on, below all encryption
	Root  string
	Files []string // by name; one with ".new" behind it is the same on its way
	Dirs  []string // all files in them but LOCK
}

func (p Place) join(name string) string { return filepath.Join(p.Root, name) }

// Mount returns the file system through which the directory is to be used: with keys
// one that encrypts, without the one below. It changes nothing; the marker is made, or
// names a new key, when the first file is. Errors: ErrEncrypted, ErrPlain, ErrKey,
// ErrUnfinished, ErrDamaged, the disk's.
func (p Place) Mount(keys *Keys) (vfs.FS, error) {
	said, err := p.readNote()
	switch {
	case err != nil:
		return nil, err
	case said != nil && keys == nil:
		return nil, fmt.Errorf("%s: %w (%s)", p.Root, ErrEncrypted, said.named())
	case said != nil && said.unfinished:
		return nil, fmt.Errorf("%s: %w", p.Root, ErrUnfinished)
	case keys == nil:
		return p.FS, p.checkPlain()
	case said == nil:
		return p.mountNew(keys)
	}
	needed, err := p.needed(said, keys)
	if err != nil {
		return nil, err
	}
	mounted := &FS{FS: p.FS, place: p, keys: keys}
	if want := needed.with(keys.active()); !want.equal(said) {
		mounted.note = want
	}
	return mounted, nil
}

// mountNew makes sure that there is nothing yet. Error: ErrPlain.
func (p Place) mountNew(keys *Keys) (vfs.FS, error) {
	err := p.walk(func(f found) error {
		if strings.HasSuffix(f.name, newSuffix) {
			return nil
		}
		if f.encrypted {
			return p.markerLost(f)
		}
		return fmt.Errorf("%s: %w (%s is plain)", p.Root, ErrPlain, f.name)
	})
	if err != nil {
		return nil, err
	}
	return &FS{FS: p.FS, place: p, keys: keys, note: new(note).with(keys.active())}, nil
}

// checkPlain makes sure that a directory without a marker is not encrypted.
func (p Place) checkPlain() error {
	top := p
	top.Dirs = nil
	return top.walk(func(f found) error {
		if f.encrypted {
			return p.markerLost(f)
		}
		return nil
	})
}

func (p Place) markerLost(f found) error {
	return fmt.Errorf("%s: %s is missing, and %s is encrypted: %w", p.Root, MarkerName, f.name, ErrUnfinished)
}

// needed makes sure that all keys in use are there, and returns those that are. That
// the marker names a key, after the last file under it is gone, is no use of it.
// Errors: ErrKey, ErrDamaged.
func (p Place) needed(said *note, keys *Keys) (*note, error) {
	for _, k := range said.keys {
		if have := keys.find(k.id); have != nil && have.check != k.check {
			return nil, fmt.Errorf("%s: %s does not fit key %s: %w", p.Root, MarkerName, k.id, ErrDamaged)
		}
	}
	if !slices.ContainsFunc(said.keys, func(k noteKey) bool { return keys.find(k.id) == nil }) {
		return said, nil
	}
	uses, err := p.Uses()
	if err != nil {
		return nil, err
	}
	still := new(note)
	for _, k := range said.keys {
		used := slices.ContainsFunc(uses, func(u Use) bool { return u.Key == k.id })
		if used && keys.find(k.id) == nil {
			return nil, fmt.Errorf("%s: files are encrypted with key %s: %w, which has %s", p.Root, k.id, ErrKey, keys)
		}
		if used {
			still.keys = append(still.keys, k)
		}
	}
	return still, nil
}

func (n *note) named() string {
	ids := make([]KeyID, len(n.keys))
	for i, k := range n.keys {
		ids[i] = k.id
	}
	return "key " + joinIDs(ids)
}

// Encrypted tells whether the directory is encrypted, or is becoming so, or has lost its
// marker.
func (p Place) Encrypted() (bool, error) {
	said, err := p.readNote()
	if said != nil || err != nil {
		return said != nil, err
	}
	err = p.checkPlain()
	if errors.Is(err, ErrUnfinished) {
		return true, nil
	}
	return false, err
}

// Use is how much is encrypted with a key.
type Use struct {
	Key   KeyID
	Plain bool // with none
	Files int
	Bytes int64
}

// Uses tells which keys are in use, the most used first. A node may be running on the
// directory.
func (p Place) Uses() ([]Use, error) {
	by := make(map[KeyID]Use)
	err := p.walk(func(f found) error {
		id := KeyID{}
		if f.encrypted {
			id = f.id
		}
		u := by[id]
		u.Key, u.Plain = id, !f.encrypted
		u.Files++
		u.Bytes += f.size
		by[id] = u
		return nil
	})
	return slices.SortedFunc(maps.Values(by), func(a, b Use) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), strings.Compare(a.Key.String(), b.Key.String()))
	}), err
}

// found is a file with something in it.
type found struct {
	name      string // from Root on
	size      int64
	encrypted bool // it has a header, which may be of any key
	id        KeyID
}

// walk shows all files of the directory that hold something to fn, without changing
// anything.
func (p Place) walk(fn func(found) error) error {
	names, err := p.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := p.look(name)
		if errors.Is(err, fs.ErrNotExist) { // a node removes what it no longer needs
			continue
		}
		if err != nil {
			return fmt.Errorf("look at %s: %w", p.join(name), err)
		}
		if f.size == 0 || f.encrypted && f.size <= headerSize {
			continue
		}
		if err := fn(f); err != nil {
			return err
		}
	}
	return nil
}

// names are those of all files that may be encrypted, from Root on, that are there.
func (p Place) names() (names []string, err error) {
	for _, name := range p.Files {
		for _, name := range []string{name, name + newSuffix} {
			if _, err := p.FS.Stat(p.join(name)); err == nil {
				names = append(names, name)
			} else if !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("look at %s: %w", p.join(name), err)
			}
		}
	}
	for _, dir := range p.Dirs {
		listed, err := p.FS.List(p.join(dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("list %s: %w", p.join(dir), err)
		}
		slices.Sort(listed)
		for _, name := range listed {
			if name != "LOCK" {
				names = append(names, filepath.Join(dir, name))
			}
		}
	}
	return names, nil
}

func (p Place) look(name string) (found, error) {
	f, err := p.FS.Open(p.join(name))
	if err != nil {
		return found{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.IsDir() {
		return found{}, err
	}
	at := found{name: name, size: info.Size()}
	if at.size < headerSize {
		return at, nil
	}
	var h header
	if _, err := f.ReadAt(h[:], 0); err != nil {
		return found{}, err
	}
	at.id, at.encrypted = h.keyID()
	return at, nil
}

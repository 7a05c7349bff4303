package backup_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/godwitkv/godwit/internal/backup"
	"github.com/godwitkv/godwit/internal/backup/place"
)

// damages are what may happen to a file.
var damages = map[string]func(t *testing.T, name string){
	"missing": func(t *testing.T, name string) { check(t, os.Remove(name)) },
	"truncated": func(t *testing.T, name string) {
		b, err := os.ReadFile(name)
		check(t, err)
		check(t, os.WriteFile(name, b[:len(b)-1], 0o600))
	},
	"longer": func(t *testing.T, name string) {
		b, err := os.ReadFile(name)
		check(t, err)
		check(t, os.WriteFile(name, append(b, 0), 0o600))
	},
	"a bit": func(t *testing.T, name string) {
		b, err := os.ReadFile(name)
		check(t, err)
		b[len(b)/2] ^= 4
		check(t, os.WriteFile(name, b, 0o600))
	},
	"empty": func(t *testing.T, name string) { check(t, os.WriteFile(name, nil, 0o600)) },
	"another": func(t *testing.T, name string) { // of as many bytes
		info, err := os.Stat(name)
		check(t, err)
		check(t, os.WriteFile(name, []byte(noise(3, int(info.Size()))), 0o600))
	},
}

// TestDamage: whatever is wrong with whichever object of a backup, it is named, nothing
// is made of the backup, and what was in the directory stays.
func TestDamage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "data"))
	kv := w.namespace("birds")
	w.fill(kv, "large", 1, 3<<20)
	w.fill(kv, "medium", 2, 100_000)
	w.fill(kv, "k", 20, 1000)
	reader := identity(t)
	for name, readers := range map[string][]*age.X25519Identity{"plain": nil, "encrypted": {reader}} {
		d := newDepot(t, place.NewDirectory(filepath.Join(t.TempDir(), "depot")))
		d.readers = readers
		d.save(w)
		w.put(kv, "k0001", "changed in "+name)
		s := d.save(w)
		b, err := d.repository(reader).Load(t.Context(), s.ID)
		check(t, err)
		objects := map[string]string{"the manifest": filepath.Join("backups", s.ID)}
		for kind, name := range map[string]string{
			"the base": b.Base[0].Name.String(), "a change": b.Increments[0].Name.String(), "a value": b.Values[0].Name.String(),
		} {
			objects[kind] = filepath.Join("chunks", name[:2], name)
		}
		for kind, object := range objects {
			for damage, do := range damages {
				t.Run(strings.Join([]string{name, kind, damage}, "/"), func(t *testing.T) { damaged(t, d, s.ID, object, do, reader) })
			}
		}
		d.exact(w, s, reader) // all was put back
	}
}

// damaged does something to an object and wants it to be found.
func damaged(t *testing.T, d *depot, id, object string, do func(*testing.T, string), reader age.Identity) {
	file := filepath.Join(d.place.String(), object)
	was, err := os.ReadFile(file)
	check(t, err)
	defer func() { check(t, os.WriteFile(file, was, 0o600)) }()
	do(t, file)
	missing := false
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		missing = true
	}
	fresh, empty := filepath.Join(t.TempDir(), "fresh"), t.TempDir()
	for what, err := range map[string]error{
		"restore":              second(backup.Load(t.Context(), d.repository(reader), id, fresh, nil)),
		"restore into what is": second(backup.Load(t.Context(), d.repository(reader), id, empty, nil)),
		"verify":               d.repository(reader).Verify(t.Context(), []string{id}),
	} {
		if err == nil || !strings.Contains(err.Error(), filepath.Base(object)) || !missing && !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := os.Stat(fresh); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was made: %v", err)
	}
	if names, err := os.ReadDir(empty); err != nil || len(names) > 0 {
		t.Errorf("something was left: %v, %v", names, err)
	}
}

// TestSaveHeals: what is missing, or was cut, of the last backup is there again with the
// next.
func TestSaveHeals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "data"))
	kv := w.namespace("birds")
	w.fill(kv, "large", 2, 3<<20)
	for damage, do := range damages {
		if damage == "a bit" || damage == "another" { // which only verify finds
			continue
		}
		for _, what := range []string{"backups/*", "chunks/*/*"} {
			d := newDepot(t, place.NewDirectory(filepath.Join(t.TempDir(), "depot")))
			d.save(w)
			names, err := filepath.Glob(filepath.Join(d.place.String(), what))
			check(t, err)
			do(t, names[0])
			w.put(kv, "k", fmt.Sprint(damage, what))
			d.exact(w, d.save(w))
		}
	}
}

// TestLoadRefuses a directory that is not empty, and one on which a restore was cut off.
func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "data"))
	w.put(w.namespace("birds"), "a", "1")
	d := newDepot(t, place.NewDirectory(filepath.Join(t.TempDir(), "depot")))
	s := d.save(w)
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "letter"), []byte("dear"), 0o600))
	for _, dir := range []string{dir, w.cfg.Dir} {
		if _, err := backup.Load(t.Context(), d.repository(), s.ID, dir, nil); err == nil || !strings.Contains(err.Error(), "is not empty") {
			t.Errorf("%v", err)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "letter")); err != nil || string(b) != "dear" {
		t.Errorf("%q, %v", b, err)
	}
}

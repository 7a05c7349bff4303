package backup_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/backup"
	"github.com/godwitkv/godwit/internal/backup/place"
	"github.com/godwitkv/godwit/internal/backup/place/placetest"
	"github.com/godwitkv/godwit/internal/backup/repository"
	"github.com/godwitkv/godwit/internal/store"
)

// depot is a place of backups with what it takes to use it.
type depot struct {
	t       testing.TB
	place   place.Place
	now     func() time.Time
	cache   string
	readers []*age.X25519Identity // whom it is encrypted for
}

func newDepot(t testing.TB, p place.Place) *depot {
	return &depot{t: t, place: p, now: time.Now, cache: filepath.Join(t.TempDir(), "cache")}
}

func identity(t testing.TB) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	check(t, err)
	return id
}

// repository is the depot as those see it who have identities.
func (d *depot) repository(identities ...age.Identity) *repository.Repository {
	d.t.Helper()
	cfg := repository.Config{Place: d.place, Identities: identities, Plain: len(d.readers) == 0, Now: d.now}
	for _, id := range d.readers {
		cfg.Recipients = append(cfg.Recipients, id.Recipient())
	}
	r, err := repository.New(cfg)
	check(d.t, err)
	d.t.Cleanup(func() { check(d.t, r.Close()) })
	return r
}

func (d *depot) trySave(ctx context.Context, w *world, keep int) (*backup.Saved, error) {
	d.t.Helper()
	cfg := backup.SaveConfig{
		Config:     backup.Config{Dir: d.cache, URL: w.url(), Token: rootToken},
		Repository: d.repository(), Keep: keep,
	}
	if len(d.readers) > 0 {
		var names strings.Builder
		for _, id := range d.readers {
			names.WriteString(id.Recipient().String())
		}
		sum := sha256.Sum256([]byte(names.String()))
		cfg.Readers = &sum
	}
	return backup.Save(ctx, cfg)
}

func (d *depot) save(w *world) *backup.Saved {
	d.t.Helper()
	s, err := d.trySave(d.t.Context(), w, 0)
	check(d.t, err)
	return s
}

func (d *depot) load(id string, identities ...age.Identity) (string, *backup.Result) {
	d.t.Helper()
	dir := filepath.Join(d.t.TempDir(), "restored")
	r, err := backup.Load(d.t.Context(), d.repository(identities...), id, dir, nil)
	check(d.t, err)
	return dir, r
}

// exact wants what is restored from a backup to be a state of the node's log.
func (d *depot) exact(w *world, s *backup.Saved, identities ...age.Identity) {
	d.t.Helper()
	dir, r := d.load(s.ID, identities...)
	now := time.Now().Unix()
	sum, at := digest(d.t, dir, now)
	if at != s.Revision || r.Revision != at || sum != w.replay(at, now) {
		d.t.Errorf("backup %s: restored %+v at %d, and it is not what the log says", s.ID, r, at)
	}
	var problems []string
	check(d.t, store.Fsck(d.t.Context(), store.Config{Dir: dir}, func(p string) { problems = append(problems, p) }))
	if len(problems) > 0 {
		d.t.Errorf("fsck: %v", problems)
	}
}

// TestSavesUnderLoad: while 64 write, each backup of a run of them is an exact prefix of
// the log when it is restored, also when it is told as changes.
func TestSavesUnderLoad(t *testing.T) {
	t.Parallel()
	s3 := placetest.StartS3(t)
	for name, tt := range map[string]struct {
		place   place.Place
		readers []*age.X25519Identity
	}{
		"directory":     {place.NewDirectory(filepath.Join(t.TempDir(), "depot")), nil},
		"S3":            {s3.Place("plain"), nil},
		"S3, encrypted": {s3.Place("encrypted"), []*age.X25519Identity{identity(t), identity(t)}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, filepath.Join(t.TempDir(), "data"))
			kv := w.namespace("birds")
			w.fill(kv, "large", 2, 3<<20)
			w.fill(kv, "k", 100, 10_000)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var acked atomic.Int64
			running := load(ctx, kv, 64, &acked)
			w.await("there are writes", func() bool { return acked.Load() > 200 })
			d := newDepot(t, tt.place)
			d.readers = tt.readers
			var saved []*backup.Saved
			for range 3 {
				before := w.store.Revision()
				s := d.save(w)
				if s.Revision < before || len(saved) > 0 && s.Revision <= saved[len(saved)-1].Revision {
					t.Errorf("%+v, the node was at %d", s, before)
				}
				saved = append(saved, s)
			}
			cancel()
			running.Wait()
			if first := saved[0]; saved[2].Added >= first.Stored/2 {
				t.Errorf("the first is %d bytes, and the last added %d", first.Stored, saved[2].Added)
			}
			for _, s := range saved {
				if tt.readers == nil {
					d.exact(w, s)
				} else {
					d.exact(w, s, tt.readers[1])
				}
			}
		})
	}
}

// TestSavesTellWhatHappened: deletions, namespaces that go, clearings, values over
// others, expirations; and what follows a restored centre.
func TestSavesTellWhatHappened(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "data"))
	kv, fish := w.namespace("birds"), w.namespace("fish")
	w.fill(kv, "large", 3, 3<<20)
	w.fill(kv, "k", 200, 10_000)
	w.fill(fish, "f", 50, 2000)
	w.fill(fish, "large", 2, 100_000)
	d := newDepot(t, place.NewDirectory(filepath.Join(t.TempDir(), "depot")))
	first := d.save(w)
	d.exact(w, first)

	_, err := kv.Delete(t.Context(), "k0003", client.DeleteOptions{})
	check(t, err)
	_, err = kv.Delete(t.Context(), "large0001", client.DeleteOptions{})
	check(t, err)
	w.put(kv, "large0002", "small now")
	w.put(kv, "k0004", noise(4, 2<<20))
	_, err = kv.Put(t.Context(), "brief", strings.NewReader("x"), client.PutOptions{ExpirationTTL: time.Hour})
	check(t, err)
	second := d.save(w)
	if second.Added > 3<<20 || second.Keys != first.Keys-1 {
		t.Errorf("first %+v, second %+v", first, second)
	}
	d.exact(w, second)

	check(t, w.DeleteNamespace(t.Context(), "fish"))
	third := d.save(w)
	if third.Added > 10_000 {
		t.Errorf("third %+v", third)
	}
	d.exact(w, third)
	if none := d.save(w); none.Added != 0 {
		t.Errorf("%+v after no change", none)
	}

	dir, r := d.load(third.ID)
	edge := newWorld(t, filepath.Join(t.TempDir(), "edge"), w.url())
	edge.await("it is a copy", func() bool { return edge.isCopyOf(w) })
	w.stop()
	again := newWorld(t, dir)
	if s := again.status(); s.Generation != r.Generation || s.Role != "central" || s.ClusterID != third.Cluster {
		t.Errorf("status %+v, restored %+v", s, r)
	}
	if again.get("birds", "large0000") != noise(0, 3<<20) || again.get("birds", "large0002") != "small now" || again.get("birds", "k0003") != "" {
		t.Error("values are others")
	}
	again.put(again.KV("birds"), "new", "new")
	edge.follow(again.url())
	edge.await("it is a copy of the restored centre", func() bool { return edge.isCopyOf(again) && edge.get("birds", "new") == "new" })
	fourth := d.save(again)
	if fourth.Generation != r.Generation || fourth.Keys != third.Keys+1 {
		t.Errorf("%+v of the restored centre, after %+v", fourth, third)
	}
	to, restored := d.load(fourth.ID)
	again.same(to, restored)
}

// TestSaveWithoutTheCache makes all entries anew, and stores what is not there alone.
func TestSaveWithoutTheCache(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "data"))
	kv := w.namespace("birds")
	w.fill(kv, "k", 2000, 10_000)
	w.fill(kv, "large", 2, 3<<20)
	d := newDepot(t, place.NewDirectory(filepath.Join(t.TempDir(), "depot")))
	first := d.save(w)
	check(t, os.RemoveAll(d.cache))
	if again := d.save(w); again.Added != 0 || again.Stored != first.Stored {
		t.Errorf("first %+v, again %+v", first, again)
	}
	w.put(kv, "k0700", "other")
	check(t, os.RemoveAll(d.cache))
	changed := d.save(w)
	if changed.Added == 0 || changed.Added > 18<<20 {
		t.Errorf("first %+v, changed %+v", first, changed)
	}
	d.exact(w, changed)
}

// TestSaveRefuses what is no place for a node's backups, and leaves it as it is.
func TestSaveRefuses(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t, filepath.Join(t.TempDir(), "data")), newWorld(t, filepath.Join(t.TempDir(), "other"))
	w.put(w.namespace("birds"), "a", "1")
	theirs := newDepot(t, place.NewDirectory(filepath.Join(t.TempDir(), "theirs")))
	theirs.save(other)
	letters := t.TempDir()
	check(t, os.WriteFile(filepath.Join(letters, "letter"), []byte("dear"), 0o600))
	newer := newDepot(t, place.NewDirectory(filepath.Join(t.TempDir(), "newer")))
	newer.save(w)
	raiseGeneration(t, newer.cache)
	for name, tt := range map[string]struct {
		d    *depot
		want string
	}{
		"of another cluster": {newDepot(t, theirs.place), "and the node is of cluster"},
		"something else":     {newDepot(t, place.NewDirectory(letters)), "neither empty nor a repository of backups"},
		"of a later centre":  {newer, "it was replaced"},
	} {
		before := files(t, tt.d.place.String())
		_, err := tt.d.trySave(t.Context(), w, 0)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		if after := files(t, tt.d.place.String()); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("%s: it was changed", name)
		}
	}
}

// TestSaveOfACentreRolledBack: what only the last backup has is not in the next.
func TestSaveOfACentreRolledBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "data"))
	w.fill(w.namespace("birds"), "k", 50, 10_000)
	w.stop()
	image := filepath.Join(t.TempDir(), "image")
	check(t, os.CopyFS(image, os.DirFS(w.cfg.Dir)))
	w.start()
	d := newDepot(t, place.NewDirectory(filepath.Join(t.TempDir(), "depot")))
	d.save(w)
	w.put(w.KV("birds"), "lost", "lost")
	with := d.save(w)
	w.stop()
	check(t, os.RemoveAll(w.cfg.Dir))
	check(t, os.CopyFS(w.cfg.Dir, os.DirFS(image)))
	w.start()
	w.put(w.KV("birds"), "new", "new")
	without := d.save(w)
	if without.Keys != with.Keys {
		t.Errorf("%+v after %+v", without, with)
	}
	w.stop()
	for _, tt := range []struct{ id, lost, made string }{{with.ID, "lost", ""}, {without.ID, "", "new"}} {
		dir, _ := d.load(tt.id)
		r := newWorld(t, dir)
		if r.get("birds", "lost") != tt.lost || r.get("birds", "new") != tt.made {
			t.Errorf("backup %s has lost %q, new %q", tt.id, r.get("birds", "lost"), r.get("birds", "new"))
		}
	}
}

// TestKeep: old backups go, and a day later what only they had; those that stay can be
// restored.
func TestKeep(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "data"))
	kv := w.namespace("birds")
	d := newDepot(t, place.NewDirectory(filepath.Join(t.TempDir(), "depot")))
	var saved []*backup.Saved
	for i := range 4 {
		w.put(kv, "large", noise(i, 3<<20)) // mostly changes: each is told anew
		s, err := d.trySave(t.Context(), w, 2)
		check(t, err)
		saved = append(saved, s)
	}
	ids, err := d.repository().IDs(t.Context())
	check(t, err)
	if fmt.Sprint(ids) != fmt.Sprint([]string{saved[2].ID, saved[3].ID}) {
		t.Errorf("there are %v", ids)
	}
	p, err := d.repository().Prune(t.Context(), 2)
	check(t, err)
	if p != (repository.Pruned{}) {
		t.Errorf("removed within a day: %+v", p)
	}
	d.now = func() time.Time { return time.Now().Add(25 * time.Hour) }
	p, err = d.repository().Prune(t.Context(), 2)
	check(t, err)
	if p.Backups != 0 || p.Chunks < 2 || p.Bytes < 3<<20 {
		t.Errorf("removed a day later: %+v", p)
	}
	check(t, d.repository().Verify(t.Context(), ids))
	d.exact(w, saved[2])
	d.exact(w, saved[3])
	if _, err := d.repository().Load(t.Context(), saved[0].ID); !errors.Is(err, repository.ErrNoBackup) {
		t.Errorf("an old one: %v", err)
	}
	if _, err := d.repository().Prune(t.Context(), 0); err == nil {
		t.Error("all were removed")
	}
}

// TestOnlyReadersRestore: with no identity, or another, nothing is made, and nothing in
// the place tells what the keys and values are.
func TestOnlyReadersRestore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "data"))
	kv := w.namespace("birds")
	w.put(kv, "the name of a key", strings.Repeat("what it holds ", 1000))
	w.put(kv, "large", strings.Repeat("what it holds ", 200_000))
	d := newDepot(t, place.NewDirectory(filepath.Join(t.TempDir(), "depot")))
	d.readers = []*age.X25519Identity{identity(t)}
	s := d.save(w)
	plain := newDepot(t, place.NewDirectory(filepath.Join(t.TempDir(), "plain")))
	plain.save(w)
	names := files(t, plain.place.String())
	for name := range files(t, d.place.String()) {
		b, err := os.ReadFile(name)
		check(t, err)
		for _, secret := range []string{"what it holds", "the name", "birds"} {
			if strings.Contains(string(b), secret) {
				t.Errorf("%s has %q", name, secret)
			}
		}
		if strings.Contains(name, "chunks") {
			if _, same := names[strings.Replace(name, d.place.String(), plain.place.String(), 1)]; same {
				t.Errorf("%s is named by a hash that anyone can compute", name)
			}
		}
	}
	for want, ids := range map[string][]age.Identity{
		"an age identity is needed":  nil,
		"encrypted for other recipi": {identity(t)},
	} {
		dir := filepath.Join(t.TempDir(), "restored")
		_, err := backup.Load(t.Context(), d.repository(ids...), s.ID, dir, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("something was made: %v", err)
		}
		if err := d.repository(ids...).Verify(t.Context(), []string{s.ID}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("verify: %v, want %q", err, want)
		}
	}
	d.exact(w, s, identity(t), d.readers[0])

	// For another recipient all is made anew: the old chunks are not theirs to read.
	added := identity(t)
	d.readers = append(d.readers, added)
	next := d.save(w)
	if next.Added != next.Stored {
		t.Errorf("%+v for another recipient", next)
	}
	d.exact(w, next, added)
}

// keeping is a place in which what says that a backup is being made cannot be removed.
type keeping struct{ place.Place }

func (k keeping) Delete(ctx context.Context, name string) error {
	if strings.HasPrefix(name, "pending/") {
		return errors.New("access denied")
	}
	return k.Place.Delete(ctx, name)
}

// TestSavedAllTheSame: a backup that is made is told of, whatever fails behind that.
func TestSavedAllTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "data"))
	w.put(w.namespace("birds"), "a", "1")
	d := newDepot(t, keeping{place.NewDirectory(filepath.Join(t.TempDir(), "depot"))})
	s, err := d.trySave(t.Context(), w, 1)
	if s == nil || err == nil || !strings.Contains(err.Error(), "backup "+s.ID+" is made; ") || !strings.Contains(err.Error(), "access denied") {
		t.Fatalf("%+v, %v", s, err)
	}
	d.exact(w, s)
}

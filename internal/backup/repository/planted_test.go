package repository_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/godwitkv/godwit/internal/backup/place"
	"github.com/godwitkv/godwit/internal/backup/repository"
)

// TestPlanted: who has identities is not given a backup in plain, which anyone can have
// put there, unless they say so; and nobody is given one of another cluster.
func TestPlanted(t *testing.T) {
	t.Parallel()
	id, err := age.GenerateX25519Identity()
	check(t, err)
	dir := filepath.Join(t.TempDir(), "depot")
	plain := write(t, open(t, dir), state(100), record("a", "1", 50))
	theirs := state(100)
	theirs.Cluster = strings.Repeat("f", len(cluster))
	planted := filepath.Join(t.TempDir(), "planted")
	other := write(t, open(t, planted), theirs, record("a", "2", 50))
	check(t, os.CopyFS(filepath.Join(dir, "chunks"), os.DirFS(filepath.Join(planted, "chunks"))))
	check(t, os.CopyFS(filepath.Join(dir, "backups"), os.DirFS(filepath.Join(planted, "backups"))))

	allowed, err := repository.New(repository.Config{Place: place.NewDirectory(dir), Identities: []age.Identity{id}, Plain: true})
	check(t, err)
	defer allowed.Close()
	for name, tt := range map[string]struct {
		r    *repository.Repository
		id   string
		want string
	}{
		"in plain":                               {open(t, dir, id), plain.ID, "it is not encrypted"},
		"in plain, which is wanted":              {allowed, plain.ID, ""},
		"in plain, to who has nothing to open":   {open(t, dir), plain.ID, ""},
		"of another cluster":                     {open(t, dir), other.ID, "is of cluster " + theirs.Cluster},
		"of another cluster, in plain and asked": {allowed, other.ID, "is of cluster " + theirs.Cluster},
	} {
		_, err := tt.r.Load(t.Context(), tt.id)
		for what, err := range map[string]error{"load": err, "verify": tt.r.Verify(t.Context(), []string{tt.id})} {
			if tt.want == "" && err == nil {
				continue
			}
			if tt.want == "" || err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.id) {
				t.Errorf("%s: %s: %v, want %q", name, what, err, tt.want)
			}
		}
	}
}

// TestWithoutTheIdentity: that the object is lost or damaged which tells whose the
// backups are keeps nobody from restoring one.
func TestWithoutTheIdentity(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "depot")
	r := open(t, dir)
	b := write(t, r, state(100), record("a", "1", 50))
	name := filepath.Join(dir, repository.IdentityName)
	for what, do := range map[string]func() error{
		"no JSON": func() error { return os.WriteFile(name, []byte("{"), 0o600) },
		"long":    func() error { return os.WriteFile(name, make([]byte, 1<<20), 0o600) },
		"missing": func() error { return os.RemoveAll(name) },
	} {
		check(t, do())
		if _, err := r.Load(t.Context(), b.ID); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestStaysEncrypted: behind an encrypted backup none in plain is added unawares.
func TestStaysEncrypted(t *testing.T) {
	t.Parallel()
	id, err := age.GenerateX25519Identity()
	check(t, err)
	dir := filepath.Join(t.TempDir(), "depot")
	with := func(cfg repository.Config) *repository.Repository {
		cfg.Place = place.NewDirectory(dir)
		r, err := repository.New(cfg)
		check(t, err)
		t.Cleanup(func() { check(t, r.Close()) })
		return r
	}
	plain, allowed := with(repository.Config{}), with(repository.Config{Plain: true})
	sealed := with(repository.Config{Recipients: []age.Recipient{id.Recipient()}})
	refused := func(what string, want bool) {
		t.Helper()
		for name, err := range map[string]error{"asked": plain.MayHold(t.Context(), cluster), "claimed": plain.Claim(t.Context(), cluster)} {
			if want != (err != nil && strings.Contains(err.Error(), "is encrypted, and this one would not be")) || !want && err != nil {
				t.Errorf("%s, %s: %v", what, name, err)
			}
		}
	}
	s := state(100)
	refused("at first", false)
	write(t, plain, s, record("a", "1", 50))
	refused("behind one in plain", false)
	s.Key = repository.NewKey()
	b := write(t, sealed, s, record("a", "1", 50))
	refused("behind an encrypted one", true)
	if _, err := plain.Begin(t.Context(), state(100)); err == nil {
		t.Error("it was begun")
	}
	check(t, os.WriteFile(filepath.Join(dir, "backups", b.ID), nil, 0o600))
	refused("behind a damaged one that nobody knows", false)
	write(t, sealed, s, record("a", "1", 50))
	write(t, allowed, state(200), record("a", "1", 150))
	refused("behind one that was to be in plain", false)
}

package repository_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/backup/place"
	"github.com/godwitkv/godwit/internal/backup/repository"
)

// TestWrittenAnew: a backup stays good if one of its chunks is written again, and is
// compressed to another length then.
func TestWrittenAnew(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "depot")
	r := open(t, dir)
	b := write(t, r, state(100), record("a", strings.Repeat("some value ", 1000), 50))
	name := b.Base[0].Name.String()
	name = filepath.Join(dir, "chunks", name[:2], name)
	plain, err := zstd.NewReader(nil)
	check(t, err)
	defer plain.Close()
	object, err := os.ReadFile(name)
	check(t, err)
	content, err := plain.DecodeAll(object, nil)
	check(t, err)
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderCRC(false), zstd.WithNoEntropyCompression(true))
	check(t, err)
	defer e.Close()
	other := e.EncodeAll(content, nil)
	if len(other) == len(object) {
		t.Fatal("it is as long as it was")
	}
	check(t, os.WriteFile(name, other, 0o600))
	check(t, r.Complete(t.Context(), b))
	check(t, r.Verify(t.Context(), []string{b.ID}))
	check(t, r.Read(t.Context(), b, func(*repository.Part) error { return nil }))

	check(t, os.WriteFile(name, other[:len(other)-1], 0o600))
	for what, err := range map[string]error{"complete": r.Complete(t.Context(), b), "verify": r.Verify(t.Context(), []string{b.ID})} {
		if err == nil || !strings.Contains(err.Error(), "is damaged") || !strings.Contains(err.Error(), filepath.Base(name)) {
			t.Errorf("%s of one that was cut: %v", what, err)
		}
	}
}

// TestByTurns: machines that make encrypted backups in one place, each under a key of its
// own, go on each from its own last one.
func TestByTurns(t *testing.T) {
	t.Parallel()
	id, err := age.GenerateX25519Identity()
	check(t, err)
	dir := filepath.Join(t.TempDir(), "depot")
	r, err := repository.New(repository.Config{
		Place: place.NewDirectory(dir), Recipients: []age.Recipient{id.Recipient()}, Identities: []age.Identity{id},
	})
	check(t, err)
	defer r.Close()
	var ids []string
	keys := []repository.Key{repository.NewKey(), repository.NewKey(), repository.NewKey()}
	first := record("a", strings.Repeat("1", 1000), 50)
	for turn := range 3 {
		for machine, key := range keys {
			s := state(godwit.Revision(100 + turn))
			s.Key = key
			w, err := r.Begin(t.Context(), s)
			check(t, err)
			if _, goesOn := w.From(); goesOn != (turn > 0) {
				t.Errorf("turn %d of machine %d goes on: %t", turn, machine, goesOn)
			}
			if turn == 0 {
				check(t, w.Add(first, nil))
			}
			b, err := w.End(t.Context(), nil)
			check(t, err)
			if (w.Added() == 0) != (turn > 0) {
				t.Errorf("turn %d of machine %d has added %d bytes", turn, machine, w.Added())
			}
			ids = append(ids, b.ID)
		}
	}
	check(t, r.Verify(t.Context(), ids))
}

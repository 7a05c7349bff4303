package repository_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/backup/place"
	"github.com/godwitkv/godwit/internal/backup/repository"
)

// meddled is a place in which something else happens before a chunk is removed for the
// first time.
type meddled struct {
	place.Place
	once sync.Once
	what func()
}

func (m *meddled) Delete(ctx context.Context, name string) error {
	if strings.HasPrefix(name, "chunks/") {
		m.once.Do(m.what)
	}
	return m.Place.Delete(ctx, name)
}

// TestPruneLooksAgain: a backup that is made while old chunks are being removed, and that
// has written one of them anew, stays whole.
func TestPruneLooksAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "depot")
	r := open(t, dir)
	write(t, r, state(100), record("a", "1", 50))
	other := state(100)
	other.Lineage = godwit.Lineage{{ID: godwit.EpochID{2}, First: 1}}
	write(t, r, other, record("b", "2", 50))
	for i := range 100 { // many that are removed before
		check(t, place.NewDirectory(dir).Put(t.Context(), fmt.Sprintf("chunks/00/00%062x", i), []byte("x")))
	}
	long := time.Now().Add(-30 * time.Hour)
	check(t, filepath.WalkDir(filepath.Join(dir, "chunks"), func(path string, _ os.DirEntry, err error) error {
		check(t, err)
		return os.Chtimes(path, long, long)
	}))
	var again *repository.Backup
	m := &meddled{Place: place.NewDirectory(dir), what: func() { again = write(t, r, state(100), record("a", "1", 50)) }}
	pruner, err := repository.New(repository.Config{Place: m})
	check(t, err)
	defer pruner.Close()
	p, err := pruner.Prune(t.Context(), 1)
	check(t, err)
	if again == nil || p.Backups != 1 || p.Chunks == 0 || p.Chunks > 100 {
		t.Fatalf("removed %+v", p)
	}
	check(t, r.Verify(t.Context(), []string{again.ID}))
}

// twiceTold is a place whose list tells each object twice, as one of S3 may that is asked
// again from its beginning.
type twiceTold struct{ place.Place }

func (p twiceTold) List(ctx context.Context, prefix string, fn func(place.Object) error) error {
	return errors.Join(p.Place.List(ctx, prefix, fn), p.Place.List(ctx, prefix, fn))
}

// TestPruneCountsOnce: a backup that a place tells of twice is one of those that are kept.
func TestPruneCountsOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "depot")
	r := open(t, dir)
	for i := range 4 {
		write(t, r, state(100), record("a", fmt.Sprint(i), 50))
	}
	pruner, err := repository.New(repository.Config{Place: twiceTold{place.NewDirectory(dir)}})
	check(t, err)
	defer pruner.Close()
	p, err := pruner.Prune(t.Context(), 3)
	check(t, err)
	ids, err := r.IDs(t.Context())
	check(t, err)
	if p.Backups != 1 || len(ids) != 3 {
		t.Errorf("of 4 backups %d were removed and %d are left, want 3", p.Backups, len(ids))
	}
}

// TestVerifyNamesEach: of a damaged value that several backups have, each is told.
func TestVerifyNamesEach(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "depot")
	r := open(t, dir)
	blob := record("b", "", 50)
	blob.Value = godwit.Value{Blob: godwit.Blob{ID: godwit.BlobID{1}, Size: 2 << 20}}
	w, err := r.Begin(t.Context(), state(100))
	check(t, err)
	check(t, w.Add(blob, func(godwit.Blob) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(strings.Repeat("value", 2<<20)[:2<<20])), nil
	}))
	first, err := w.End(t.Context(), nil)
	check(t, err)
	second := write(t, r, state(200), record("a", "1", 150))
	if len(first.Values) != 1 || len(second.Values) != 1 {
		t.Fatalf("values %v and %v", first.Values, second.Values)
	}
	name := first.Values[0].Name.String()
	name = filepath.Join(dir, "chunks", name[:2], name)
	b, err := os.ReadFile(name)
	check(t, err)
	b[len(b)/2] ^= 1
	check(t, os.WriteFile(name, b, 0o600))
	err = r.Verify(t.Context(), []string{first.ID, second.ID})
	for _, id := range []string{first.ID, second.ID} {
		if err == nil || !strings.Contains(err.Error(), "backup "+id) {
			t.Errorf("%s is not told of: %v", id, err)
		}
	}
}

// TestValueLikeAChunk: who puts a value that has the bytes of a chunk of records does not
// keep backups from being made.
func TestValueLikeAChunk(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "depot")
	r := open(t, dir)
	var records []*godwit.Record
	for i := range 600 {
		records = append(records, record(fmt.Sprintf("k%03d", i), strings.Repeat(fmt.Sprint(i), 24000)[:24000], godwit.Revision(i+1)))
	}
	first := write(t, r, state(1000), records...)
	content := chunkOver(t, dir, first.Base[:len(first.Base)-1], 1<<20)
	blob := record("z", "", 1001)
	blob.Value = godwit.Value{Blob: godwit.Blob{ID: godwit.BlobID{1}, Size: int64(len(content))}}
	s := state(1001)
	s.Lineage = godwit.Lineage{{ID: godwit.EpochID{2}, First: 1}} // so that it is told anew
	w, err := r.Begin(t.Context(), s)
	check(t, err)
	for _, rec := range append(records, blob) {
		check(t, w.Add(rec, func(godwit.Blob) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }))
	}
	b, err := w.End(t.Context(), nil)
	check(t, err)
	if len(b.Values) != 1 || !slices.ContainsFunc(b.Base, func(c repository.Chunk) bool { return c.Name == b.Values[0].Name }) {
		t.Errorf("%d values, none of which is a chunk of records", len(b.Values))
	}
	check(t, r.Verify(t.Context(), []string{b.ID}))
}

// chunkOver is the content of a chunk that is longer than that.
func chunkOver(t *testing.T, dir string, chunks []repository.Chunk, bytes int) []byte {
	t.Helper()
	d, err := zstd.NewReader(nil)
	check(t, err)
	defer d.Close()
	for _, c := range chunks {
		name := c.Name.String()
		object, err := os.ReadFile(filepath.Join(dir, "chunks", name[:2], name))
		check(t, err)
		content, err := d.DecodeAll(object, nil)
		check(t, err)
		if len(content) > bytes {
			return content
		}
	}
	t.Fatal("all chunks are short")
	return nil
}

// TestFindBehindADamagedOne: that a later manifest is damaged keeps nobody from an earlier
// backup that is asked for by its time.
func TestFindBehindADamagedOne(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "depot")
	r := open(t, dir)
	made := func(revision godwit.Revision) *repository.Backup {
		s := state(revision)
		s.Created = time.Now().UTC().Truncate(time.Second)
		return write(t, r, s, record("a", "1", revision-50))
	}
	first, second := made(100), made(200)
	name := filepath.Join(dir, "backups", second.ID)
	b, err := os.ReadFile(name)
	check(t, err)
	check(t, os.WriteFile(name, b[:len(b)-4], 0o600))
	if id, err := r.Find(t.Context(), first.Created); err != nil || id != first.ID {
		t.Errorf("at the first's time: %s, %v", id, err)
	}
	if id, err := r.Find(t.Context(), second.Created.Add(time.Hour)); err == nil {
		t.Errorf("after the second's: %s", id)
	}
}

// TestPruneCountsWhatIsWhole: a backup whose manifest is damaged is not one of those that
// are kept, and goes with those that are as old.
func TestPruneCountsWhatIsWhole(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "depot")
	r := open(t, dir)
	var ids []string
	for i := range 5 {
		s := state(100)
		s.Lineage = godwit.Lineage{{ID: godwit.EpochID{byte(i + 1)}, First: 1}} // none goes on from another
		ids = append(ids, write(t, r, s, record("a", "1", 50)).ID)
	}
	for _, id := range []string{ids[1], ids[4]} {
		name := filepath.Join(dir, "backups", id)
		b, err := os.ReadFile(name)
		check(t, err)
		check(t, os.WriteFile(name, b[:len(b)-4], 0o600))
	}
	_, err := r.Prune(t.Context(), 2)
	if err == nil || !strings.Contains(err.Error(), ids[4]) {
		t.Errorf("the damaged one is not told of: %v", err)
	}
	left, err := r.IDs(t.Context())
	check(t, err)
	if !slices.Equal(left, ids[2:]) {
		t.Errorf("of %v there are %v", ids, left)
	}
}

// TestPruneTakesWhatWasCutOff: what a killed run has left of a manifest or a chunk goes a
// day later.
func TestPruneTakesWhatWasCutOff(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "depot")
	r := open(t, dir)
	id := write(t, r, state(100), record("a", "1", 50)).ID
	old := filepath.Join(dir, "backups", id+".1234"+place.Partial)
	fresh := filepath.Join(dir, "backups", id+".5678"+place.Partial)
	for _, name := range []string{old, fresh} {
		check(t, os.WriteFile(name, []byte("godwit"), 0o600))
	}
	long := time.Now().Add(-30 * time.Hour)
	check(t, os.Chtimes(old, long, long))
	_, err := r.Prune(t.Context(), 1)
	check(t, err)
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("it is there: %v", err)
	}
	_, err = os.Stat(fresh)
	check(t, err)
	check(t, r.Verify(t.Context(), []string{id}))
}

// vanishing is a place from which a manifest goes just before it is read for the nth time.
type vanishing struct {
	place.Place
	name string
	n    int
}

func (v *vanishing) Get(ctx context.Context, name string, most int64) ([]byte, error) {
	if name == v.name {
		if v.n--; v.n == 0 {
			if err := v.Delete(ctx, name); err != nil {
				return nil, err
			}
		}
	}
	return v.Place.Get(ctx, name, most)
}

// TestPruneBesideAnother: a backup that another one removes meanwhile is none.
func TestPruneBesideAnother(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ which, n, keep int }{
		"as they are counted":    {1, 1, 2},
		"as chunks are gathered": {1, 2, 2},
		"the newest":             {2, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "depot")
			r := open(t, dir)
			var ids []string
			for i := range 3 {
				ids = append(ids, write(t, r, state(godwit.Revision(100*(i+1))), record("a", strings.Repeat("1", 1000), godwit.Revision(100*i+50))).ID)
			}
			v := &vanishing{place.NewDirectory(dir), "backups/" + ids[tt.which], tt.n}
			pruner, err := repository.New(repository.Config{Place: v})
			check(t, err)
			defer pruner.Close()
			_, err = pruner.Prune(t.Context(), tt.keep)
			check(t, err)
			if v.n > 0 {
				t.Error("it did not go")
			}
			left, err := r.IDs(t.Context())
			check(t, err)
			if len(left) == 0 || slices.Contains(left, ids[tt.which]) {
				t.Errorf("of %v there are %v", ids, left)
			}
			check(t, r.Verify(t.Context(), left))
		})
	}
}

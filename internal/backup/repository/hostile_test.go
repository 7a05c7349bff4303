package repository_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/backup/place"
	"github.com/godwitkv/godwit/internal/backup/repository"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string, identities ...age.Identity) *repository.Repository {
	t.Helper()
	r, err := repository.New(repository.Config{Place: place.NewDirectory(dir), Identities: identities})
	check(t, err)
	t.Cleanup(func() { check(t, r.Close()) })
	return r
}

const cluster = "0123456789abcdef0123456789abcdef"

func state(revision godwit.Revision) repository.State {
	return repository.State{
		Cluster: cluster, Revision: revision, Time: 1000, Created: time.Unix(1_800_000_000, 0).UTC(),
		Lineage: godwit.Lineage{{ID: godwit.EpochID{1}, First: 1}},
	}
}

func record(key, value string, revision godwit.Revision) *godwit.Record {
	return &godwit.Record{
		Mutation: godwit.Mutation{Op: godwit.OpPut, Namespace: godwit.NamespaceID{7}, Key: key, Value: godwit.Value{Inline: []byte(value)}},
		Revision: revision, Created: 1, Modified: 1,
	}
}

// write makes a backup of records in the order given.
func write(t testing.TB, r *repository.Repository, s repository.State, records ...*godwit.Record) *repository.Backup {
	t.Helper()
	w, err := r.Begin(t.Context(), s)
	check(t, err)
	for _, rec := range records {
		check(t, w.Add(rec, nil))
	}
	b, err := w.End(t.Context(), nil)
	check(t, err)
	return b
}

// manifest returns what a manifest says as a tree, and replaces it by what change makes
// of that, with a hash that is right.
func manifest(t *testing.T, dir, id string, change func(map[string]any)) {
	t.Helper()
	name := filepath.Join(dir, "backups", id)
	b, err := os.ReadFile(name)
	check(t, err)
	_, body, _ := bytes.Cut(b, []byte{'\n'})
	var tree map[string]any
	check(t, json.Unmarshal(body, &tree))
	change(tree)
	if body, err = json.Marshal(tree); err != nil {
		t.Fatal(err)
	}
	check(t, os.WriteFile(name, fmt.Appendf(nil, "godwit backup 1 sha256=%x\n%s", sha256.Sum256(body), body), 0o600))
}

// TestHostileManifests: one that its hash proves, and that says what none says, is
// refused, and nothing outside the place is asked for.
func TestHostileManifests(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("ab", 32)
	for what, change := range map[string]func(map[string]any){
		"a path for a chunk":        func(m map[string]any) { m["base"] = []string{"../../../../etc/passwd:10"} },
		"a path as long as a name":  func(m map[string]any) { m["base"] = []string{strings.Repeat("../", 21) + "x:10"} },
		"a chunk without a size":    func(m map[string]any) { m["base"] = []string{name} },
		"a chunk of a huge size":    func(m map[string]any) { m["base"] = []string{name + ":9223372036854775807"} },
		"a chunk of a large size":   func(m map[string]any) { m["values"] = []string{name + ":999999999"} },
		"a chunk of no size":        func(m map[string]any) { m["values"] = []string{name + ":0"} },
		"a chunk of less":           func(m map[string]any) { m["values"] = []string{name + ":-5"} },
		"a size that is no number":  func(m map[string]any) { m["values"] = []string{name + ":1e3"} },
		"a chunk twice":             func(m map[string]any) { m["values"] = []string{name + ":5", name + ":5"} },
		"a chunk of records twice":  func(m map[string]any) { m["increments"] = m["base"] },
		"itself":                    func(m map[string]any) { m["base"] = []string{m["id"].(string) + ":10"} },
		"something else":            func(m map[string]any) { m["parent"] = m["id"] },
		"another id":                func(m map[string]any) { m["id"] = "20260101T000000Z-00000000" },
		"a path for an id":          func(m map[string]any) { m["id"] = "../../x" },
		"no revision":               func(m map[string]any) { m["revision"] = 0 },
		"a revision of another age": func(m map[string]any) { m["revision"] = uint64(1) << 60 },
		"a base behind it":          func(m map[string]any) { m["from"] = 1 << 40 },
		"no lineage":                func(m map[string]any) { delete(m, "lineage") },
		"epochs out of order": func(m map[string]any) {
			e := m["lineage"].([]any)[0]
			m["lineage"] = []any{e, e}
		},
		"an epoch with a long id": func(m map[string]any) { m["lineage"].([]any)[0].(map[string]any)["id"] = name },
		"a large generation":      func(m map[string]any) { m["lineage"].([]any)[0].(map[string]any)["generation"] = uint64(1) << 60 },
		"fewer keys than none":    func(m map[string]any) { m["keys"] = -1 },
		"no cluster":              func(m map[string]any) { m["cluster_id"] = "" },
		"another format":          func(m map[string]any) { m["format"] = 2 },
		"a key":                   func(m map[string]any) { m["sealed_key"] = []byte("age") },
		"a list for a number":     func(m map[string]any) { m["keys"] = []int{1} },
	} {
		t.Run(what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "depot")
			r := open(t, dir)
			b := write(t, r, state(100), record("a", "1", 50))
			manifest(t, dir, b.ID, change)
			if got, err := r.Load(t.Context(), b.ID); err == nil {
				t.Errorf("it was taken: %+v", got)
			}
			if err := r.Verify(t.Context(), []string{b.ID}); err == nil || !strings.Contains(err.Error(), b.ID) {
				t.Errorf("verify: %v", err)
			}
		})
	}
}

// TestHostileChunks: chunks that their names prove, and that make no backup.
func TestHostileChunks(t *testing.T) {
	t.Parallel()
	gone := record("b", "", 60)
	gone.Op, gone.Value = godwit.OpDelete, godwit.Value{}
	for what, records := range map[string][]*godwit.Record{
		"keys out of order":  {record("b", "1", 50), record("a", "1", 60)},
		"a key twice":        {record("a", "1", 50), record("a", "1", 60)},
		"a deletion":         {record("a", "1", 50), gone},
		"what is yet to be":  {record("a", "1", 101)},
		"nothing, as a list": nil,
	} {
		t.Run(what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "depot")
			r := open(t, dir)
			b := write(t, r, state(100), records...)
			err := r.Read(t.Context(), b, func(*repository.Part) error { return nil })
			if len(records) == 0 {
				check(t, err)
				return
			}
			if err == nil || !strings.Contains(err.Error(), "is damaged") {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("changes as entries", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "depot")
		r := open(t, dir)
		write(t, r, state(100), record("a", strings.Repeat("1", 1000), 50))
		b := write(t, r, state(200), record("c", "1", 150), record("b", "1", 160))
		if len(b.Increments) != 1 {
			t.Fatalf("%+v", b)
		}
		manifest(t, dir, b.ID, func(m map[string]any) { m["base"], m["increments"] = m["increments"], m["base"] })
		b, err := r.Load(t.Context(), b.ID)
		check(t, err)
		if err := r.Read(t.Context(), b, func(*repository.Part) error { return nil }); err == nil {
			t.Error("it was read")
		}
	})
}

// TestBombs: an object that grows without end as it is read is refused.
func TestBombs(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "depot")
	r := open(t, dir)
	b := write(t, r, state(100), record("a", "1", 50))
	name := b.Base[0].Name.String()
	// A frame of zstd: blocks of one repeated byte, 128 KiB each, 1 GiB together.
	bomb := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88}
	for range 8192 {
		bomb = append(bomb, 0x02, 0x00, 0x10, 'x')
	}
	check(t, os.WriteFile(filepath.Join(dir, "chunks", name[:2], name), bomb, 0o600))
	manifest(t, dir, b.ID, func(m map[string]any) { m["base"] = []string{fmt.Sprintf("%s:%d", name, len(bomb))} })
	b, err := r.Load(t.Context(), b.ID)
	check(t, err)
	if err := r.Read(t.Context(), b, func(*repository.Part) error { return nil }); err == nil || !strings.Contains(err.Error(), "decompress") {
		t.Errorf("%v", err)
	}
}

// TestForgedManifest: who can write into a place, and has no identity, cannot make a
// backup of what others have encrypted there.
func TestForgedManifest(t *testing.T) {
	t.Parallel()
	id, err := age.GenerateX25519Identity()
	check(t, err)
	dir := filepath.Join(t.TempDir(), "depot")
	mine, err := repository.New(repository.Config{Place: place.NewDirectory(dir), Recipients: []age.Recipient{id.Recipient()}, Identities: []age.Identity{id}})
	check(t, err)
	defer mine.Close()
	s := state(100)
	s.Key = repository.NewKey()
	b := write(t, mine, s, record("a", "1", 50))
	if _, err := mine.Load(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "backups", b.ID)
	was, err := os.ReadFile(name)
	check(t, err)
	manifest(t, dir, b.ID, func(m map[string]any) { m["keys"] = 7 })
	forged, err := os.ReadFile(name)
	check(t, err)
	line, _, _ := bytes.Cut(was, []byte{'\n'})
	_, mac, _ := bytes.Cut(line, []byte(" hmac="))
	head, body, _ := bytes.Cut(forged, []byte{'\n'})
	for what, object := range map[string][]byte{
		"none":          forged,
		"the old one":   slicesOf(head, []byte(" hmac="), mac, []byte{'\n'}, body),
		"one of zeros":  slicesOf(head, []byte(" hmac="+strings.Repeat("0", 64)), []byte{'\n'}, body),
		"one of no hex": slicesOf(head, []byte(" hmac=x"), []byte{'\n'}, body),
	} {
		check(t, os.WriteFile(name, object, 0o600))
		if _, err := mine.Load(t.Context(), b.ID); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("a proof that is %s: %v", what, err)
		}
	}
}

func slicesOf(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// TestTwoAtOnce: two make backups in one place, and a third removes old ones meanwhile.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "depot")
	r := open(t, dir)
	write(t, r, state(100), record("a", "1", 50))
	first, err := r.Begin(t.Context(), state(200))
	check(t, err)
	second, err := r.Begin(t.Context(), state(300))
	check(t, err)
	check(t, first.Add(record("b", "1", 150), nil))
	check(t, second.Add(record("b", "2", 250), nil))
	later, err := repository.New(repository.Config{Place: place.NewDirectory(dir), Now: func() time.Time { return time.Now().Add(23 * time.Hour) }})
	check(t, err)
	defer later.Close()
	if p, err := later.Prune(t.Context(), 1); err != nil || p.Chunks != 0 {
		t.Errorf("%+v, %v", p, err)
	}
	for _, w := range []*repository.Writer{first, second} {
		_, err := w.End(t.Context(), nil)
		check(t, err)
	}
	ids, err := r.IDs(t.Context())
	check(t, err)
	if len(ids) != 3 {
		t.Errorf("there are %v", ids)
	}
	check(t, r.Verify(t.Context(), ids))
}

// TestEndedEarly: a backup that fails, or is told to stop, is not there, and says what
// went wrong.
func TestEndedEarly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "depot")
	r := open(t, dir)
	w, err := r.Begin(t.Context(), state(100))
	check(t, err)
	check(t, w.Add(record("a", "1", 50), nil))
	blob := record("b", "", 60)
	blob.Value = godwit.Value{Blob: godwit.Blob{ID: godwit.BlobID{1}, Size: 100}}
	short := func(godwit.Blob) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("short")), nil }
	failed := w.Add(blob, short)
	if _, err := w.End(t.Context(), failed); err == nil || !strings.Contains(err.Error(), io.ErrUnexpectedEOF.Error()) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w, err = r.Begin(ctx, state(100))
	check(t, err)
	cancel()
	if _, err := w.End(ctx, w.Add(record("a", "1", 50), nil)); err == nil {
		t.Error("it was made")
	}
	left := make(map[string]bool)
	check(t, place.NewDirectory(dir).List(t.Context(), "", func(o place.Object) error {
		left[strings.SplitN(o.Name, "/", 2)[0]] = true
		return nil
	}))
	if left["backups"] || left["pending"] {
		t.Errorf("there are %v", left)
	}
}

// FuzzManifest: what is no manifest is an error, and what is one is proved by its hash.
func FuzzManifest(f *testing.F) {
	dir := filepath.Join(f.TempDir(), "depot")
	r := open(f, dir)
	b := write(f, r, state(100), record("a", "1", 50))
	object, err := os.ReadFile(filepath.Join(dir, "backups", b.ID))
	check(f, err)
	_, body, _ := bytes.Cut(object, []byte{'\n'})
	f.Add(body)
	f.Add([]byte("{}"))
	f.Add([]byte(`{"format":1,"base":["` + strings.Repeat("00", 32) + `:1"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		object := fmt.Appendf(nil, "godwit backup 1 sha256=%x\n%s", sha256.Sum256(body), body)
		b, err := repository.DecodeManifest(object)
		if err != nil {
			return
		}
		_ = b.Epochs()
		_ = b.Position()
		if b.Stored() < 0 {
			t.Errorf("%d bytes", b.Stored())
		}
	})
}

// FuzzItems: what is no chunk of records is an error, whatever it is.
func FuzzItems(f *testing.F) {
	f.Add([]byte{})
	f.Add(repository.AppendItem(nil, record("a", "1", 50)))
	blob := record("b", "", 60)
	blob.Value = godwit.Value{Blob: godwit.Blob{ID: godwit.BlobID{1}, Size: 3}}
	f.Add(append(repository.AppendItem(nil, blob), "abc"...))
	blob.Value.Blob.Size = 9 << 20
	f.Add(append(repository.AppendItem(nil, blob), make([]byte, 64)...))
	f.Fuzz(func(t *testing.T, content []byte) {
		_ = repository.DecodeItems(content, func(it *repository.Item) error {
			if n := len(it.Content) + len(it.Parts); n > len(content) {
				t.Errorf("%d parts of %d bytes", n, len(content))
			}
			return nil
		})
	})
}

package repository_test

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/backup/place"
	"github.com/godwitkv/godwit/internal/backup/repository"
)

var rewrite = flag.Bool("rewrite", false, "write the repositories in testdata anew: only where there is a new format")

// testIdentity opens what lies in testdata, and nothing else.
const testIdentity = "AGE-SECRET-KEY-169KQF9LN927UELZHWLLD2DUWYZ4SLHKZPRWZT9SP6RZFS0A0J4HQV3K794"

// TestFormatStays: what was written by the first godwit that wrote repositories is read
// as it was.
func TestFormatStays(t *testing.T) {
	t.Parallel()
	id, err := age.ParseX25519Identity(testIdentity)
	check(t, err)
	for _, name := range []string{"plain", "encrypted"} {
		dir := filepath.Join("testdata", "format1", name)
		if *rewrite {
			writeFormat(t, dir, id)
		}
		r := open(t, dir, ofFormat(dir, id)...)
		ids, err := r.IDs(t.Context())
		check(t, err)
		check(t, r.Verify(t.Context(), ids))
		var told strings.Builder
		for _, id := range ids {
			b, err := r.Load(t.Context(), id)
			check(t, err)
			tell(t, &told, r, b)
		}
		want, err := os.ReadFile(filepath.Join("testdata", "format1", "told.txt"))
		check(t, err)
		if diff := cmp.Diff(string(want), told.String()); diff != "" {
			t.Errorf("%s (-was +is):\n%s", name, diff)
		}
	}
}

// ofFormat is what opens the backups in a directory, nothing for those in plain.
func ofFormat(dir string, id age.Identity) []age.Identity {
	if filepath.Base(dir) == "plain" {
		return nil
	}
	return []age.Identity{id}
}

// tell writes what a backup has.
func tell(t *testing.T, w io.Writer, r *repository.Repository, b *repository.Backup) {
	fmt.Fprintf(w, "revision %d from %d, time %d, created %s, cluster %s, keys %d, bytes %d, digest %s\n",
		b.Revision, b.From, b.Time, b.Created.Format(time.RFC3339), b.Cluster, b.Keys, b.Bytes, b.Digest)
	fmt.Fprintf(w, "  lineage %v\n", b.Epochs())
	values := r.Values(b)
	check(t, r.Read(t.Context(), b, func(p *repository.Part) error {
		fmt.Fprintf(w, "  base %t\n", p.Base)
		for i := range p.Items {
			rec := p.Items[i].Record
			fmt.Fprintf(w, "    %d %d %s %q %q metadata %q expiration %d swept %t %d %d", rec.Revision, rec.Op, rec.Namespace, rec.Key,
				rec.Value.Inline, rec.Metadata, rec.Expiration, rec.Swept, rec.Created, rec.Modified)
			if blob := rec.Value.Blob; !blob.IsZero() {
				content, err := io.ReadAll(values.Open(t.Context(), &p.Items[i]))
				if err != nil {
					return err
				}
				fmt.Fprintf(w, " blob %s of %d, %x, whole %t", blob.ID, blob.Size, blob.Hash[:4], sha256.Sum256(content) == blob.Hash)
			}
			fmt.Fprintln(w)
		}
		return nil
	}))
}

// writeFormat makes a repository of all that records may be.
func writeFormat(t *testing.T, dir string, id *age.X25519Identity) {
	check(t, os.RemoveAll(dir))
	cfg := repository.Config{Place: place.NewDirectory(dir), Now: func() time.Time { return time.Unix(1_800_000_000, 0) }}
	one, two := state(100), state(200)
	if filepath.Base(dir) == "encrypted" {
		cfg.Recipients = []age.Recipient{id.Recipient()}
		one.Key = repository.NewKey()
		two.Key = one.Key
	}
	r, err := repository.New(cfg)
	check(t, err)
	defer r.Close()
	contents := map[godwit.BlobID][]byte{{1}: bytes.Repeat([]byte("small "), 20_000), {2}: bytes.Repeat([]byte("large "), 1_500_000)}
	blob := func(key string, id byte, revision godwit.Revision) *godwit.Record {
		rec := record(key, "", revision)
		content := contents[godwit.BlobID{id}]
		rec.Value = godwit.Value{Blob: godwit.Blob{ID: godwit.BlobID{id}, Size: int64(len(content)), Hash: sha256.Sum256(content)}}
		return rec
	}
	rich := record("rich ключ", "value", 60)
	rich.Metadata, rich.Expiration, rich.Created = []byte(`{"a":1}`), 1_900_000_000, 2
	gone := record("large", "", 150)
	gone.Op, gone.Value = godwit.OpDelete, godwit.Value{}
	swept := record("swept", "12", 160)
	swept.Swept, swept.Expiration = true, 1_700_000_000
	for _, s := range []struct {
		state   repository.State
		records []*godwit.Record
	}{
		{one, []*godwit.Record{record("empty", "", 40), blob("large", 2, 50), rich, blob("small", 1, 70)}},
		{two, []*godwit.Record{gone, swept, record("empty", "no more", 170)}},
	} {
		w, err := r.Begin(t.Context(), s.state)
		check(t, err)
		for _, rec := range s.records {
			check(t, w.Add(rec, func(b godwit.Blob) (io.ReadCloser, error) {
				return io.NopCloser(bytes.NewReader(contents[b.ID])), nil
			}))
		}
		_, err = w.End(t.Context(), nil)
		check(t, err)
	}
	ids, err := r.IDs(t.Context())
	check(t, err)
	read := open(t, dir, ofFormat(dir, id)...)
	var told strings.Builder
	for _, name := range ids {
		b, err := read.Load(t.Context(), name)
		check(t, err)
		tell(t, &told, read, b)
	}
	check(t, os.WriteFile(filepath.Join(filepath.Dir(dir), "told.txt"), []byte(told.String()), 0o600))
}

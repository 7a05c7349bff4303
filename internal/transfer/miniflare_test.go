package transfer_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/transfer"
)

// miniflareDatabase is where miniflare has the database of a namespace called "n".
const miniflareDatabase = "miniflare-KVNamespaceObject/b8fa8a58abed6e42867983f4501a3b0bd9b4acc2a28e3dfc491cc824b5526887.sqlite"

// TestMiniflareHostile holds that a state which somebody has made up ends in an error:
// it neither hangs the import nor fills the disk or memory.
func TestMiniflareHostile(t *testing.T) {
	const table = "CREATE TABLE _mf_entries (key TEXT PRIMARY KEY, blob_id TEXT, expiration INTEGER, metadata TEXT);"
	fifo := func(t *testing.T, name string) { check(t, syscall.Mkfifo(name, 0o600)) }
	for name, tt := range map[string]struct {
		schema string
		change func(t *testing.T, database, blobs string)
		want   string
	}{
		"a pipe for a database": {"", func(t *testing.T, db, _ string) { fifo(t, db) }, "is no file"},
		"a device":              {"", func(t *testing.T, db, _ string) { check(t, os.Symlink("/dev/zero", db)) }, "is no file"},
		"a pipe for a log":      {table, func(t *testing.T, db, _ string) { fifo(t, db+"-wal") }, "is no file"},
		"a pipe for a value": {
			table + "INSERT INTO _mf_entries VALUES ('a', 'ab', NULL, NULL);",
			func(t *testing.T, _, blobs string) { fifo(t, filepath.Join(blobs, "ab")) }, "is no file",
		},
		"rows without end": {
			"CREATE VIEW _mf_entries AS WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM r) " +
				"SELECT 'k' || x AS key, 'ab' AS blob_id, NULL AS expiration, NULL AS metadata FROM r", nil, "no table of miniflare",
		},
		"a key that is made up": {
			"CREATE TABLE _mf_entries (blob_id TEXT, expiration INTEGER, metadata TEXT, key TEXT AS (CAST(zeroblob(900000000) AS TEXT)));" +
				"INSERT INTO _mf_entries (blob_id) VALUES ('ab');", nil, "too big",
		},
		"another database": {"CREATE TABLE t (x)", nil, "no table of miniflare"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			database, blobs := filepath.Join(dir, miniflareDatabase), filepath.Join(dir, "n", "blobs")
			check(t, os.MkdirAll(filepath.Dir(database), 0o700))
			check(t, os.MkdirAll(blobs, 0o700))
			if tt.schema != "" {
				makeDatabase(t, database, tt.schema)
			}
			if tt.change != nil {
				tt.change(t, database, blobs)
			}
			m := &transfer.Miniflare{Dir: dir}
			check(t, m.Find())
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			for _, err := range m.Batches(ctx) {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				return
			}
			t.Error("it took it for a namespace without keys")
		})
	}
}

func makeDatabase(t *testing.T, name, schema string) {
	t.Helper()
	db, err := sql.Open("sqlite", name)
	check(t, err)
	_, err = db.ExecContext(t.Context(), schema)
	check(t, err)
	check(t, db.Close())
}

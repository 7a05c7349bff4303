package transfer

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"modernc.org/sqlite" // the driver, too
	sqlitelib "modernc.org/sqlite/lib"
)

// miniflareObject is the directory in which miniflare keeps an SQLite file for each
// namespace; each has a directory of its own beside it, for values.
const miniflareObject = "miniflare-KVNamespaceObject"

// Miniflare is the source of a namespace of miniflare's, or "wrangler dev"'s, local
// state, in order of its keys' bytes. Nothing should be writing to it.
type Miniflare struct {
	Dir       string // a project, or its state, or the directory "kv" of that
	Namespace string // id; "": the only one there is
	From      Mark   // go on behind its key
}

var _ Source = (*Miniflare)(nil)

// Find looks for the state and settles on a namespace.
func (m *Miniflare) Find() error {
	for _, below := range []string{"", "kv", "v3/kv", "state/v3/kv", ".wrangler/state/v3/kv"} {
		dir := filepath.Join(m.Dir, filepath.FromSlash(below))
		if info, err := os.Stat(filepath.Join(dir, miniflareObject)); err == nil && info.IsDir() {
			m.Dir = dir
			return m.choose()
		}
	}
	return fmt.Errorf("%s holds no local state of miniflare's KV", m.Dir)
}

// choose settles on a namespace.
func (m *Miniflare) choose() error {
	all, err := m.namespaces()
	if err != nil {
		return err
	}
	if m.Namespace == "" && len(all) == 1 {
		m.Namespace = all[0]
	}
	switch {
	case m.Namespace == "" && len(all) == 0:
		return fmt.Errorf("%s holds no namespace", m.Dir)
	case m.Namespace == "":
		return fmt.Errorf("%s holds several namespaces, %q: say which", m.Dir, all)
	case !slices.Contains(all, m.Namespace):
		return fmt.Errorf("%s holds no namespace %q, but %q", m.Dir, m.Namespace, all)
	}
	return nil
}

func (m *Miniflare) namespaces() (all []string, err error) {
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		return nil, fmt.Errorf("read directory: %w", err)
	}
	for _, e := range entries {
		if _, err := os.Stat(m.database(e.Name())); e.IsDir() && err == nil {
			all = append(all, e.Name())
		}
	}
	return all, nil
}

// database is the file of a namespace. Its name is the id of a Durable Object, which
// follows from the names of its class and of the namespace.
func (m *Miniflare) database(namespace string) string {
	key := sha256.Sum256([]byte(miniflareObject))
	sum := func(text []byte) []byte {
		h := hmac.New(sha256.New, key[:])
		h.Write(text)
		return h.Sum(nil)[:16]
	}
	name := sum([]byte(namespace))
	return filepath.Join(m.Dir, miniflareObject, hex.EncodeToString(append(name, sum(name)...))+".sqlite")
}

// Batches implements [Source].
func (m *Miniflare) Batches(ctx context.Context) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		left := false
		err := m.open(ctx, func(rows *sql.Rows) error {
			err := m.read(rows, yield)
			left = errors.Is(err, errLeft)
			return err
		})
		if err != nil && !left {
			yield(Batch{}, err)
		}
	}
}

// open queries a copy of the database: opened where it is, it would be changed, if no
// more than by taking in its log.
func (m *Miniflare) open(ctx context.Context, read func(*sql.Rows) error) (err error) {
	dir, err := os.MkdirTemp("", "godwit-miniflare-")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	copied := filepath.Join(dir, "db.sqlite")
	for _, suffix := range []string{"", "-wal"} {
		if err := copyFile(copied+suffix, m.database(m.Namespace)+suffix); err != nil && (suffix == "" || !errors.Is(err, fs.ErrNotExist)) {
			return err
		}
	}
	db, err := sql.Open("sqlite", copied)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	c, err := entriesOf(ctx, db)
	if err != nil {
		return fmt.Errorf("read database: %w", err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	rows, err := c.QueryContext(ctx, `SELECT key, blob_id, expiration, metadata FROM _mf_entries WHERE key > ? ORDER BY key`, m.From.Key)
	if err != nil {
		return fmt.Errorf("read database: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if err := read(rows); err != nil {
		return err
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read database: %w", err)
	}
	return nil
}

// maxRowBytes bounds what the database may hold in one place: a key and its metadata
// have far less.
const maxRowBytes = 1 << 20

// entriesOf connects to a database that has its rows in a table. What else could be
// called so would make up rows, without end or of any length.
func entriesOf(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	var kind string
	_, err = sqlite.Limit(c, sqlitelib.SQLITE_LIMIT_LENGTH, maxRowBytes)
	if err == nil {
		err = c.QueryRowContext(ctx, `SELECT type FROM sqlite_schema WHERE name = '_mf_entries'`).Scan(&kind)
	}
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && kind != "table":
		err = errors.New("it has no table of miniflare's")
	case err == nil:
		return c, nil
	}
	return nil, errors.Join(err, c.Close())
}

func copyFile(to, from string) error {
	info, err := os.Stat(from)
	switch {
	case err != nil:
		return fmt.Errorf("open database: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("open database: %s is no file", from)
	}
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	if _, err = io.Copy(out, in); err != nil {
		err = fmt.Errorf("copy database: %w", err)
	}
	return errors.Join(err, out.Close())
}

// read gives all rows.
func (m *Miniflare) read(rows *sql.Rows, yield func(Batch, error) bool) (err error) {
	blobs, err := os.OpenRoot(filepath.Join(m.Dir, m.Namespace, "blobs"))
	if err != nil {
		return fmt.Errorf("open values: %w", err)
	}
	defer func() { err = errors.Join(err, blobs.Close()) }()
	var b Batch
	size := int64(0)
	for rows.Next() {
		it, err := m.item(rows, blobs)
		if err != nil {
			return err
		}
		b.Items, b.Mark.Key = append(b.Items, it), it.Key
		if size += it.size(); len(b.Items) < batchItems && size < batchBytes {
			continue
		}
		if !yield(b, nil) {
			return errLeft
		}
		b, size = Batch{}, 0
	}
	if len(b.Items) > 0 && !yield(b, nil) {
		return errLeft
	}
	return nil
}

func (m *Miniflare) item(rows *sql.Rows, blobs *os.Root) (it Item, err error) {
	var blob string
	var expiration sql.NullInt64 // milliseconds
	var metadata sql.NullString
	if err := rows.Scan(&it.Key, &blob, &expiration, &metadata); err != nil {
		return it, fmt.Errorf("read row: %w", err)
	}
	if metadata.Valid && metadata.String != "null" {
		it.Metadata = json.RawMessage(metadata.String)
	}
	it.Expiration = expiration.Int64 / 1000
	if expiration.Valid && it.Expiration <= 0 {
		it.Expiration = 1 // long ago
	}
	switch {
	case it.check(0) != nil:
		return it, it.fault(it.check(0))
	case it.Metadata != nil && !json.Valid(it.Metadata):
		return it, it.fault(errors.New("the metadata is not JSON"))
	case blob == "" || strings.Trim(blob, "0123456789abcdef") != "":
		return it, it.fault(errors.New("the value's file has no name of miniflare's"))
	}
	info, err := blobs.Stat(blob)
	if err != nil {
		return it, it.fault(fmt.Errorf("look at value: %w", err))
	}
	if !info.Mode().IsRegular() {
		return it, it.fault(fmt.Errorf("the value %s is no file", blob))
	}
	if info.Size() <= fileHeld {
		if it.Value, err = blobs.ReadFile(blob); err != nil {
			return it, it.fault(fmt.Errorf("read value: %w", err))
		}
		return it, nil
	}
	metadataOf, expirationOf, name := it.Metadata, it.Expiration, filepath.Join(m.Dir, m.Namespace, "blobs")
	it.Size = info.Size()
	it.Open = func(context.Context) (*Large, error) {
		f, err := os.OpenInRoot(name, blob)
		if err != nil {
			return nil, fmt.Errorf("open value: %w", err)
		}
		return &Large{ReadCloser: f, Size: info.Size(), Metadata: metadataOf, Expiration: expirationOf}, nil
	}
	return it, nil
}

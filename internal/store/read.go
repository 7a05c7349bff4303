package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/blob"
)

// revisionWait bounds how long a read waits for Godwit-Min-Revision.
const revisionWait = 2 * time.Second

// Get implements godwit.Reader.
func (s *Store) Get(ctx context.Context, ns godwit.NamespaceID, key []byte, opts godwit.ReadOptions) (*godwit.Entry, godwit.Served, error) {
	served := godwit.Served{Revision: s.durable.revision()}
	if opts.MinRevision > served.Revision {
		r, err := s.reach(ctx, opts.MinRevision)
		if err != nil {
			return nil, served, err
		}
		served.Revision = r
	}
	hash := hotHash(s.hot, ns, key)
	e := s.hot.get(hash, ns, key)
	var held godwit.Revision
	var err error
	if e != nil {
		held = e.Revision
	} else {
		e, held, err = s.getCold(ctx, hash, ns, key, served.Revision)
	}
	if held > served.Revision && !s.mixed.Load() {
		served.Revision = held // it came since; with it all before it
	}
	if err != nil {
		return nil, served, err
	}
	if e.Expiration != 0 && e.Expired(s.cfg.Now().Unix()) {
		return nil, served, godwit.ErrKeyNotFound
	}
	return e, served, nil
}

// reach waits until the store holds r, and returns what it holds then.
func (s *Store) reach(ctx context.Context, r godwit.Revision) (godwit.Revision, error) {
	ctx, cancel := context.WithTimeout(ctx, revisionWait)
	defer cancel()
	if err := s.durable.wait(ctx, r); err != nil {
		return 0, godwit.Errorf(godwit.CodeUnavailable, "Revision %s has not reached this node.", r)
	}
	return s.durable.revision(), nil
}

// getCold reads what is not in the hot table. held is a revision that the state holds in
// which the key was found, or was not; since is one that was durable before.
func (s *Store) getCold(ctx context.Context, hash uint64, ns godwit.NamespaceID, key []byte, since godwit.Revision) (e *godwit.Entry, held godwit.Revision, err error) {
	ticket := s.hot.ticket(hash)
	h := &hotEntry{hash: hash, ns: ns}
	err = s.readCold(ticket, h, key)
	if errors.Is(err, godwit.ErrKeyNotFound) {
		return s.confirmAbsent(ctx, ticket, h, key, since)
	}
	if err != nil {
		return nil, 0, readError(err)
	}
	if h.entry.Revision > s.durable.revision() && !s.cfg.Follower {
		if err := s.waitDurable(ctx, h.entry.Revision); err != nil {
			return nil, 0, err
		}
	}
	s.hot.fill(ticket, h)
	return &h.entry, h.entry.Revision, nil
}

// readCold reads an entry from the row cache or else from the database.
func (s *Store) readCold(ticket hotTicket, h *hotEntry, key []byte) error {
	return retrySuperseded(func() error {
		var at place
		found, err := rowCacheGet(s.hot.rows, h.hash, h.ns, key, func(row []byte) (err error) {
			at, err = fillEntry(&h.entry, key, row)
			return err
		})
		if !found {
			at, err = readHeader(s.db, h.ns, key, &h.entry, func(row []byte) {
				s.hot.fillRow(ticket, h.hash, h.ns, key, row)
			})
		}
		if err != nil || at != placeRow {
			return err
		}
		return readValue(s.db, h.ns, &h.entry)
	})
}

// confirmAbsent returns ErrKeyNotFound once what deleted the key, if that was
// just now, is durable, and a revision that holds it. It is asked after the database
// was read: what that saw is then known of here. Only where a commit was about to
// change the key, or one that looks like it, nobody knows what the read saw: one
// state of the store is asked then, which may have the key. Not always, since that
// waits for the sync of whatever was written last.
func (s *Store) confirmAbsent(ctx context.Context, ticket hotTicket, h *hotEntry, key []byte, since godwit.Revision) (*godwit.Entry, godwit.Revision, error) {
	if godwit.Revision(s.pending.Load()) <= since {
		return nil, since, godwit.ErrKeyNotFound
	}
	held, still := s.hot.unchanged(ticket, h.hash)
	if !still {
		return s.getExact(ctx, h.ns, key)
	}
	if !s.cfg.Follower {
		if err := s.waitDurable(ctx, held); err != nil {
			return nil, 0, err
		}
	}
	return nil, held, godwit.ErrKeyNotFound
}

// getExact reads an entry from one state of the store, and tells of which revision
// that is.
func (s *Store) getExact(ctx context.Context, ns godwit.NamespaceID, key []byte) (e *godwit.Entry, held godwit.Revision, err error) {
	snap, held, err := s.snapshot(ctx, godwit.ReadOptions{})
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, snap.Close()) }()
	e = new(godwit.Entry)
	err = readEntry(snap, ns, key, e)
	if err != nil && !errors.Is(err, godwit.ErrKeyNotFound) {
		err = readError(err)
	}
	return e, held, err
}

// syncWait bounds how long a read waits for what it saw to be synced: a disk that
// takes longer has stopped.
const syncWait = 10 * time.Second

func (s *Store) waitDurable(ctx context.Context, r godwit.Revision) error {
	if s.durable.revision() >= r {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, syncWait)
	defer cancel()
	if err := s.durable.wait(ctx, r); err != nil {
		return waitError(err)
	}
	return nil
}

func waitError(err error) error {
	return &godwit.Error{Code: godwit.CodeUnavailable, Message: "The read was cut off while it waited for the disk.", Err: err}
}

// errSuperseded tells that an entry was replaced between two look-ups.
var errSuperseded = errors.New("entry was replaced while it was read")

// retrySuperseded calls fn again while what it reads is being replaced.
func retrySuperseded(fn func() error) error {
	const tries = 8
	for range tries {
		if err := fn(); !errors.Is(err, errSuperseded) {
			return err
		}
	}
	return godwit.Errorf(godwit.CodeUnavailable, "The key is being replaced too fast to be read.")
}

// readEntry reads an entry and, unless it is a blob, its value from one state of
// the database.
func readEntry(snap *pebble.Snapshot, ns godwit.NamespaceID, key []byte, e *godwit.Entry) error {
	at, err := readHeader(snap, ns, key, e, nil)
	if err != nil || at != placeRow {
		return err
	}
	return readValue(snap, ns, e)
}

// readHeader reads an entry's row, shows it to keep, and tells where the value
// is. Error: ErrKeyNotFound.
func readHeader(r pebble.Reader, ns godwit.NamespaceID, key []byte, e *godwit.Entry, keep func(row []byte)) (place, error) {
	var scratch [1 + nsLen + godwit.MaxKeyBytes]byte
	row, closer, err := r.Get(appendEntryKey(scratch[:0], ns, key))
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, godwit.ErrKeyNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("read entry: %w", err)
	}
	at, err := fillEntry(e, key, row)
	if err == nil && keep != nil {
		keep(row)
	}
	return at, errors.Join(err, closer.Close())
}

// readValue reads an entry's value from its own row. Error: errSuperseded.
func readValue(r pebble.Reader, ns godwit.NamespaceID, e *godwit.Entry) error {
	v, closer, err := r.Get(appendValueKey(nil, ns, e.Revision))
	if errors.Is(err, pebble.ErrNotFound) {
		return errSuperseded
	}
	if err != nil {
		return fmt.Errorf("read value: %w", err)
	}
	e.Value.Inline = bytes.Clone(v)
	return closer.Close()
}

// fillEntry copies a row into an entry and tells where the value is.
func fillEntry(e *godwit.Entry, key, row []byte) (place, error) {
	r, err := decodeEntryRow(row)
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 0, len(r.metadata)+len(r.inline))
	*e = godwit.Entry{
		Key: string(key), Revision: r.revision, Created: r.created, Modified: r.modified,
		Expiration: r.expiration, Value: godwit.Value{Blob: r.blob},
	}
	if r.metadata != nil {
		buf = append(buf, r.metadata...)
		e.Metadata = buf[:len(buf):len(buf)]
	}
	if r.place == placeInline {
		buf = append(buf, r.inline...)
		e.Value.Inline = buf[len(r.metadata):]
	}
	return r.place, nil
}

// GetMany implements godwit.Reader.
func (s *Store) GetMany(ctx context.Context, ns godwit.NamespaceID, keys []string, opts godwit.ReadOptions) ([]*godwit.Entry, godwit.Served, error) {
	snap, rev, err := s.snapshot(ctx, opts)
	served := godwit.Served{Revision: rev}
	if err != nil {
		return nil, served, err
	}
	defer snap.Close()
	now := s.cfg.Now().Unix()
	found := make([]*godwit.Entry, len(keys))
	for i, key := range keys {
		e := new(godwit.Entry)
		switch err := readEntry(snap, ns, []byte(key), e); {
		case errors.Is(err, godwit.ErrKeyNotFound):
		case err != nil:
			return nil, served, readError(err)
		case !e.Expired(now):
			found[i] = e
		}
	}
	return found, served, nil
}

// snapshot returns one state of the store that is durable, and its revision.
func (s *Store) snapshot(ctx context.Context, opts godwit.ReadOptions) (*pebble.Snapshot, godwit.Revision, error) {
	if opts.MinRevision > s.durable.revision() {
		if _, err := s.reach(ctx, opts.MinRevision); err != nil {
			return nil, 0, err
		}
	}
	snap := s.db.NewSnapshot()
	held, err := heldBy(snap)
	if err == nil && !s.cfg.Follower {
		err = s.waitDurable(ctx, held)
	}
	if err != nil {
		return nil, 0, errors.Join(err, snap.Close())
	}
	return snap, held, nil
}

// heldBy is the last revision that a snapshot holds.
func heldBy(snap *pebble.Snapshot) (godwit.Revision, error) {
	row, closer, err := snap.Get(metaApplied)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read applied position: %w", err)
	}
	rev, _, err := decodePair(row)
	return godwit.Revision(rev), errors.Join(err, closer.Close())
}

// OpenValue implements godwit.Reader.
func (s *Store) OpenValue(_ context.Context, ns godwit.NamespaceID, e *godwit.Entry) (io.ReadCloser, error) {
	if e.Value.Blob.IsZero() {
		return io.NopCloser(bytes.NewReader(e.Value.Inline)), nil
	}
	r, err := s.blobs.Open(e.Value.Blob)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, s.absentBlob(ns, e, err)
	}
	if err != nil {
		return nil, err
	}
	v := &blobValue{Reader: r, store: s, damage: Damage{Namespace: ns, Key: e.Key, Revision: e.Revision, Blob: e.Value.Blob}}
	if err := r.Peek(); err != nil { // while the answer has not begun
		return nil, errors.Join(v.explain(err), r.Close())
	}
	return v, nil
}

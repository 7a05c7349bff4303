package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/blob"
)

// HasBlob tells whether a blob's file is here.
func (s *Store) HasBlob(id godwit.BlobID) bool { return s.blobs.Has(id) }

// OpenBlob opens the content of a blob whose file is here, whether an entry names it
// or not. Error: blob.ErrNotFound.
func (s *Store) OpenBlob(b godwit.Blob) (io.ReadCloser, error) { return s.blobs.Open(b) }

// ImportBlob reads the content of b from r and keeps it durably under b's id.
// Errors: blob.ErrDamaged if length or hash are others, CodeDiskFull, r's error
// wrapped; each leaves what was there before, or the whole blob where the disk failed at
// the very end. Whether an entry names b is not asked: an import that came too late is
// for RemoveBlob.
func (s *Store) ImportBlob(ctx context.Context, b godwit.Blob, r io.Reader) error {
	w, err := s.blobs.Import(b)
	if err != nil {
		return s.uploadError(err)
	}
	defer w.Abort()
	n, err := s.copyBlob(ctx, w, r, b.Size)
	if err != nil {
		return err
	}
	if n != b.Size {
		return fmt.Errorf("import blob %s of %d bytes, not %d: %w", b.ID, n, b.Size, blob.ErrDamaged)
	}
	if _, err := w.Commit(); err != nil {
		return s.uploadError(err)
	}
	return nil
}

// SpareBlob has the file of a blob that came for an entry of ns go, after the same
// time as one whose entry went, if no entry of ns names the blob any more: it was
// on its way when that was removed.
func (s *Store) SpareBlob(ns godwit.NamespaceID, id godwit.BlobID) error {
	tx := s.Begin()
	_, closer, err := s.db.Get(appendBlobKey(nil, ns, id))
	switch {
	case err == nil:
		tx.Rollback()
		return closer.Close()
	case !errors.Is(err, pebble.ErrNotFound):
		tx.Rollback()
		return fmt.Errorf("read blob row: %w", err)
	}
	tx.discardBlob(ns, id)
	return tx.commitAside()
}

// NamesBlob tells whether an entry of any namespace, or an earlier version of one, names a
// blob. It costs a look at each namespace that has blobs.
func (s *Store) NamesBlob(id godwit.BlobID) (bool, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixBlob}, UpperBound: []byte{prefixBlob + 1}})
	if err != nil {
		return false, fmt.Errorf("open iterator: %w", err)
	}
	named := false
	for ok := it.First(); ok && !named && err == nil; {
		var ns godwit.NamespaceID
		var at godwit.BlobID
		ns, at, err = cutBlobKey(it.Key())
		switch c := bytes.Compare(at[:], id[:]); {
		case c == 0:
			named = true
		case c < 0:
			ok = it.SeekGE(appendBlobKey(nil, ns, id))
		default:
			ok = it.SeekGE(successor(appendNS(nil, prefixBlob, ns)))
		}
	}
	return named, errors.Join(err, it.Error(), it.Close())
}

// AdoptBlob gives the content of one blob that is here to another one with the
// same hash and length. Errors: blob.ErrNotFound, blob.ErrDamaged, CodeDiskFull.
func (s *Store) AdoptBlob(from, to godwit.Blob) error {
	if from.Hash != to.Hash || from.Size != to.Size {
		return fmt.Errorf("blob %s is not the content of %s: %w", from.ID, to.ID, blob.ErrNotFound)
	}
	if from.ID == to.ID && s.HasBlob(to.ID) {
		return nil
	}
	r, err := s.blobs.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	return s.ImportBlob(context.Background(), to, r)
}

// RemoveBlob removes a blob's file though an entry names it: it can be had again
// from upstream. Readers that have it open go on.
func (s *Store) RemoveBlob(id godwit.BlobID) error { return s.blobs.Remove(id) }

// MissingBlobs calls fn for each entry whose blob's file is not here, in no
// order.
func (s *Store) MissingBlobs(ctx context.Context, fn func(Place, *godwit.Entry) error) error {
	return s.Blobs(ctx, func(p Place, e *godwit.Entry, here bool) error {
		if here {
			return nil
		}
		return fn(p, e)
	})
}

// Blobs calls fn for each entry whose value is a blob, in no order, and tells
// whether its file is here.
func (s *Store) Blobs(ctx context.Context, fn func(p Place, e *godwit.Entry, here bool) error) error {
	snap := s.db.NewSnapshot()
	defer snap.Close()
	rows := 0
	return scanPrefix(snap, []byte{prefixBlob}, func(k, v []byte) error {
		if rows++; rows%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		ns, id, err := cutBlobKey(k)
		if err != nil {
			return err
		}
		_, key, known, err := decodeBlobRow(v)
		if !known || err != nil { // of a store that has always owned its log
			return err
		}
		e := new(godwit.Entry)
		_, err = readHeader(snap, ns, key, e, nil)
		if errors.Is(err, godwit.ErrKeyNotFound) || err == nil && e.Value.Blob.ID != id { // of a deleted namespace
			return nil
		}
		if err != nil {
			return err
		}
		return fn(Place{ns, string(key)}, e, s.HasBlob(id))
	})
}

package store

import (
	"errors"
	"io"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/blob"
)

// Damage is a value that is not on this disk as it was written. The zero value is of
// a file of the database, of which nothing more is known yet.
type Damage struct {
	Namespace godwit.NamespaceID
	Key       string // not for logs
	Revision  godwit.Revision
	Blob      godwit.Blob // zero: it stands in the database
	Err       error
}

// IsDamage tells whether an error is about bytes that are not those that were
// written, rather than about a disk that does not let them be read, or a programme.
func IsDamage(err error) bool {
	return errors.Is(err, ErrCorrupt) || errors.Is(err, blob.ErrDamaged) || pebble.IsCorruptionError(err)
}

// readError is what a read that met damage is answered with.
func readError(err error) error {
	if !IsDamage(err) {
		return err
	}
	return &godwit.Error{Code: godwit.CodeDamaged, Message: godwit.ErrDamaged.Message, Err: err}
}

// TellAbsent tells of a blob whose file should be here by now and is not, so that it is
// mended before a read meets it.
func (s *Store) TellAbsent(ns godwit.NamespaceID, key string, r godwit.Revision, b godwit.Blob) {
	s.tellDamaged(Damage{Namespace: ns, Key: key, Revision: r, Blob: b, Err: blob.ErrNotFound})
}

func (s *Store) tellDamaged(d Damage) {
	if fn := s.onDamaged.Load(); fn != nil {
		(*fn)(d)
	}
}

// absentBlob is the error of a blob without a file: its entry was replaced while it was
// read, and no earlier version names it, or else the file is lost.
func (s *Store) absentBlob(ns godwit.NamespaceID, e *godwit.Entry, err error) error {
	named, atErr := s.blobAt(ns, e.Key, e.Revision)
	switch {
	case atErr != nil:
		return readError(atErr)
	case named.ID != e.Value.Blob.ID:
		return &godwit.Error{Code: godwit.CodeUnavailable, Message: godwit.ErrReplaced.Message, Err: err}
	}
	s.tellDamaged(Damage{Namespace: ns, Key: e.Key, Revision: e.Revision, Blob: e.Value.Blob, Err: err})
	if s.cfg.Follower { // it is yet to come, or comes again
		return &godwit.Error{Code: godwit.CodeUnavailable, Message: "The value is not on this node's disk for now.", Err: err}
	}
	return &godwit.Error{Code: godwit.CodeDamaged, Message: godwit.ErrDamaged.Message, Err: err}
}

// blobValue is a blob that is read, which tells of damage that it meets.
type blobValue struct {
	*blob.Reader
	store  *Store
	damage Damage
}

// Read implements io.Reader. Error: CodeDamaged.
func (v *blobValue) Read(p []byte) (int, error) {
	n, err := v.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = v.explain(err)
	}
	return n, err
}

func (v *blobValue) explain(err error) error {
	if errors.Is(err, blob.ErrDamaged) && v.damage.Err == nil {
		v.damage.Err = err
		v.store.tellDamaged(v.damage)
	}
	return readError(err)
}

package store

import (
	"context"
	"io"

	"github.com/godwitkv/godwit"
)

// CatchUp makes a record take effect unless what stands under its key is as new.
// The position stays: Reach moves it once all records up to there are in.
func (tx *Tx) CatchUp(r *godwit.Record) error { panic("later") }

// Install puts an entry as an upstream has it, whatever stands under its key,
// newer too. The position stays.
func (tx *Tx) Install(r *godwit.Record) error { panic("later") }

// Remove takes away what stands under a key and leaves no tombstone. Removing a
// namespace's own entry removes its keys with it. The position stays.
func (tx *Tx) Remove(p Place) error { panic("later") }

// Reach moves the position to r, which makes the store an exact prefix of the
// log up to there. Error: r is before the position; see Rewind.
func (tx *Tx) Reach(r godwit.Revision) error { panic("later") }

// Rewind moves the position back to r: the log's owner has lost what came after.
// What stands with a newer revision must have been replaced or removed.
func (tx *Tx) Rewind(r godwit.Revision) { panic("later") }

// Follow takes over an upstream's identity: its cluster id, lineage and a purge
// floor of at least purged.
func (tx *Tx) Follow(cluster string, l godwit.Lineage, purged godwit.Revision) error {
	panic("later")
}

// SetNote keeps a note of the follower's own, such as how far a reconcile came,
// with what else the transaction changes; nil removes it.
func (tx *Tx) SetNote(name string, text []byte) { panic("later") }

// Note returns what SetNote kept, or nil.
func (s *Store) Note(name string) ([]byte, error) { panic("later") }

// Sync makes all that was committed so far durable.
func (s *Store) Sync() error { return s.syncLog() }

// HasBlob tells whether a blob's file is here.
func (s *Store) HasBlob(id godwit.BlobID) bool { panic("later") }

// ImportBlob reads the content of b from r and keeps it durably under b's id.
// Errors: blob.ErrDamaged if length or hash are others, CodeDiskFull, r's error
// wrapped; each leaves nothing behind.
func (s *Store) ImportBlob(ctx context.Context, b godwit.Blob, r io.Reader) error { panic("later") }

// AdoptBlob gives the content of one blob that is here to another one with the
// same hash and length. Error: blob.ErrNotFound.
func (s *Store) AdoptBlob(from, to godwit.Blob) error { panic("later") }

// RemoveBlob removes a blob's file though an entry names it: it can be had again
// from upstream. Readers that have it open go on.
func (s *Store) RemoveBlob(id godwit.BlobID) error { panic("later") }

// MissingBlobs calls fn for each entry whose blob's file is not here, in no
// order.
func (s *Store) MissingBlobs(ctx context.Context, fn func(Place, *godwit.Entry) error) error {
	panic("later")
}

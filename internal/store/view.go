package store

import (
	"context"

	"github.com/godwitkv/godwit"
)

// Committed is what one commit changed. Its records are valid only while the
// function that is told of it runs.
type Committed struct {
	Prev, Revision godwit.Revision // the position before, and after
	Time           int64           // the log's, unix milliseconds
	Records        []godwit.Record // what took effect, in order of revision
	Exact          bool            // Records are all there is between Prev and Revision
}

// Expired is an entry that its second has made absent.
type Expired struct {
	Namespace godwit.NamespaceID
	Key       string
	Revision  godwit.Revision
	At        int64 // unix seconds
}

// Place is a key's place in a walk: by namespace, the system's first, then by
// the bytes of the key.
type Place struct {
	Namespace godwit.NamespaceID
	Key       string
}

// View is one durable state of the store. Whoever holds one keeps the database
// from forgetting what has been replaced since: hold it for seconds, not minutes.
// It is for one goroutine.
type View struct{}

// View returns the state of now. The caller closes it.
func (s *Store) View(ctx context.Context) (*View, error) { panic("later") }

// Close ends the view.
func (v *View) Close() error { panic("later") }

// Revision is the position of the state.
func (v *View) Revision() godwit.Revision { panic("later") }

// Time is the log's time at that position, unix milliseconds.
func (v *View) Time() int64 { panic("later") }

// Changes calls fn with what stands now of each mutation in (after, upTo], in
// order of revision: what was replaced since is left out, a deletion comes as
// OpDelete, an entry whose value is gone because it has expired comes with
// Record.Swept. Values that are blobs come as references. The record is valid
// during the call.
func (v *View) Changes(ctx context.Context, after, upTo godwit.Revision, fn func(*godwit.Record) error) error {
	panic("later")
}

// Walk calls fn for each entry behind after (nil: from the start), in order of
// place, expired ones too, deletions not. Without values, Value.Inline is nil
// though Value.Blob stands. The record is valid during the call.
func (v *View) Walk(ctx context.Context, after *Place, values bool, fn func(*godwit.Record) error) error {
	panic("later")
}

// Entry returns what stands under a key, as Walk does, or nil.
func (v *View) Entry(p Place) (*godwit.Record, error) { panic("later") }

package edge

import (
	"context"
	"io"

	"github.com/godwitkv/godwit"
)

// values fetches values that are not here.
type values struct{}

// open returns the value of an entry, which is fetched if it is not here.
func (v *values) open(ctx context.Context, ns godwit.NamespaceID, entry *godwit.Entry) (io.ReadCloser, error) {
	panic("later")
}

// uploaded tells of a value that was uploaded here: a record with the same hash
// need not be fetched.
func (v *values) uploaded(b godwit.Blob) { panic("later") }

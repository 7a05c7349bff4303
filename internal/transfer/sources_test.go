package transfer_test

import (
	"bytes"
	"context"
	"io"
	"iter"

	"github.com/godwitkv/godwit/internal/transfer"
)

// fixed is a source of what is known.
type fixed []transfer.Batch

// Batches implements [transfer.Source].
func (f fixed) Batches(context.Context) iter.Seq2[transfer.Batch, error] {
	return func(yield func(transfer.Batch, error) bool) {
		for _, b := range f {
			if !yield(b, nil) {
				return
			}
		}
	}
}

// opens is a value as a stream.
func opens(value []byte) func(context.Context) (*transfer.Large, error) {
	return func(context.Context) (*transfer.Large, error) {
		return &transfer.Large{ReadCloser: io.NopCloser(bytes.NewReader(value)), Size: int64(len(value))}, nil
	}
}

// gone is a value that was deleted after its key was listed.
func gone(context.Context) (*transfer.Large, error) { return nil, nil }

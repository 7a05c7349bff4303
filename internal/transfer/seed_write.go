package transfer

import (
	"bytes"
	"context"
	"iter"

	"github.com/godwitkv/godwit/client"
)

// Given is the source of items that are known.
type Given []Item

// Batches implements [Source].
func (g Given) Batches(context.Context) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		for rest := g; len(rest) > 0; {
			n := min(batchItems, len(rest))
			if !yield(Batch{Items: rest[:n]}, nil) {
				return
			}
			rest = rest[n:]
		}
	}
}

// compared is how many keys are read at once, to see whether they are as they should be.
const compared = 100

// Differing are the items that do not stand in a namespace as they should. One that is to
// live for a while differs always: its time begins anew.
func Differing(ctx context.Context, kv *client.KV, items []Item) (differing []Item, err error) {
	for len(items) > 0 {
		n := min(compared, len(items))
		keys := make([]string, n)
		for i := range keys {
			keys[i] = items[i].Key
		}
		there, err := kv.BulkGet(ctx, keys)
		if err != nil {
			return nil, err
		}
		for _, it := range items[:n] {
			now, ok := there[it.Key]
			if !ok || it.TTL != 0 || !now.Expiration.IsZero() || !bytes.Equal(now.Value, it.Value) || !bytes.Equal(now.Metadata, it.Metadata) {
				differing = append(differing, it)
			}
		}
		items = items[n:]
	}
	return differing, nil
}

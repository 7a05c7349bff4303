package client

import "context"

// CountOptions select what is counted; none of them: all of the namespace.
type CountOptions struct {
	Prefix string          // only keys that start with it
	Start  string          // only keys from this one on, itself too
	End    string          // only keys before this one, not itself; "": to the last
	Where  *MetadataFilter // only keys whose metadata it matches
}

// Count is how much there is.
type Count struct {
	Keys  int64
	Bytes int64 // of names, metadata and values
}

// Count tells how much the namespace holds. All of it is known at once, and
// exactly, of what the node's copy holds then; read options change nothing. A part
// of it is counted key by key, in as many requests as it takes, 100,000 keys in
// each: each is of one state, all of them together need not be. Errors:
// ErrNamespaceNotFound, ErrInvalid, ErrTooLarge for a bound that is too long.
func (kv *KV) Count(ctx context.Context, o CountOptions, opts ...ReadOption) (Count, error) {
	kv, err := kv.pinned(ctx)
	if err != nil {
		return Count{}, err
	}
	var sum Count
	query := (&ScanOptions{Prefix: o.Prefix, Start: o.Start, End: o.End, Where: o.Where}).query()
	for {
		var part struct {
			Keys   int64  `json:"keys"`
			Bytes  int64  `json:"bytes"`
			Cursor string `json:"cursor"`
		}
		if err := kv.native(ctx, "/count", query, opts, &part); err != nil {
			return Count{}, err
		}
		sum.Keys += part.Keys
		sum.Bytes += part.Bytes
		if part.Cursor == "" {
			return sum, nil
		}
		query.Set("cursor", part.Cursor)
	}
}

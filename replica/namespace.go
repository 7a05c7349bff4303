package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"unsafe"

	"github.com/godwitkv/godwit"
)

// Namespace reads and writes one namespace. Its methods may be called from many
// goroutines.
type Namespace struct {
	r  *Replica
	id godwit.NamespaceID
}

// Namespace finds a namespace by its id or title. One that is not known here is
// asked for upstream. Errors: godwit.ErrNamespaceNotFound; CodeUnavailable when the
// replica is closed.
func (r *Replica) Namespace(ctx context.Context, ref string) (*Namespace, error) {
	if err := r.reads.enter(); err != nil {
		return nil, err
	}
	defer r.reads.leave()
	ns, err := r.catalog.Load().Resolve(ctx, []byte(ref))
	if err != nil {
		return nil, err
	}
	return &Namespace{r, ns.ID}, nil
}

// ID is the namespace's id.
func (n *Namespace) ID() godwit.NamespaceID { return n.id }

// Get returns the entry under key. It is shared and immutable: neither it nor
// the bytes it points to may be changed. A value that is not in Value.Inline is
// read by Open.
// Errors: godwit.ErrKeyNotFound; CodeUnavailable before the first copy, and when the
// replica is closed.
func (n *Namespace) Get(ctx context.Context, key string) (*godwit.Entry, error) {
	return n.GetWith(ctx, key, godwit.ReadOptions{})
}

// GetWith is Get from a copy that is as fresh as opts ask. Error too:
// CodeUnavailable if it is not, and the upstream cannot be asked.
func (n *Namespace) GetWith(ctx context.Context, key string, opts godwit.ReadOptions) (*godwit.Entry, error) {
	if err := n.r.reads.enter(); err != nil {
		return nil, err
	}
	defer n.r.reads.leave()
	e, _, err := n.r.edge.Get(ctx, n.id, bytesOf(key), opts)
	return e, err
}

// bytesOf is the key's own bytes, which no reader changes or keeps: a copy would
// be the one allocation of a read.
func bytesOf(key string) []byte {
	return unsafe.Slice(unsafe.StringData(key), len(key)) //nolint:gosec // read only
}

// tries is how often a value is looked for that is being replaced meanwhile.
const tries = 3

// Value returns a copy of the value under key. Errors: as Get.
func (n *Namespace) Value(ctx context.Context, key string) ([]byte, error) {
	for try := 1; ; try++ {
		value, err := n.value(ctx, key)
		if err == nil || try == tries || !errors.Is(err, godwit.ErrReplaced) {
			return value, err
		}
	}
}

func (n *Namespace) value(ctx context.Context, key string) ([]byte, error) {
	e, err := n.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	if e.Value.Blob.IsZero() {
		return bytes.Clone(e.Value.Inline), nil
	}
	r, err := n.Open(ctx, e)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	value := make([]byte, e.Value.Size())
	if _, err := io.ReadFull(r, value); err != nil {
		return nil, fmt.Errorf("read value: %w", err)
	}
	return value, nil
}

// Open returns the value of an entry that Get returned. One that is not held
// here is fetched. The caller closes it. Errors: godwit.ErrReplaced if the entry
// was replaced meanwhile and its value is gone: get it again.
func (n *Namespace) Open(ctx context.Context, e *godwit.Entry) (io.ReadCloser, error) {
	if err := n.r.reads.enter(); err != nil {
		return nil, err
	}
	defer n.r.reads.leave()
	return n.r.edge.OpenValue(ctx, n.id, e)
}

// List yields the entries whose keys start with prefix, in order, without their
// values. Each page of godwit.MaxListKeys is of one state. Errors: as Get.
func (n *Namespace) List(ctx context.Context, prefix string) iter.Seq2[*godwit.Entry, error] {
	return func(yield func(*godwit.Entry, error) bool) {
		q := godwit.ListQuery{Prefix: prefix, Limit: godwit.MaxListKeys}
		for more := true; more; {
			page, err := n.page(ctx, q)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range page.Entries {
				if !yield(&page.Entries[i], nil) {
					return
				}
			}
			q.Cursor, more = page.Cursor, page.More
		}
	}
}

func (n *Namespace) page(ctx context.Context, q godwit.ListQuery) (*godwit.Page, error) {
	if err := n.r.reads.enter(); err != nil {
		return nil, err
	}
	defer n.r.reads.leave()
	return n.r.edge.List(ctx, n.id, q, godwit.ReadOptions{})
}

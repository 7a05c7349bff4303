package feed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"

	"github.com/godwitkv/godwit"
)

// contents is the values of a proposal, as this node keeps them until they are
// proposed.
type contents struct {
	uploader godwit.Uploader
	body     *reading
	uploads  []content
}

// content is a value that was uploaded, and which transaction names it.
type content struct {
	tx       int
	mutation *godwit.Mutation
}

// take reads the content of the blobs that the transactions name, and names it
// in their place. How values are kept is for this node to say, whatever the one
// before it does. Errors: those of Uploader.Upload, CodeInvalidRequest.
func (c *contents) take(ctx context.Context, txs []godwit.Transaction) error {
	for i := range txs {
		for j := range txs[i].Mutations {
			m := &txs[i].Mutations[j]
			var err error
			switch {
			case !m.Value.Blob.IsZero():
				err = c.takeBlob(ctx, i, m)
			case len(m.Value.Inline) > godwit.DefaultInlineBytes:
				err = c.upload(ctx, i, m, bytes.NewReader(m.Value.Inline), int64(len(m.Value.Inline)))
			}
			if err != nil {
				return err
			}
		}
	}
	if n, _ := io.ReadFull(c.body, make([]byte, 1)); n > 0 {
		return godwit.Errorf(godwit.CodeInvalidRequest, "The body goes on behind the last value.")
	}
	return nil
}

func (c *contents) takeBlob(ctx context.Context, tx int, m *godwit.Mutation) error {
	want := m.Value.Blob
	err := c.upload(ctx, tx, m, io.LimitReader(c.body, want.Size), want.Size)
	if c.body.err != nil && !errors.Is(c.body.err, io.EOF) {
		return malformed(c.body.err)
	}
	if err != nil {
		return err
	}
	hash := m.Value.Blob.Hash
	if m.Value.Blob.IsZero() {
		hash = sha256.Sum256(m.Value.Inline)
	}
	if m.Value.Size() != want.Size || hash != want.Hash {
		return godwit.Errorf(godwit.CodeInvalidRequest, "A value is not what its transaction says.")
	}
	return nil
}

func (c *contents) upload(ctx context.Context, tx int, m *godwit.Mutation, r io.Reader, size int64) error {
	v, err := c.uploader.Upload(godwit.WithDestination(ctx, m.Namespace), r, size)
	if err != nil {
		return err
	}
	m.Value = v
	c.uploads = append(c.uploads, content{tx, m})
	return nil
}

// settle drops the values that no entry names after the transactions were
// proposed.
func (c *contents) settle(ctx context.Context, reader godwit.Reader, results []godwit.Result, err error) {
	c.discard(func(up content) bool {
		switch {
		case up.tx >= len(results):
			return godwit.CodeOf(err) == godwit.CodeOutcomeUnknown
		case results[up.tx].Outcome != godwit.Applied:
			return false
		case !results[up.tx].Repeated:
			return true
		}
		// This very transaction, sent twice by the log, or an earlier one, which
		// brought a value of its own.
		e, _, err := reader.Get(ctx, up.mutation.Namespace, []byte(up.mutation.Key), godwit.ReadOptions{})
		if err != nil {
			return !errors.Is(err, godwit.ErrKeyNotFound)
		}
		return e.Value.Blob.ID == up.mutation.Value.Blob.ID
	})
}

// discard drops the values that keep does not want; nil wants none.
func (c *contents) discard(keep func(content) bool) {
	for _, up := range c.uploads {
		if keep == nil || !keep(up) {
			c.uploader.Discard(up.mutation.Value)
		}
	}
}

// reading remembers the error of a body.
type reading struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (r *reading) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil {
		r.err = err
	}
	return n, err
}

package edge

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"

	"github.com/godwitkv/godwit"
)

// through reads a value straight from the upstream and keeps nothing of it: the disk
// is full, and reads go on, or it must not come to this disk.
func (v *values) through(ctx context.Context, w want) (io.ReadCloser, error) {
	c := v.follow.upstream()
	if c == nil {
		return nil, godwit.ErrNoUpstream
	}
	ctx, cancel := v.follow.bind(ctx, c)
	r, err := c.Value(ctx, w.ns, w.key, w.revision, w.blob)
	if err != nil {
		cancel()
		v.follow.lost(c, err)
		return nil, err
	}
	return &passing{in: r, want: w.blob, hash: sha256.New(), cancel: cancel}, nil
}

// passing is a value on its way through. One that is not what the entry names ends
// in an error.
type passing struct {
	in     io.ReadCloser
	want   godwit.Blob
	hash   hash.Hash
	size   int64
	cancel context.CancelFunc
}

var errOtherValue = &godwit.Error{
	Code: godwit.CodeUnavailable, Message: "The value could not be fetched from upstream.", Err: errors.New("it is not the one that the entry names"),
}

// Read implements io.Reader.
func (p *passing) Read(b []byte) (int, error) {
	n, err := p.in.Read(b)
	p.hash.Write(b[:n])
	p.size += int64(n)
	if err == io.EOF && (p.size != p.want.Size || !bytes.Equal(p.hash.Sum(nil), p.want.Hash[:])) {
		err = errOtherValue
	}
	return n, err
}

// Close implements io.Closer.
func (p *passing) Close() error {
	defer p.cancel()
	return p.in.Close()
}

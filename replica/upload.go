package replica

import (
	"bytes"
	"context"
	"io"

	"github.com/godwitkv/godwit"
)

// upload takes value in. It ends with ctx, also while a Read of value waits.
func (n *Namespace) upload(ctx context.Context, value io.Reader) (godwit.Value, error) {
	to := godwit.WithDestination(ctx, n.id)
	if isHere(value) {
		return n.r.edge.Upload(to, value, godwit.MaxValueBytes)
	}
	s := &stream{ctx: ctx, r: value, buf: make([]byte, streamBytes)}
	v, err := n.r.edge.Upload(to, s, godwit.MaxValueBytes)
	if s.panicked != nil {
		panic(s.panicked) // for whoever put, who may recover
	}
	return v, err
}

// isHere tells whether a value is in memory or a file, which are not waited for.
func isHere(value io.Reader) bool {
	switch v := value.(type) {
	case *bytes.Buffer:
		return true
	case io.Seeker: // as a pipe is, too, but for that it cannot seek
		_, err := v.Seek(0, io.SeekCurrent)
		return err == nil
	}
	return false
}

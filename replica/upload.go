package replica

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/godwitkv/godwit"
)

// upload takes value in. It ends with ctx, also while a Read of value waits: that goes on
// then, in a goroutine that ends as it returns.
func (n *Namespace) upload(ctx context.Context, value io.Reader) (godwit.Value, error) {
	take := func(r io.Reader) (godwit.Value, error) {
		return n.r.edge.Upload(godwit.WithDestination(ctx, n.id), r, godwit.MaxValueBytes)
	}
	if isHere(value) {
		return take(value)
	}
	r, w := io.Pipe()
	stop := context.AfterFunc(ctx, func() { _ = w.CloseWithError(context.Cause(ctx)) })
	defer stop()
	panicked := make(chan any, 1)
	go func() {
		defer func() {
			p := recover() // which is for whoever put, who may recover
			_ = w.CloseWithError(errPanicked)
			panicked <- p
		}()
		_, err := io.Copy(w, value)
		_ = w.CloseWithError(err)
	}()
	v, err := take(r)
	_ = r.Close()
	select {
	case p := <-panicked: // value is its owner's again
		if p != nil {
			panic(p)
		}
	case <-ctx.Done():
	}
	return v, err
}

var errPanicked = errors.New("the value's Read panicked")

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

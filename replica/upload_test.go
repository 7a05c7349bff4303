package replica_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/replica"
)

// stalled gives what it has, says so, and waits for its end.
type stalled struct {
	io.Reader
	waits, end chan struct{}
}

func (s *stalled) Read(p []byte) (int, error) {
	if n, err := s.Reader.Read(p); err == nil {
		return n, nil
	}
	close(s.waits)
	<-s.end
	clear(p) // as one that was closed late might
	return len(p), nil
}

// TestPutEndsWithItsContext though whoever gives the value gives nothing more.
func TestPutEndsWithItsContext(t *testing.T) {
	c := openCentre(t)
	_, birds := c.open(t, replica.Config{WriteToken: rootToken})
	enough := errors.New("enough")
	for _, has := range []int{0, 100, 64 << 10, 300_000} {
		ctx, cancel := context.WithCancelCause(t.Context())
		value := &stalled{strings.NewReader(strings.Repeat("v", has)), make(chan struct{}), make(chan struct{})}
		t.Cleanup(func() { close(value.end) })
		done := make(chan error)
		go func() {
			_, err := birds.Put(ctx, "key", value, replica.PutOptions{})
			done <- err
		}()
		<-value.waits
		cancel(enough)
		if err := <-done; !errors.Is(err, enough) {
			t.Errorf("after %d bytes: %v", has, err)
		}
	}
	if _, err := birds.Get(t.Context(), "key"); !errors.Is(err, godwit.ErrKeyNotFound) {
		t.Errorf("half a value: %v", err)
	}
}

// TestPutOfStream is written whole, in any size, and no further than a value may be long.
func TestPutOfStream(t *testing.T) {
	c := openCentre(t)
	_, birds := c.open(t, replica.Config{WriteToken: rootToken})
	for _, size := range []int{0, 1, 64 << 10, 1 << 20} {
		want := make([]byte, size)
		_, _ = rand.NewChaCha8([32]byte{}).Read(want)
		_, err := birds.Put(t.Context(), "key", struct{ io.Reader }{strings.NewReader(string(want))}, replica.PutOptions{})
		check(t, err)
		if value(t, birds, "key") != string(want) {
			t.Errorf("%d bytes came back as others", size)
		}
	}
	broken := errors.New("the source broke")
	_, err := birds.Put(t.Context(), "key", io.MultiReader(strings.NewReader(strings.Repeat("v", 300_000)), failing{broken}), replica.PutOptions{})
	if !errors.Is(err, broken) {
		t.Errorf("a value that breaks off: %v", err)
	}
	_, err = birds.Put(t.Context(), "key", io.LimitReader(zeros{}, godwit.MaxValueBytes+1), replica.PutOptions{})
	if godwit.CodeOf(err) != godwit.CodeValueTooLarge {
		t.Errorf("too long a value: %v", err)
	}
	defer func() {
		if got := recover(); got != broken {
			t.Errorf("recovered %v", got)
		}
	}()
	_, _ = birds.Put(t.Context(), "key", panicking{broken}, replica.PutOptions{})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

type panicking struct{ err error }

func (p panicking) Read([]byte) (int, error) { panic(p.err) }

// TestPutThatFailsWaitsForNothing: it ends where the disk takes no value, although the value
// gives nothing more, and leaves the value alone.
func TestPutThatFailsWaitsForNothing(t *testing.T) {
	c := openCentre(t)
	dir := t.TempDir()
	_, birds := c.open(t, replica.Config{WriteToken: rootToken, Dir: dir})
	check(t, os.RemoveAll(filepath.Join(dir, "blobs")))
	value := &stalled{strings.NewReader(strings.Repeat("v", 64<<10+1)), make(chan struct{}), make(chan struct{})}
	t.Cleanup(func() { close(value.end) })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		select {
		case <-value.waits:
			t.Error("put reads on though the disk takes no value")
			cancel()
		case <-ctx.Done():
		}
	}()
	if _, err := birds.Put(ctx, "key", value, replica.PutOptions{}); err == nil || ctx.Err() != nil {
		t.Errorf("put: %v", err)
	}
}

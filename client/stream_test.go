package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/client"
)

// blocking gives what it has, says that it has nothing more, and waits for its end.
type blocking struct {
	io.Reader
	waits chan struct{}
	end   chan struct{}
}

func newBlocking(t *testing.T, has int64) *blocking {
	t.Helper()
	b := &blocking{io.LimitReader(zeros{}, has), make(chan struct{}), make(chan struct{})}
	t.Cleanup(func() { close(b.end) })
	return b
}

func (b *blocking) Read(p []byte) (int, error) {
	if n, err := b.Reader.Read(p); err == nil {
		return n, nil
	}
	close(b.waits)
	<-b.end
	clear(p) // as one that was closed late might
	return len(p), nil
}

// TestPutEndsWithItsContext though whoever gives the value gives nothing more; nothing is
// written then, and nobody has to wonder.
func TestPutEndsWithItsContext(t *testing.T) {
	broken := errors.New("enough")
	for _, secure := range []bool{false, true} { // the second speaks HTTP/2
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err == nil {
				t.Error("a value that did not come to its end was sent whole")
			}
			w.Header().Set("Godwit-Revision", "1")
		}))
		server.EnableHTTP2 = secure
		if secure {
			server.StartTLS()
		} else {
			server.Start()
		}
		t.Cleanup(server.Close)
		c := connect(t, server.URL, "token", client.WithAccount(id), client.WithHTTPClient(server.Client()))
		for _, has := range []int64{0, 100, 64 << 10, 64<<10 + 1, 300_000} {
			for _, metadata := range []json.RawMessage{nil, json.RawMessage("{}")} {
				ctx, cancel := context.WithCancelCause(t.Context())
				value := newBlocking(t, has)
				done := make(chan error)
				go func() {
					_, err := c.KV(id).Put(ctx, "k", value, client.PutOptions{Metadata: metadata})
					done <- err
				}()
				<-value.waits
				cancel(broken)
				err := <-done
				wantError(t, "put", err, broken)
				if errors.Is(err, client.ErrOutcomeUnknown) || errors.Is(err, client.ErrUnavailable) {
					t.Errorf("after %d bytes: %v", has, err)
				}
			}
		}
	}
}

// TestPanicOfValue comes to whoever called Put, as any other of theirs.
func TestPanicOfValue(t *testing.T) {
	_, kv := scripted(t, answer{status: 200})
	defer func() {
		if got := recover(); got != errBroken {
			t.Errorf("recovered %v", got)
		}
	}()
	_, _ = kv.Put(t.Context(), "k", panicking{}, client.PutOptions{})
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic(errBroken) }

// TestNoValue is refused.
func TestNoValue(t *testing.T) {
	_, kv := scripted(t, answer{status: 200})
	_, err := kv.Put(t.Context(), "k", nil, client.PutOptions{})
	wantError(t, "put", err, client.ErrInvalid)
}

// TestValueFails: what is read of a value that breaks off is not written, and the error is
// the value's, at once.
func TestValueFails(t *testing.T) {
	for name, value := range map[string]func() io.Reader{
		"at once":           func() io.Reader { return failing{} },
		"early":             func() io.Reader { return io.MultiReader(io.LimitReader(zeros{}, 100), failing{}) },
		"late":              func() io.Reader { return io.MultiReader(io.LimitReader(zeros{}, 200_000), failing{}) },
		"with bytes":        func() io.Reader { return &failingWith{n: 200_000} },
		"of a file":         func() io.Reader { return &damaged{Reader: bytes.NewReader(make([]byte, 200_000)), good: 100_000} },
		"as a server might": func() io.Reader { return io.MultiReader(io.LimitReader(zeros{}, 200_000), unavailable{}) },
	} {
		s, kv := scripted(t, answer{status: 200})
		_, err := kv.Put(t.Context(), "k", value(), client.PutOptions{})
		if name == "as a server might" {
			var e *client.Error
			if !errors.As(err, &e) || e.Status != 502 {
				t.Errorf("%s: %v", name, err)
			}
		} else {
			wantError(t, name, err, errBroken)
		}
		if errors.Is(err, client.ErrOutcomeUnknown) {
			t.Errorf("%s: told as unknown: %v", name, err)
		}
		if n := len(s.seen()); n > 1 {
			t.Errorf("%s: %d tries", name, n)
		}
	}
}

// TestFileThatShrinks while it is sent is not written, and not tried again.
func TestFileThatShrinks(t *testing.T) {
	s, kv := scripted(t, answer{status: 200})
	_, err := kv.Put(t.Context(), "k", &shrinking{Reader: strings.NewReader(strings.Repeat("v", 100_000))}, client.PutOptions{})
	wantError(t, "put", err, io.ErrUnexpectedEOF)
	if errors.Is(err, client.ErrOutcomeUnknown) || len(s.seen()) > 1 {
		t.Errorf("%d tries: %v", len(s.seen()), err)
	}
}

// TestValueFailsBehindItsEnd: what was sent whole may be written, and the value's error is
// of no matter.
func TestValueFailsBehindItsEnd(t *testing.T) {
	for _, good := range []int{100, 100_000} {
		s, kv := scripted(t, answer{status: 200}, answer{})
		value := func() io.Reader { return &damaged{Reader: bytes.NewReader(make([]byte, good)), good: good} }
		_, err := kv.Put(t.Context(), "k", value(), client.PutOptions{})
		check(t, err)
		_, err = kv.Put(t.Context(), "k", value(), client.PutOptions{})
		wantError(t, "put", err, client.ErrOutcomeUnknown)
		if n := len(s.seen()); n != 5 {
			t.Errorf("%d tries", n)
		}
	}
}

// damaged cannot be read behind good bytes.
type damaged struct {
	*bytes.Reader
	good int
}

func (d *damaged) Read(p []byte) (int, error) {
	at := int(d.Size()) - d.Len()
	if at >= d.good {
		return 0, errBroken
	}
	n, err := d.Reader.Read(p[:min(len(p), d.good-at)])
	if err == nil && at+n == d.good {
		err = errBroken
	}
	return n, err
}

// failingWith fails with the last of n bytes.
type failingWith struct{ n int }

func (f *failingWith) Read(p []byte) (int, error) {
	n := min(len(p), f.n)
	if f.n -= n; f.n == 0 {
		return n, errBroken
	}
	return n, nil
}

type unavailable struct{}

func (unavailable) Read([]byte) (int, error) { return 0, &client.Error{Status: http.StatusBadGateway} }

// shrinking is half as long when it is read.
type shrinking struct{ *strings.Reader }

func (s *shrinking) Read(p []byte) (int, error) {
	if s.Len() <= int(s.Size())/2 {
		return 0, io.EOF
	}
	return s.Reader.Read(p[:min(len(p), s.Len()-int(s.Size())/2)])
}

package client_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit/client"
)

// calls are of each way to read an answer. What writes is told by its name.
func calls(ctx context.Context, c *client.Client) map[string]func() error {
	kv := c.KV(id)
	return map[string]func() error{
		"write: put": func() error {
			_, err := kv.Put(ctx, "k", strings.NewReader("v"), client.PutOptions{})
			return err
		},
		"write: delete":   func() error { _, err := kv.Delete(ctx, "k", client.DeleteOptions{}); return err },
		"write: bulk put": func() error { _, err := kv.BulkPut(ctx, []client.Pair{{Key: "k"}}); return err },
		"write: transact": func() error { _, err := kv.Transact(ctx, client.Transaction{}); return err },
		"write: add":      func() error { _, _, err := kv.Add(ctx, client.Sum{Key: "k", Delta: 1}); return err },
		"write: clear":    func() error { _, err := kv.ClearAll(ctx); return err },
		"get":             func() error { return closed(kv.Get(ctx, "k")) },
		"with metadata":   func() error { return closed(kv.GetWithMetadata(ctx, "k")) },
		"list":            func() error { _, err := kv.ListPage(ctx, client.ListOptions{}); return err },
		"scan":            func() error { _, err := kv.ScanPage(ctx, client.ScanOptions{}); return err },
		"bulk get":        func() error { _, err := kv.BulkGet(ctx, []string{"k"}); return err },
		"count":           func() error { _, err := kv.Count(ctx, client.CountOptions{}); return err },
	}
}

func closed(v *client.Value, err error) error {
	if err != nil {
		return err
	}
	return v.Close()
}

func answeredBy(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return connect(t, server.URL, "token", client.WithAccount(id), client.WithBackoff(time.Microsecond))
}

// wantOpen checks how a call ended that may have been carried out.
func wantOpen(t *testing.T, name string, err error) {
	t.Helper()
	if strings.HasPrefix(name, "write") {
		wantError(t, name, err, client.ErrOutcomeUnknown)
		return
	}
	wantError(t, name, err, client.ErrUnavailable)
	if errors.Is(err, client.ErrOutcomeUnknown) {
		t.Errorf("%s: told as unknown: %v", name, err)
	}
}

// TestPageOfAProxy: a success that is not godwit's is none.
func TestPageOfAProxy(t *testing.T) {
	tries := 0
	c := answeredBy(t, func(w http.ResponseWriter, _ *http.Request) {
		tries++
		_, _ = io.WriteString(w, "<html>")
	})
	for name, call := range calls(t.Context(), c) {
		tries = 0
		wantOpen(t, name, call())
		if tries != 4 {
			t.Errorf("%s: %d tries", name, tries)
		}
	}
}

// TestAnswerBreaksOff: an answer of which a part is missing is none, and is asked for
// again.
func TestAnswerBreaksOff(t *testing.T) {
	tries := 0
	c := answeredBy(t, func(w http.ResponseWriter, _ *http.Request) {
		tries++
		w.Header().Set("Godwit-Revision", "7")
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"result":`)
	})
	for name, call := range calls(t.Context(), c) {
		switch name {
		case "get", "write: put", "write: delete", "write: bulk put": // whose headers say all, or which is a stream
			continue
		}
		tries = 0
		wantOpen(t, name, call())
		if least := 4; tries < least {
			t.Errorf("%s: %d tries", name, tries)
		}
	}
}

// TestStatusesThatLeaveOpen: of which a write may have been carried out.
func TestStatusesThatLeaveOpen(t *testing.T) {
	for status, tt := range map[int]struct {
		open  bool
		tries int
	}{
		408: {true, 1}, 500: {true, 1}, 501: {false, 1}, 502: {true, 4}, 503: {false, 4}, 504: {true, 4},
		505: {false, 1}, 507: {false, 1}, 520: {true, 4}, 524: {true, 4}, 527: {true, 4}, 530: {true, 1}, 403: {false, 1},
	} {
		s, kv := scripted(t, answer{status: status})
		_, err := kv.Put(t.Context(), "k", strings.NewReader("v"), client.PutOptions{})
		if got := errors.Is(err, client.ErrOutcomeUnknown); got != tt.open || err == nil {
			t.Errorf("%d: told as unknown %t: %v", status, got, err)
		}
		if len(s.seen()) != tt.tries {
			t.Errorf("%d: %d tries, want %d", status, len(s.seen()), tt.tries)
		}
	}
	_, kv := scripted(t, answer{status: 522})
	_, err := kv.Get(t.Context(), "k")
	wantError(t, "get", err, client.ErrUnavailable)
}

// TestContextThatHasEnded: nothing is sent, so nothing is unknown.
func TestContextThatHasEnded(t *testing.T) {
	s, kv := scripted(t, answer{status: 200})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := kv.Put(ctx, "k", strings.NewReader("v"), client.PutOptions{})
	wantError(t, "put", err, context.Canceled)
	if errors.Is(err, client.ErrOutcomeUnknown) || len(s.seen()) != 0 {
		t.Errorf("told %v after %d requests", err, len(s.seen()))
	}
}

// TestContextEndsWhileConnecting: nothing is sent, so nothing is unknown.
func TestContextEndsWhileConnecting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	c := connect(t, "http://godwit", "token", client.WithAccount(id), client.WithHTTPClient(&http.Client{Transport: transport}))
	_, err := c.KV(id).Put(ctx, "k", strings.NewReader("v"), client.PutOptions{})
	wantError(t, "put", err, context.Canceled)
	if errors.Is(err, client.ErrOutcomeUnknown) {
		t.Errorf("told as unknown: %v", err)
	}
}

// silent is a client of a server that does something with a connection, and nothing more.
func silent(t *testing.T, serve func(net.Conn)) *client.Client {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go serve(theirs)
		return ours, nil
	}}
	return connect(t, "http://godwit", "token", client.WithAccount(id), client.WithAttempts(1), client.WithHTTPClient(&http.Client{Transport: transport}))
}

// TestServerFallsSilent: no call waits for ever, at whatever place the server stops.
func TestServerFallsSilent(t *testing.T) {
	for name, answer := range map[string]string{
		"before the answer": "",
		"in the answer":     "HTTP/1.1 200 OK\r\nGodwit-Revision: 7\r\nContent-Length: 100\r\n\r\n{\"result\":",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := silent(t, func(conn net.Conn) {
					if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
						_, _ = io.Copy(io.Discard, r.Body)
						_, _ = io.WriteString(conn, answer)
					}
					_, _ = io.Copy(io.Discard, conn)
				})
				_, err := c.KV(id).Transact(t.Context(), client.Transaction{})
				wantOpen(t, "write", err)
				_, err = c.KV(id).ListPage(t.Context(), client.ListOptions{})
				wantOpen(t, "list", err)
				if v, err := c.KV(id).Get(t.Context(), "k"); err == nil {
					time.Sleep(time.Hour) // the caller may take its time
					_, err = io.ReadAll(v)
					wantOpen(t, "value", err)
					check(t, v.Close())
				}
			})
		})
	}
}

// TestServerTakesNothing: a value that nobody reads is not sent for ever.
func TestServerTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := silent(t, func(conn net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			<-t.Context().Done()
			_ = conn.Close()
		})
		_, err := c.KV(id).Put(t.Context(), "k", bytes.NewReader(make([]byte, 24<<20)), client.PutOptions{})
		wantOpen(t, "write", err)
	})
}

// TestSlowValue: what the caller takes to give the value is not the server's silence.
func TestSlowValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := silent(t, func(conn net.Conn) {
			r, err := http.ReadRequest(bufio.NewReader(conn))
			check(t, err)
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nGodwit-Revision: 7\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			_ = conn.Close()
		})
		r, w := io.Pipe()
		go func() {
			for range 3 {
				_, _ = w.Write(make([]byte, 100_000))
				time.Sleep(time.Hour)
			}
			_ = w.Close()
		}()
		_, err := c.KV(id).Put(t.Context(), "k", r, client.PutOptions{})
		check(t, err)
	})
}

// TestValueIsTheCallersAgain: when a put has returned, nobody reads its value any more,
// though it was refused while it was sent.
func TestValueIsTheCallersAgain(t *testing.T) {
	c := answeredBy(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	value := make([]byte, 24<<20)
	for range 5 {
		_, err := c.KV(id).Put(t.Context(), "k", bytes.NewReader(value), client.PutOptions{})
		if err == nil {
			t.Fatal("put has worked")
		}
		clear(value) // the race detector tells of a read
	}
}

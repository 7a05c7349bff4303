package node_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/node"
)

// paced runs a server that waits for its clients for so long, and returns its
// address.
func paced(t *testing.T, patience time.Duration, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(node.Paced(patience, 1<<20, h))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

const post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"

func TestStalledBodyIsCutOff(t *testing.T) {
	ended := make(chan error, 1)
	addr := paced(t, 100*time.Millisecond, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		ended <- err
	})
	conn := dial(t, addr)
	write(t, conn, post+"12345")
	var timeout net.Error
	if err := <-ended; !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("the handler read %v, want a timeout", err)
	}
}

// TestIgnoredBodyIsCutOff has a handler that does not read: the server does,
// afterwards, and must not wait for ever either.
func TestIgnoredBodyIsCutOff(t *testing.T) {
	addr := paced(t, 100*time.Millisecond, func(http.ResponseWriter, *http.Request) {})
	conn := dial(t, addr)
	write(t, conn, post+"12345")
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("the connection was not closed: %v", err)
	}
}

// TestPatienceStartsAnew sends two requests on one connection, with a pause
// longer than the patience before the second and a handler as slow.
func TestPatienceStartsAnew(t *testing.T) {
	t.Parallel()
	const patience, longer = time.Second, 1200 * time.Millisecond
	addr := paced(t, patience, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		<-time.After(longer)
		if err := r.Context().Err(); err != nil {
			t.Errorf("the request was given up: %v", err)
		}
		_, _ = w.Write(b)
	})
	conn := dial(t, addr)
	replies := bufio.NewReader(conn)
	for range 2 {
		write(t, conn, post+"1234567890")
		res, err := http.ReadResponse(replies, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(res.Body); err != nil || string(b) != "1234567890" {
			t.Errorf("got %q, %v", b, err)
		}
		<-time.After(longer)
	}
}

func TestStalledReaderIsCutOff(t *testing.T) {
	ended := make(chan error, 1)
	addr := paced(t, 100*time.Millisecond, func(w http.ResponseWriter, _ *http.Request) {
		var err error
		for chunk := bytes.Repeat([]byte("x"), 64<<10); err == nil; {
			_, err = w.Write(chunk)
		}
		ended <- err
	})
	conn := dial(t, addr)
	write(t, conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") // and never read
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("the handler wrote until %v, want a timeout", err)
	}
}

// TestRefusedExpectation: a client that waits to be told to go on is answered
// at once by a handler that does not want its body.
func TestRefusedExpectation(t *testing.T) {
	s := httptest.NewServer(node.Paced(time.Hour, 1<<20, http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })))
	t.Cleanup(s.Close)
	conn := dial(t, s.Listener.Addr().String())
	write(t, conn, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("got %s", res.Status)
	}
}

// TestStreamMayBeSilent has an answer be silent for longer than the patience, over
// HTTP/2, where a deadline that passes ends an answer that nobody is writing to. Who
// is to be ended waits for that, and not for a while in which it should have been.
func TestStreamMayBeSilent(t *testing.T) {
	s := httptest.NewUnstartedServer(node.PacedUnlessStreamed(50*time.Millisecond, 1<<20, http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "first ")
			_ = http.NewResponseController(w).Flush()
			if r.URL.Path == "/another" {
				select {
				case <-r.Context().Done():
				case <-time.After(30 * time.Second):
				}
			} else {
				<-time.After(200 * time.Millisecond)
			}
			_, _ = io.WriteString(w, "second")
		})))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	for path, whole := range map[string]bool{"/godwit/v1/feed": true, "/godwit/v1/feed/walk?heads=1": true, "/another": false} {
		res, err := s.Client().Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if got := err == nil && string(body) == "first second"; got != whole {
			t.Errorf("%s by %s: got %q, %v", path, res.Proto, body, err)
		}
	}
}

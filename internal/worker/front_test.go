package worker_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/godwitkv/godwit/internal/worker"
)

// scripted is a workerd that answers each request of a connection by the next text, and
// closes the connection behind the last.
type scripted struct {
	front http.Handler
	conns atomic.Int64
	asked chan string // request lines
}

func newScripted(t *testing.T, connections ...[]string) *scripted {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{asked: make(chan string, 100)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, texts := range connections {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			s.play(conn, texts)
		}
	}()
	front, end := worker.NewFront(socket)
	s.front = front
	t.Cleanup(func() {
		end()
		l.Close()
		<-done
	})
	return s
}

func (s *scripted) play(conn net.Conn, texts []string) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for _, text := range texts {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		s.asked <- req.Method + " " + req.RequestURI
		if text == "hang" {
			_, _ = r.ReadByte() // until the front hangs up
			return
		}
		if _, err := io.WriteString(conn, text); err != nil {
			return
		}
	}
}

func (s *scripted) do(method string, body io.Reader) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.front.ServeHTTP(w, httptest.NewRequest(method, "/a%2Fb?c=d", body))
	return w
}

const (
	answerOK   = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	answerLast = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
)

// TestFrontPassesOn holds what the front makes of what a workerd says on its connections.
func TestFrontPassesOn(t *testing.T) {
	long := strings.Repeat("v", 1<<20)
	for name, test := range map[string]struct {
		connections [][]string
		methods     string
		want        int // the last answer
		conns       int64
	}{
		"one connection for all":       {[][]string{{answerOK, answerOK, answerOK}}, "GET GET HEAD", 200, 1},
		"an answer without a body":     {[][]string{{"HTTP/1.1 204 No Content\r\n\r\n", answerOK}}, "OPTIONS GET", 200, 1},
		"chunks":                       {[][]string{{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", answerOK}}, "GET GET", 200, 1},
		"an interim answer":            {[][]string{{"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answerOK, answerOK}}, "GET GET", 200, 1},
		"no end of interim answers":    {[][]string{{strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 6)}}, "GET", 502, 1},
		"the last on its connection":   {[][]string{{answerLast}, {answerOK}}, "GET GET", 200, 2},
		"closed while nobody used it":  {[][]string{{answerOK}, {answerOK}}, "GET GET", 200, 2},
		"until the connection's end":   {[][]string{{"HTTP/1.1 200 OK\r\n\r\nok"}, {answerOK}}, "GET GET", 200, 2},
		"more than was asked for":      {[][]string{{answerOK + answerOK, answerOK}, {answerOK}}, "GET GET", 200, 2},
		"no answer":                    {[][]string{{""}}, "GET", 502, 1},
		"half an answer":               {[][]string{{answerOK, "HTTP/1.1 200"}}, "GET GET", 502, 1},
		"no HTTP":                      {[][]string{{"rubbish\r\n\r\n"}}, "GET", 502, 1},
		"a head that is too long":      {[][]string{{"HTTP/1.1 200 OK\r\nA: " + long + "\r\n\r\n"}}, "GET", 502, 1},
		"a long body":                  {[][]string{{"HTTP/1.1 200 OK\r\nContent-Length: 2097152\r\n\r\n" + long + long, answerOK}}, "GET GET", 200, 1},
		"requests with a body between": {[][]string{{answerOK}, {answerOK}}, "GET POST", 200, 2},
		"one with a body, lost":        {[][]string{{answerOK, ""}, {answerOK}}, "POST POST", 502, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScripted(t, test.connections...)
			var w *httptest.ResponseRecorder
			for method := range strings.SplitSeq(test.methods, " ") {
				var body io.Reader
				if method == http.MethodPost {
					body = strings.NewReader("body")
				}
				w = s.do(method, body)
				if got, want := <-s.asked, method+" /a%2Fb?c=d"; got != want {
					t.Errorf("workerd was asked %q, want %q", got, want)
				}
			}
			if w.Code != test.want || s.conns.Load() != test.conns {
				t.Errorf("answered %d by %d connections, want %d by %d", w.Code, s.conns.Load(), test.want, test.conns)
			}
		})
	}
}

// TestFrontAnsweredEarly holds that an answer is passed on that comes before the body was
// read, of which the rest then cannot be sent; and that without an answer it is an error.
func TestFrontAnsweredEarly(t *testing.T) {
	const refused = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
	for name, test := range map[string]struct {
		answer string
		want   int
	}{"an answer": {refused, 401}, "none": {"", 502}} {
		t.Run(name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "s")
			l, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			closed := make(chan struct{})
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					_, _ = http.ReadRequest(bufio.NewReaderSize(conn, 16)) // its head alone
					_, _ = io.WriteString(conn, test.answer)
					_ = conn.Close()
					closed <- struct{}{}
				}
			}()
			front, end := worker.NewFront(socket)
			defer end()
			for range 50 {
				r, w := io.Pipe()
				go func() {
					_, _ = w.Write(make([]byte, 10))
					<-closed
					_, _ = w.Write(make([]byte, 1<<20))
					_ = w.Close()
				}()
				rec := httptest.NewRecorder()
				front.ServeHTTP(rec, httptest.NewRequest(http.MethodPut, "/", r))
				_ = r.Close()
				if rec.Code != test.want {
					t.Fatalf("answered %d %s", rec.Code, rec.Body)
				}
			}
		})
	}
}

// TestFrontIsLeft holds that a request ends with its client, and takes its connection
// with it.
func TestFrontIsLeft(t *testing.T) {
	s := newScripted(t, []string{"hang"}, []string{answerOK})
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if err := recover(); err != http.ErrAbortHandler {
				t.Errorf("it ended with %v", err)
			}
		}()
		s.front.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx))
	}()
	<-s.asked
	cancel(errors.New("the client is gone"))
	<-done
	if w := s.do(http.MethodGet, nil); w.Code != http.StatusOK || w.Body.String() != "ok" {
		t.Errorf("the next client got %d %q", w.Code, w.Body)
	}
}

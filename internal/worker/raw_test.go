package worker_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// tell connects to a server, and sends it a text as it is.
func tell(t *testing.T, server *httptest.Server, text string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second)) // it fails, and does not hang
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// TestFrontHeadFirst holds that the head of an answer arrives while there is nothing of
// the body yet: the client of a stream of events waits for it.
func TestFrontHeadFirst(t *testing.T) {
	for _, length := range []string{"Transfer-Encoding: chunked\r\n\r\n", "Content-Length: 4\r\n\r\n", "\r\n"} {
		for _, method := range []string{"GET", "PUT"} {
			seen := make(chan struct{})
			server := oneAnswer(t, func(_ *http.Request, conn net.Conn) {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+length)
				<-seen
				_, _ = io.WriteString(conn, map[bool]string{true: "4\r\nlate\r\n0\r\n\r\n", false: "late"}[strings.HasPrefix(length, "T")])
			})
			conn := tell(t, server, method+" / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			close(seen)
			if err != nil {
				t.Fatalf("%s, %q: %v", method, length, err)
			}
			if body, err := io.ReadAll(res.Body); string(body) != "late" || err != nil {
				t.Errorf("%s, %q: got %q, %v", method, length, body, err)
			}
		}
	}
}

// TestFrontUnreadBody holds that what is left of a body behind an early answer is never
// taken for a request, and that the client is told that its connection ends.
func TestFrontUnreadBody(t *testing.T) {
	const hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
	for name, answer := range map[string]string{
		"short": "Content-Length: 2\r\n\r\nno", "chunks": "Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
		"empty": "Content-Length: 0\r\n\r\n", "last": "Connection: close\r\nContent-Length: 2\r\n\r\nno",
	} {
		for _, head := range []string{
			fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", 5+len(hidden)),
			fmt.Sprintf("Content-Length: %d\r\n\r\n", 5+len(hidden)),
			"Content-Length: 1000000\r\n\r\n",
		} {
			t.Run(name+head[:4], func(t *testing.T) {
				asked := make(chan string, 10)
				server := oneAnswer(t, func(r *http.Request, conn net.Conn) {
					asked <- r.RequestURI
					_, _ = io.WriteString(conn, "HTTP/1.1 401 Unauthorized\r\n"+answer)
				})
				conn := tell(t, server, "PUT /seen HTTP/1.1\r\nHost: a\r\n"+head+"begin")
				r := bufio.NewReader(conn)
				res, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusUnauthorized || !res.Close {
					t.Errorf("the answer is %d, %v, the last: %t", res.StatusCode, err, res.Close)
				}
				_, _ = io.WriteString(conn, hidden+hidden)
				if rest, _ := io.ReadAll(r); len(rest) > 0 {
					t.Errorf("behind the answer came %q", rest)
				}
				if got := <-asked; got != "/seen" || len(asked) > 0 {
					t.Errorf("workerd was asked for %s, and %d more", got, len(asked))
				}
			})
		}
	}
}

// TestFrontBrokenBody holds that a client whose body is broken is told so,
// and not that workerd had ended.
func TestFrontBrokenBody(t *testing.T) {
	for _, body := range []string{"3;a\nabc", "x\r\n", "3\r\nabcd\r\n", "3\r\nabc\r\n-1\r\n"} {
		server := oneAnswer(t, func(r *http.Request, conn net.Conn) {
			if _, err := io.Copy(io.Discard, r.Body); err == nil {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		})
		conn := tell(t, server, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"+body)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		said, err := io.ReadAll(res.Body)
		if res.StatusCode != http.StatusBadRequest || !res.Close || err != nil {
			t.Errorf("%q: got %d, %v, the last: %t", body, res.StatusCode, err, res.Close)
		}
		if want := "godwit worker: the body of this request is broken.\n"; string(said) != want {
			t.Errorf("%q: it says %q", body, said)
		}
	}
}

// TestFrontWorkerEnds holds that a client whose body was whole is told that workerd ended.
func TestFrontWorkerEnds(t *testing.T) {
	server := oneAnswer(t, func(*http.Request, net.Conn) {})
	for _, body := range []string{"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "Content-Length: 3\r\n\r\nabc"} {
		conn := tell(t, server, "POST / HTTP/1.1\r\nHost: a\r\n"+body)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || res.StatusCode != http.StatusBadGateway {
			t.Errorf("%q: %v, %v", body, res, err)
		}
	}
}

// TestFrontWholeBody holds that a connection serves on where a body was read to its end.
func TestFrontWholeBody(t *testing.T) {
	server := oneAnswer(t, func(r *http.Request, conn net.Conn) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	})
	conn := tell(t, server, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none"+
		"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
	r := bufio.NewReader(conn)
	for _, want := range []string{"one", "two", ""} {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(res.Body); string(body) != want || err != nil || res.Close {
			t.Errorf("got %q, %v, the last: %t", body, err, res.Close)
		}
	}
}

// TestFrontHalfClosed holds that a client whose request is given up gets no answer that
// looks like one: it may have closed but its own side.
func TestFrontHalfClosed(t *testing.T) {
	for _, method := range []string{"GET", "PUT"} {
		closed := make(chan struct{})
		server := oneAnswer(t, func(_ *http.Request, conn net.Conn) {
			<-closed
			_, _ = conn.Read(make([]byte, 1)) // until the front hangs up
		})
		conn := tell(t, server, method+" / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
		_ = conn.CloseWrite()
		close(closed)
		if got, err := io.ReadAll(conn); len(got) > 0 || err != nil {
			t.Errorf("%s: got %q, %v", method, got, err)
		}
	}
}

// TestFrontTargets holds that a Worker sees requests for a path alone.
func TestFrontTargets(t *testing.T) {
	server := oneAnswer(t, func(r *http.Request, conn net.Conn) {
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nSeen: %s of %s\r\nContent-Length: 0\r\n\r\n", r.RequestURI, r.Host)
	})
	for target, want := range map[string]string{
		"/":             "/ of a",
		"//b/c?d":       "//b/c?d of a",
		"http://b":      "/ of b",
		"http://b?c":    "/?c of b",
		"http://c@b//d": "//d of b",
		"*":             "", "http:.b/c": "", "http:@b/c": "", "a:b": "", "http:*": "",
	} {
		for _, method := range []string{"GET", "PUT"} {
			conn := tell(t, server, method+" "+target+" HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := res.Header.Get("Seen"); got != want || (want == "") != (res.StatusCode == http.StatusBadRequest) {
				t.Errorf("%s %s: got %d, workerd saw %q, want %q", method, target, res.StatusCode, got, want)
			}
		}
	}
}

// TestFrontUpgradeHalfClosed holds that what a Worker still says on a connection that was
// upgraded arrives where the client has closed its side.
func TestFrontUpgradeHalfClosed(t *testing.T) {
	server := oneAnswer(t, func(_ *http.Request, conn net.Conn) {
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		said, _ := io.ReadAll(conn)
		_, _ = io.WriteString(conn, "heard "+string(said))
	})
	conn := tell(t, server, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	r := bufio.NewReader(conn)
	if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(res, err)
	}
	_, _ = io.WriteString(conn, "this")
	_ = conn.CloseWrite()
	if got, err := io.ReadAll(r); string(got) != "heard this" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestFrontContinue holds that a client that waits for leave to send its body gets it
// once: workerd, too, gives it where it is asked.
func TestFrontContinue(t *testing.T) {
	server := oneAnswer(t, func(r *http.Request, conn net.Conn) {
		if r.Header.Get("Expect") != "" {
			_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	})
	conn := tell(t, server, "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	r := bufio.NewReader(conn)
	if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != http.StatusContinue {
		t.Fatal(res, err)
	}
	_, _ = io.WriteString(conn, "body")
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res, err)
	}
	if body, err := io.ReadAll(res.Body); string(body) != "body" || err != nil {
		t.Errorf("got %q, %v", body, err)
	}
}

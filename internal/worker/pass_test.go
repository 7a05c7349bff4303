package worker_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/internal/worker"
)

// oneAnswer is a front before a workerd that hands each request to answer, one a
// connection.
func oneAnswer(t *testing.T, answer func(r *http.Request, conn net.Conn)) *httptest.Server {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				answer(r, conn)
			}
			_ = conn.Close()
		}
	}()
	front, end := worker.NewFront(socket)
	server := httptest.NewServer(front)
	t.Cleanup(func() {
		server.Close()
		end()
		l.Close()
	})
	return server
}

// TestFrontHeads holds which headers the front passes on, both ways, whichever of its
// ways a request goes: with a body or without.
func TestFrontHeads(t *testing.T) {
	got := make(chan http.Header, 1)
	server := oneAnswer(t, func(r *http.Request, conn net.Conn) {
		r.Header.Set("Asked", r.Method+" "+r.RequestURI+" of "+r.Host)
		got <- r.Header
		_, _ = io.WriteString(conn, "HTTP/1.1 203 Yes\r\nContent-Length: 0\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nKeep-Alive: 1\r\nOf-Hop: 1\r\nConnection: of-hop\r\nDate: then\r\nX: y\r\n\r\n")
	})
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT"} {
		req, err := http.NewRequest(method, server.URL+"/a%2Fb//c?q=;&x=%zz", nil)
		if err != nil {
			t.Fatal(err)
		}
		if method == "PUT" {
			req.Body = io.NopCloser(strings.NewReader(""))
		}
		req.Host = "the.host"
		req.Header = http.Header{
			"Accept": {"a", "b"}, "Accept-Encoding": {"identity"}, "User-Agent": nil, "Expect": {"100-continue"},
			"Connection": {"of-hop, keep-alive", "Cf-Connecting-Ip"}, "Of-Hop": {"1"}, "Keep-Alive": {"1"}, "Proxy-Authorization": {"secret"},
			"Cf-Connecting-Ip": {"6.6.6.6"}, "Godwit-Cf": {`{"colo":"liar"}`}, "X-Forwarded-Host": {"liar"}, "Forwarded": {"by=liar"},
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		want := http.Header{
			"Accept": {"a", "b"}, "Accept-Encoding": {"identity"}, "Asked": {method + " /a%2Fb//c?q=;&x=%zz of the.host"},
			"Cf-Connecting-Ip": {"127.0.0.1"}, "Godwit-Cf": {`{"httpProtocol":"HTTP/1.1"}`}, "X-Forwarded-Proto": {"http"},
		}
		if diff := cmp.Diff(want, <-got); diff != "" {
			t.Errorf("%s: workerd got (-want +got):\n%s", method, diff)
		}
		want = http.Header{"Content-Length": {"0"}, "Set-Cookie": {"a", "b"}, "Date": {"then"}, "X": {"y"}}
		if diff := cmp.Diff(want, res.Header); diff != "" || res.StatusCode != 203 {
			t.Errorf("%s: the client got %d (-want +got):\n%s", method, res.StatusCode, diff)
		}
	}
}

// TestFrontBody holds that what a workerd has sent of a body arrives while the rest is
// not there yet, and that half a body is never taken for the whole.
func TestFrontBody(t *testing.T) {
	for name, test := range map[string]struct{ head, rest, want string }{
		"of known length":           {"Content-Length: 4\r\n\r\nfi", "ve", "five"},
		"of known length, cut":      {"Content-Length: 4\r\n\r\nfi", "v", ""},
		"in chunks":                 {"Transfer-Encoding: chunked\r\n\r\n2\r\nfi\r\n", "2\r\nve\r\n0\r\n\r\n", "five"},
		"in chunks, cut":            {"Transfer-Encoding: chunked\r\n\r\n2\r\nfi\r\n", "2\r\nv", ""},
		"until the connection ends": {"\r\nfi", "ve", "five"},
	} {
		t.Run(name, func(t *testing.T) {
			seen := make(chan struct{})
			server := oneAnswer(t, func(_ *http.Request, conn net.Conn) {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+test.head)
				<-seen
				_, _ = io.WriteString(conn, test.rest)
			})
			res, err := http.Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			start := make([]byte, 2)
			if _, err := io.ReadFull(res.Body, start); err != nil || string(start) != "fi" {
				t.Fatalf("it begins %q, %v", start, err)
			}
			close(seen)
			rest, err := io.ReadAll(res.Body)
			if cut := test.want == ""; cut != (err != nil) || !cut && string(start)+string(rest) != test.want {
				t.Errorf("it ends %q, %v", rest, err)
			}
		})
	}
}

// TestFrontTrailers holds that what comes behind a body is passed on.
func TestFrontTrailers(t *testing.T) {
	server := oneAnswer(t, func(_ *http.Request, conn net.Conn) {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n2\r\nok\r\n0\r\nSum: 7\r\n\r\n")
	})
	res, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "ok" || res.Trailer.Get("Sum") != "7" {
		t.Errorf("%q, %v, %v", body, res.Trailer, err)
	}
}

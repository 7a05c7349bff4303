package binding_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/api/binding"
)

// Whatever comes is answered with the right 4xx, or not at all, and changes
// nothing.
func TestMalformedRequests(t *testing.T) {
	w := newWorld(t, binding.Config{})
	auth := "Host: x\r\nAuthorization: Bearer " + w.RootToken + "\r\nGodwit-Namespace: things\r\n"
	hidden := "PUT /smuggled HTTP/1.1\r\n" + auth + "Content-Length: 1\r\n\r\nv"
	for _, c := range []struct {
		name, raw string
		want      int // 0: nothing is told
	}{
		{"nothing", "", 0},
		{"an empty line", "\r\n", 0},
		{"noise", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
		{"no version", "GET /\r\n\r\n", 400},
		{"no target", "GET  HTTP/1.1\r\n\r\n", 400},
		{"an unknown version", "GET / HTTP/9.9\r\n" + auth + "\r\n", 400},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
		{"a relative target", "GET k HTTP/1.1\r\n" + auth + "\r\n", 400},
		{"a control character in the target", "GET /a\x01b HTTP/1.1\r\n" + auth + "\r\n", 400},
		{"a space in the target", "GET /a b HTTP/1.1\r\n" + auth + "\r\n", 400},
		{"a bad host", "GET /k HTTP/1.1\r\nHost: [::\r\n\r\n", 400},
		{"no host", "GET /k HTTP/1.1\r\nAuthorization: Bearer " + w.RootToken + "\r\n\r\n", 400},
		{"two hosts", "GET /k HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		{"a header without a colon", "GET /k HTTP/1.1\r\n" + auth + "nonsense\r\n\r\n", 400},
		{"a space before the colon", "PUT /k HTTP/1.1\r\n" + auth + "Content-Length : 1\r\n\r\nv", 400},
		{"a NUL in a header", "GET /k HTTP/1.1\r\n" + auth + "X: \x00\r\n\r\n", 400},
		{"a method of noise", "G@T /k HTTP/1.1\r\n" + auth + "\r\n", 400},
		{"an unknown method", "BREW /k HTTP/1.1\r\n" + auth + "\r\n", 405},
		{"CONNECT", "CONNECT example.com:443 HTTP/1.1\r\n" + auth + "\r\n", 405},
		{"a head without an end", "GET /k HTTP/1.1\r\nHost: x\r\nX: ", 400},
		{"a long head", "GET /k HTTP/1.1\r\n" + auth + "X: " + strings.Repeat("x", 40_000) + "\r\n\r\n", 431},
		{"very many headers", "GET /k HTTP/1.1\r\n" + auth + strings.Repeat("X: y\r\n", 40_000) + "\r\n", 431},
		{"a long target", "GET /" + strings.Repeat("k", 10_000) + " HTTP/1.1\r\n" + auth + "\r\n", 414},
		{"a longer target", "GET /" + strings.Repeat("k", 100_000) + " HTTP/1.1\r\n" + auth + "\r\n", 431},
		{"a negative length", "PUT /k HTTP/1.1\r\n" + auth + "Content-Length: -1\r\n\r\nv", 400},
		{"a length with a sign", "PUT /k HTTP/1.1\r\n" + auth + "Content-Length: +1\r\n\r\nv", 400},
		{"no number", "PUT /k HTTP/1.1\r\n" + auth + "Content-Length: one\r\n\r\nv", 400},
		{"a length out of range", "PUT /k HTTP/1.1\r\n" + auth + "Content-Length: 99999999999999999999\r\n\r\nv", 400},
		{"two lengths", "PUT /k HTTP/1.1\r\n" + auth + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nv", 400},
		{"a length and chunks", "PUT /k HTTP/1.1\r\n" + auth + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, 400},
		{"chunks and a length", "PUT /k HTTP/1.1\r\n" + auth + "transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n" + hidden, 400},
		{"a get with both", "GET /k HTTP/1.1\r\n" + auth + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, 400},
		{"identity", "PUT /k HTTP/1.1\r\n" + auth + "Transfer-Encoding: identity\r\n\r\n" + hidden, 400},
		{"identity and a length", "PUT /k HTTP/1.1\r\n" + auth + "Transfer-Encoding: identity\r\nContent-Length: 1\r\n\r\nv" + hidden, 400},
		{"an unknown encoding", "PUT /k HTTP/1.1\r\n" + auth + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400},
		{"two encodings", "PUT /k HTTP/1.1\r\n" + auth + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"chunks in HTTP/1.0", "PUT /k HTTP/1.0\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, 400},
		{"chunks kept alive in HTTP/1.0", "PUT /k HTTP/1.0\r\n" + auth + "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + hidden, 400},
		{"no length in HTTP/1.0", "PUT /k HTTP/1.0\r\n" + auth + "\r\nuntil the end", 400},
		{"no length, kept alive in HTTP/1.0", "PUT /k HTTP/1.0\r\n" + auth + "Connection: keep-alive\r\n\r\n" + hidden, 400},
		{"a bulk get without a length in HTTP/1.0", "POST /bulk/get HTTP/1.0\r\n" + auth + "Connection: keep-alive\r\n\r\n" + hidden, 400},
		{"another method without a length in HTTP/1.0", "PATCH /k HTTP/1.0\r\n" + auth + "Connection: keep-alive\r\n\r\n" + hidden, 400},
		{"a chunk of no size", "PUT /k HTTP/1.1\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n", 400},
		{"a chunk longer than it says", "PUT /k HTTP/1.1\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\n1\r\nvv\r\n0\r\n\r\n", 400},
		{"a huge chunk", "PUT /k HTTP/1.1\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\nvv\r\n0\r\n\r\n", 400},
		{"chunks without an end", "PUT /k HTTP/1.1\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\n1\r\nv\r\n", 400},
		{"a bad trailer", "PUT /k HTTP/1.1\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\n1\r\nv\r\n0\r\nContent-Length: 3\r\n\r\n", 400},
		{"a short body", "PUT /k HTTP/1.1\r\n" + auth + "Content-Length: 10\r\n\r\nshort", 400},
		{"a short bulk body", "POST /bulk/get HTTP/1.1\r\n" + auth + "Content-Length: 100\r\n\r\n{\"keys\":", 400},
		{"a short body of a get", "GET /k HTTP/1.1\r\n" + auth + "Content-Length: 100\r\n\r\nx", 400},
		{"no body at all", "PUT /k HTTP/1.1\r\n" + auth + "Content-Length: 10\r\n\r\n", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := w.dial()
			p.t = t
			_, _ = io.WriteString(p, c.raw)
			_ = p.Conn.(*net.TCPConn).CloseWrite()
			res, err := http.ReadResponse(p.r, nil)
			if c.want == 0 {
				if err == nil && res.StatusCode != 400 {
					t.Errorf("got %s", res.Status)
				}
				return
			}
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			if res.StatusCode != c.want || (c.want == 400 && !res.Close) {
				t.Errorf("got %s, close %v; want %d", res.Status, res.Close, c.want)
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil {
				t.Errorf("body: %v", err)
			}
			if c.want == 400 && !p.closed() {
				t.Error("more than one answer")
			}
		})
	}
	if names := listNames(t, w.ask("GET", "/", "").must(t, 200).body); len(names) != 0 {
		t.Errorf("written: %q", names)
	}
}

// FuzzConnection sends noise after a head that is allowed in.
func FuzzConnection(f *testing.F) {
	w := newWorld(f, binding.Config{})
	for _, seed := range []string{
		"GET /k HTTP/1.1\r\n@\r\n", "PUT /k HTTP/1.1\r\n@Content-Length: 1\r\n\r\nvGET / HTTP/1.1\r\n@\r\n",
		"PUT /%00 HTTP/1.1\r\n@Transfer-Encoding: chunked\r\n\r\n1\r\nv\r\n0\r\n\r\n", "POST /bulk/get HTTP/1.1\r\n@Content-Length: 12\r\n\r\n{\"keys\":[1]}",
		"DELETE /?urlencoded=true HTTP/1.0\r\n@\r\n", "HEAD /k HTTP/1.1\r\n@Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
	} {
		f.Add(seed)
	}
	head := "Host: x\r\nAuthorization: Bearer " + w.RootToken + "\r\nGodwit-Namespace: things\r\n"
	f.Fuzz(func(t *testing.T, raw string) {
		c, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(2 * time.Minute))
		_, _ = io.WriteString(c, strings.ReplaceAll(raw, "@", head))
		_ = c.(*net.TCPConn).CloseWrite()
		r := bufio.NewReader(c)
		for {
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				var timeout net.Error
				if errors.As(err, &timeout) && timeout.Timeout() {
					t.Fatalf("%q hangs", raw)
				}
				return
			}
			if res.StatusCode >= 500 && res.StatusCode != 503 {
				t.Fatalf("%q: %s", raw, res.Status)
			}
			if strings.Contains(raw, "HEAD") {
				return // whose replies have lengths and no bodies
			}
			_, _ = io.Copy(io.Discard, res.Body)
		}
	})
}

func TestPipelining(t *testing.T) {
	w := newWorld(t, binding.Config{})
	p := w.dial()
	put := w.head("PUT", "/k", "Content-Length: 1") + "v"
	get := w.head("GET", "/k")
	p.send("%s%s%s%s", put, get, w.head("DELETE", "/k"), get)
	for i, want := range []int{200, 200, 200, 404} {
		if res := p.reply("GET"); res.StatusCode != want {
			t.Errorf("reply %d: %s, want %d", i, res.Status, want)
		}
	}
}

func TestHTTP10(t *testing.T) {
	w := newWorld(t, binding.Config{})
	w.ask("PUT", "/k", "v").must(t, 200)
	raw := "GET /k HTTP/1.0\r\nAuthorization: Bearer " + w.RootToken + "\r\nGodwit-Namespace: things\r\n"
	p := w.dial()
	p.send("%sConnection: keep-alive\r\n\r\n", raw)
	if res := p.reply("GET").must(t, 200); res.body != "v" {
		t.Errorf("value %q", res.body)
	}
	p.send("%s\r\n", raw)
	p.reply("GET").must(t, 200)
	if !p.closed() {
		t.Error("the connection is still open")
	}
}

// A body of HTTP/1.0 has a Content-Length, or it would be taken for none.
func TestHTTP10Bodies(t *testing.T) {
	w := newWorld(t, binding.Config{})
	w.ask("PUT", "/k", "precious").must(t, 200)
	auth := "Authorization: Bearer " + w.RootToken + "\r\nGodwit-Namespace: things\r\nConnection: keep-alive\r\n"
	p := w.dial()
	p.send("PUT /k HTTP/1.0\r\n%s\r\nanew", auth)
	if res := p.reply("PUT").must(t, 400); res.reason() != "Request body has no single length" {
		t.Errorf("told %q", res.reason())
	}
	if res := w.ask("GET", "/k", ""); res.body != "precious" {
		t.Errorf("value %q", res.body)
	}
	p = w.dial()
	p.send("PUT /k HTTP/1.0\r\n%sContent-Length: 4\r\n\r\nanew", auth)
	p.reply("PUT").must(t, 200)
	p.send("PUT /empty HTTP/1.0\r\n%sContent-Length: 0\r\n\r\n", auth)
	p.reply("PUT").must(t, 200)
	p.send("DELETE /k HTTP/1.0\r\n%s\r\n", auth)
	p.reply("DELETE").must(t, 200)
	w.ask("GET", "/k", "").must(t, 404)
}

package binding_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api/apitest"
	"github.com/godwitkv/godwit/internal/api/binding"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a server on a whole node in memory, with one namespace.
type world struct {
	*apitest.Env
	t      testing.TB
	ns     *godwit.Namespace
	server *binding.Server
	addr   string
}

func newWorld(t testing.TB, cfg binding.Config, opts ...apitest.Option) *world {
	t.Helper()
	w := &world{Env: apitest.Open(t, opts...), t: t}
	w.ns = w.Namespace(t, "things")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = ln.Addr().String()
	cfg.Service, cfg.Metrics = w.Service, w.Metrics
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	w.server = binding.New(cfg)
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := w.server.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return w
}

// peer is a client's connection.
type peer struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func (w *world) dial() *peer {
	w.t.Helper()
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(2 * time.Minute))
	return &peer{Conn: c, t: w.t, r: bufio.NewReader(c)}
}

// reply is a response, read whole.
type reply struct {
	*http.Response
	body string
}

// Reason is the reason phrase.
func (r *reply) reason() string {
	_, reason, _ := strings.Cut(r.Status, " ")
	return reason
}

func (p *peer) send(format string, args ...any) {
	p.t.Helper()
	if _, err := fmt.Fprintf(p, format, args...); err != nil {
		p.t.Fatalf("send: %v", err)
	}
}

// begin sends a request's head and waits until the server asks for the body, and
// so has taken the request up.
func (p *peer) begin(head string) {
	p.t.Helper()
	p.send("%s", head)
	if res, err := http.ReadResponse(p.r, nil); err != nil || res.StatusCode != http.StatusContinue {
		p.t.Fatalf("the server does not ask for the body: %v %v", res, err)
	}
}

func (p *peer) reply(method string) *reply {
	p.t.Helper()
	res, err := http.ReadResponse(p.r, &http.Request{Method: method})
	if err != nil {
		p.t.Fatalf("read the response's head: %v", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatalf("read the response's body: %v", err)
	}
	return &reply{res, string(body)}
}

// closed tells whether the server closed the connection, with nothing more to
// read.
func (p *peer) closed() bool {
	n, err := io.Copy(io.Discard, p.r)
	return n == 0 && err == nil
}

// ask sends a request with the world's token and namespace, and reads its reply.
func (p *peer) ask(w *world, method, target, body string, headers ...string) *reply {
	p.t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: fake-host\r\n", method, target)
	auth, ns := "Bearer "+w.RootToken, w.ns.ID.String()
	for _, h := range headers {
		switch name, value, _ := strings.Cut(h, ": "); name {
		case "Authorization":
			auth = value
		case "Godwit-Namespace":
			ns = value
		default:
			b.WriteString(h + "\r\n")
		}
	}
	if auth != "" {
		b.WriteString("Authorization: " + auth + "\r\n")
	}
	if ns != "" {
		b.WriteString("Godwit-Namespace: " + ns + "\r\n")
	}
	if method == "PUT" || method == "POST" || body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	if _, err := p.Write(b.Bytes()); err != nil {
		p.t.Fatalf("send: %v", err)
	}
	return p.reply(method)
}

// ask is peer.ask on a connection of its own.
func (w *world) ask(method, target, body string, headers ...string) *reply {
	w.t.Helper()
	p := w.dial()
	defer p.Close()
	return p.ask(w, method, target, body, headers...)
}

// must fails the test unless the reply has the status.
func (r *reply) must(t testing.TB, status int) *reply {
	t.Helper()
	if r.StatusCode != status {
		t.Fatalf("got %s (%s), want %d", r.Status, r.body, status)
	}
	return r
}

package binding_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/apitest"
	"github.com/godwitkv/godwit/internal/api/binding"
)

// head is the head of a request with the world's credentials.
func (w *world) head(method, target string, headers ...string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: fake-host\r\nAuthorization: Bearer %s\r\nGodwit-Namespace: %s\r\n%s\r\n",
		method, target, w.RootToken, w.ns.ID, strings.Join(append(headers, ""), "\r\n"))
}

// chunked writes n bytes of r as a chunked body.
func (p *peer) chunked(r io.Reader, n int64) {
	p.t.Helper()
	buf := make([]byte, 50_000)
	for n > 0 {
		m, err := io.ReadFull(r, buf[:min(int64(len(buf)), n)])
		if err != nil {
			p.t.Fatal(err)
		}
		p.send("%x\r\n%s\r\n", m, buf[:m])
		n -= int64(m)
	}
	p.send("0\r\n\r\n")
}

func random() io.Reader { return rand.NewChaCha8([32]byte{1}) }

func TestLargeValues(t *testing.T) {
	w := newWorld(t, binding.Config{})
	p := w.dial()
	for _, size := range []int64{0, 1, 8 << 10, 64 << 10, 64<<10 + 1, 1<<20 + 7, godwit.MaxValueBytes} {
		want := sha256.New()
		_, _ = io.CopyN(want, random(), size)
		for _, framing := range []string{"length", "chunked"} {
			if framing == "chunked" {
				p.send("%s", w.head("PUT", "/k", "Transfer-Encoding: chunked"))
				p.chunked(random(), size)
			} else {
				p.send("%s", w.head("PUT", "/k", fmt.Sprintf("Content-Length: %d", size)))
				if _, err := io.CopyN(p, random(), size); err != nil {
					t.Fatal(err)
				}
			}
			p.reply("PUT").must(t, 200)
			res := p.ask(w, "GET", "/k", "").must(t, 200)
			if got := sha256.Sum256([]byte(res.body)); !bytes.Equal(got[:], want.Sum(nil)) || res.ContentLength != size {
				t.Errorf("%d bytes %s came back as %d others", size, framing, len(res.body))
			}
			if head := p.ask(w, "HEAD", "/k", ""); head.ContentLength != size {
				t.Errorf("HEAD of %d bytes says %d", size, head.ContentLength)
			}
		}
	}
}

// Bodies are read to their end before a refusal, for a Worker whose body is not
// taken sees a lost connection and not the reason.
func TestRefusedBodies(t *testing.T) {
	w := newWorld(t, binding.Config{})
	p := w.dial()
	const some, over = 3_000_000, godwit.MaxValueBytes + 1_234_567
	tooLarge := fmt.Sprintf("413 Value length of %d exceeds limit of 26214400.", over)
	for _, c := range []struct {
		size                 int64
		target, header, want string
	}{
		{over, "/k", "", tooLarge},
		{over, "/k?expiration_ttl=1", "", "400 Invalid expiration_ttl of 1. Expiration TTL must be at least 60."},
		{some, "/.", "", `400 Illegal key name ".". Please use a different name.`},
		{some, "/%zz?urlencoded=true", "", "400 Could not URL-decode key name"},
		{some, "/k", "CF-KV-Metadata: {", "400 Metadata is not valid JSON."},
		{some, "/k", "Godwit-Request-Id: \xff", "400 Invalid Godwit-Request-Id: use 1 to 128 printable ASCII characters without spaces."},
	} {
		for _, framing := range []string{fmt.Sprintf("Content-Length: %d", c.size), "Transfer-Encoding: chunked"} {
			headers := []string{framing}
			if c.header != "" {
				headers = append(headers, c.header)
			}
			p.send("%s", w.head("PUT", c.target, headers...))
			if framing[0] == 'T' {
				p.chunked(random(), c.size)
			} else if _, err := io.CopyN(p, random(), c.size); err != nil {
				t.Fatalf("%s %s: the body was not taken: %v", c.target, framing, err)
			}
			res := p.reply("PUT")
			if res.Status != c.want {
				t.Errorf("PUT %s %s, %s: got %q, want %q", c.target, c.header, framing, res.Status, c.want)
			}
			if res.Close {
				p = w.dial()
			}
		}
	}
	for _, method := range []string{"GET", "DELETE", "PATCH"} {
		p.send("%s%s", w.head(method, "/k", "Content-Length: 1000000"), strings.Repeat("x", 1_000_000))
		if p.reply(method).Close {
			p = w.dial()
		}
	}
	p.ask(w, "GET", "/k", "").must(t, 404)

	anyone := w.dial()
	anyone.send("PUT /k HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n%s", strings.Repeat("x", 3_000_000))
	if res := anyone.reply("PUT"); res.Status != "401 Authentication error" {
		t.Errorf("without a token: %s", res.Status)
	}
}

// smallValues is a world that takes values of up to a kilobyte.
func smallValues(t *testing.T) *world {
	l := godwit.DefaultLimits()
	l.MaxValueBytes = 1 << 10
	return newWorld(t, binding.Config{MaxValueBytes: l.MaxValueBytes}, apitest.WithLimits(l))
}

// A small limit makes no body too long to be read to its end.
func TestRefusedBodiesOfASmallLimit(t *testing.T) {
	w := smallValues(t)
	p := w.dial()
	for _, framing := range []string{"Content-Length: 3000000", "Transfer-Encoding: chunked"} {
		p.send("%s", w.head("PUT", "/k", framing))
		if framing[0] == 'T' {
			p.chunked(random(), 3_000_000)
		} else if _, err := io.CopyN(p, random(), 3_000_000); err != nil {
			t.Fatalf("the body was not taken: %v", err)
		}
		if res := p.reply("PUT"); res.Status != "413 Value length of 3000000 exceeds limit of 1024." || res.Close {
			t.Errorf("%s: got %s, close %v", framing, res.Status, res.Close)
		}
	}
}

// Nobody's body is read for ever.
func TestBodyOutOfAllBounds(t *testing.T) {
	w := smallValues(t)
	p := w.dial()
	p.send("%s", w.head("PUT", "/k", "Content-Length: 200000000")+"a beginning")
	if res := p.reply("PUT"); res.Status != "413 Value length of 200000000 exceeds limit of 1024." || !res.Close {
		t.Errorf("got %s, close %v", res.Status, res.Close)
	}
	p = w.dial()
	p.send("%s", w.head("PUT", "/k", "Transfer-Encoding: chunked"))
	go func() {
		for { // until the server has had enough
			if _, err := fmt.Fprintf(p, "10000\r\n%s\r\n", strings.Repeat("x", 0x10000)); err != nil {
				return
			}
		}
	}()
	res := p.reply("PUT")
	if !strings.HasPrefix(res.Status, "413 Value length of ") || !res.Close {
		t.Errorf("got %s, close %v", res.Status, res.Close)
	}
	p.Close()
	w.ask("GET", "/k", "").must(t, 404)
}

// TestLongHead sends a head that is not read, and then all of its body before it looks for
// an answer, as a Worker does.
func TestLongHead(t *testing.T) {
	w := newWorld(t, binding.Config{})
	p := w.dial()
	const size = 8 << 20
	p.send("%s", w.head("PUT", "/k", "CF-KV-Metadata: "+strings.Repeat("m", 40_000), fmt.Sprintf("Content-Length: %d", size)))
	if n, err := io.Copy(p, strings.NewReader(strings.Repeat("v", size))); err != nil {
		t.Fatalf("after %d bytes: %v", n, err)
	}
	const want = "431 Request head is over 16384 bytes: a key or prefix has at most 512, metadata 1024."
	if res := p.reply("PUT"); res.Status != want || !res.Close {
		t.Errorf("got %s, close %v", res.Status, res.Close)
	}
	w.ask("GET", "/k", "").must(t, 404)
}

func TestExpectContinue(t *testing.T) {
	w := newWorld(t, binding.Config{})
	p := w.dial()
	for _, framing := range []string{"Content-Length: 5", "Transfer-Encoding: chunked"} {
		p.begin(w.head("PUT", "/k", framing, "Expect: 100-continue"))
		if framing[0] == 'T' {
			p.chunked(strings.NewReader("value"), 5)
		} else {
			p.send("value")
		}
		p.reply("PUT").must(t, 200)
		if res := p.ask(w, "GET", "/k", ""); res.body != "value" {
			t.Errorf("%s: value %q", framing, res.body)
		}
	}
}

// damaged is a reader of values that go wrong.
type damaged struct {
	godwit.Reader
	how atomic.Pointer[damage]
}

type damage struct {
	cut  int64 // bytes that still come
	then error // what comes then
	more int   // bytes too many
	gone int32 // how often it is not there at all
}

func (d *damaged) OpenValue(ctx context.Context, ns godwit.NamespaceID, e *godwit.Entry) (io.ReadCloser, error) {
	r, err := d.Reader.OpenValue(ctx, ns, e)
	if err != nil {
		return nil, err
	}
	how := d.how.Load()
	if atomic.AddInt32(&how.gone, -1) >= 0 {
		_ = r.Close()
		return nil, godwit.Errorf(godwit.CodeUnavailable, "The value is gone.")
	}
	bad := io.MultiReader(io.LimitReader(r, how.cut), strings.NewReader(strings.Repeat("+", how.more)), failing{how.then})
	return struct {
		io.Reader
		io.Closer
	}{bad, r}, nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// A value that cannot be read whole is never taken for whole.
func TestDamagedValues(t *testing.T) {
	d := &damaged{}
	w := newWorld(t, binding.Config{}, apitest.WithService(func(c *api.Config) {
		d.Reader = c.Reader
		c.Reader = d
	}))
	const size = 300_000
	w.ask("PUT", "/k", strings.Repeat("v", size)).must(t, 200)
	corrupt := errors.New("the checksum differs")
	for _, c := range []struct {
		name  string
		how   damage
		whole bool
	}{
		{"whole", damage{size, io.EOF, 0, 0}, true},
		{"gone twice", damage{size, io.EOF, 0, 2}, true},
		{"nothing", damage{0, corrupt, 0, 0}, false},
		{"cut short", damage{size - 1, io.EOF, 0, 0}, false},
		{"cut short at a chunk", damage{64 << 10, io.EOF, 0, 0}, false},
		{"corrupt in the middle", damage{size / 2, corrupt, 0, 0}, false},
		{"corrupt at the end", damage{size, corrupt, 0, 0}, false},
		{"too long", damage{size, io.EOF, 1, 0}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d.how.Store(&c.how)
			p := w.dial()
			p.send("%s", w.head("GET", "/k"))
			res, err := http.ReadResponse(p.r, nil)
			if err != nil {
				if c.whole {
					t.Fatal(err)
				}
				return
			}
			body, err := io.ReadAll(res.Body)
			if whole := err == nil && len(body) == size; whole != c.whole || res.StatusCode != 200 || res.ContentLength != size {
				t.Errorf("%s with %d bytes: %v", res.Status, len(body), err)
			}
		})
	}
	d.how.Store(&damage{size, io.EOF, 0, api.MaxValueAttempts})
	if res := w.ask("GET", "/k", ""); res.Status != "503 The value is gone." || res.Header.Get("Retry-After") != "1" {
		t.Errorf("gone for good: %s %v", res.Status, res.Header)
	}
}

package simulation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// pair is two hosts, "a" and "b", and a listener at b.
type pair struct {
	t      *testing.T
	n      *network
	a, b   *port
	listen net.Listener
}

// inPair runs fn in a bubble with two hosts that are delay apart.
func inPair(t *testing.T, delay time.Duration, fn func(p *pair)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(1)
		n.addHost("a")
		n.addHost("b")
		n.with("a", "b", func(l *link) { l.delay = delay })
		p := &pair{t: t, n: n, a: n.start("a"), b: n.start("b")}
		var err error
		if p.listen, err = p.b.listen("tcp", "b:1"); err != nil {
			t.Fatal(err)
		}
		defer p.listen.Close()
		fn(p)
	})
}

// connect returns both ends of a connection, which the test's end closes.
func (p *pair) connect() (here, there net.Conn) {
	p.t.Helper()
	here, err := p.a.dial(p.t.Context(), "tcp", "b:1")
	if err != nil {
		p.t.Fatal(err)
	}
	there, err = p.listen.Accept()
	if err != nil {
		p.t.Fatal(err)
	}
	return here, there
}

func (p *pair) write(c net.Conn, text string) {
	p.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		p.t.Errorf("write: %v", err)
	}
}

// read reads as much as comes at once, and tells after how long it came.
func (p *pair) read(c net.Conn) (string, time.Duration, error) {
	begun := time.Now()
	b := make([]byte, 100)
	n, err := c.Read(b)
	return string(b[:n]), time.Since(begun), err
}

func TestBytesTakeTheirTime(t *testing.T) {
	inPair(t, 10*time.Millisecond, func(p *pair) {
		begun := time.Now()
		here, there := p.connect()
		if d := time.Since(begun); d != 20*time.Millisecond {
			t.Errorf("a connection took %v", d)
		}
		p.write(here, "one ")
		p.write(here, "two")
		if text, d, err := p.read(there); text != "one two" || d != 10*time.Millisecond || err != nil {
			t.Errorf("%q after %v: %v", text, d, err)
		}
		here.Close()
		if _, d, err := p.read(there); d != 10*time.Millisecond || err != io.EOF {
			t.Errorf("the end after %v: %v", d, err)
		}
		if _, err := there.Write([]byte("x")); err == nil {
			t.Error("a closed connection can be written to")
		}
		there.Close()
	})
}

// TestStalledBytesCome: what was sent while a link was stalled comes afterwards,
// and in order; the other direction goes on.
func TestStalledBytesCome(t *testing.T) {
	inPair(t, time.Millisecond, func(p *pair) {
		here, there := p.connect()
		defer here.Close()
		defer there.Close()
		p.n.oneWay("a", "b", func(l *link) { l.stalls++ })
		p.write(here, "late")
		p.write(there, "in time")
		if text, d, err := p.read(here); text != "in time" || d != time.Millisecond || err != nil {
			t.Errorf("%q after %v: %v", text, d, err)
		}
		time.AfterFunc(time.Minute, func() { p.n.oneWay("a", "b", func(l *link) { l.stalls-- }) })
		if text, d, err := p.read(there); text != "late" || d != time.Minute || err != nil {
			t.Errorf("%q after %v: %v", text, d, err)
		}
	})
}

func TestDialWaitsForALink(t *testing.T) {
	inPair(t, time.Millisecond, func(p *pair) {
		p.n.with("a", "b", func(l *link) { l.stalls++ })
		ctx, cancel := context.WithTimeout(p.t.Context(), time.Second)
		defer cancel()
		if _, err := p.a.dial(ctx, "tcp", "b:1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		p.n.with("a", "b", func(l *link) { l.stalls--; l.cuts++ })
		if _, err := p.a.dial(p.t.Context(), "tcp", "b:1"); !errors.Is(err, errUnreachable) {
			t.Errorf("got %v", err)
		}
		p.n.with("a", "b", func(l *link) { l.cuts-- })
		if _, err := p.a.dial(p.t.Context(), "tcp", "b:2"); !errors.Is(err, errRefused) {
			t.Errorf("got %v", err)
		}
	})
}

// TestFrailLink: a connection breaks within what it carries, at both ends.
func TestFrailLink(t *testing.T) {
	inPair(t, time.Millisecond, func(p *pair) {
		here, there := p.connect()
		defer here.Close()
		defer there.Close()
		p.n.oneWay("a", "b", func(l *link) { l.every, l.frail = 100, 5 })
		if n, err := here.Write([]byte("12345678")); n != 5 || !errors.Is(err, errReset) {
			t.Errorf("%d bytes written: %v", n, err)
		}
		if text, _, _ := p.read(there); text != "12345" {
			t.Errorf("got %q", text)
		}
		for _, c := range []net.Conn{here, there} {
			if _, _, err := p.read(c); !errors.Is(err, errReset) {
				t.Errorf("got %v", err)
			}
		}
	})
}

// TestKill: the other end of a killed process's connection hears of it, that of a
// machine without power does not until it writes once there is power again. What
// was left running reaches nobody.
func TestKill(t *testing.T) {
	for _, loud := range []bool{true, false} {
		t.Run(fmt.Sprint(loud), func(t *testing.T) {
			inPair(t, time.Millisecond, func(p *pair) {
				here, there := p.connect()
				defer here.Close()
				p.n.kill("b", loud)
				if _, err := there.Write([]byte("x")); err == nil {
					t.Error("a dead process writes")
				}
				if _, err := p.b.dial(p.t.Context(), "tcp", "a:1"); !errors.Is(err, errUnreachable) {
					t.Errorf("a dead process dials: %v", err)
				}
				_ = here.SetReadDeadline(time.Now().Add(time.Minute))
				want := os.ErrDeadlineExceeded
				if loud {
					want = errReset
				}
				if _, _, err := p.read(here); !errors.Is(err, want) {
					t.Errorf("got %v", err)
				}
				_ = here.SetReadDeadline(time.Time{})
				p.n.start("b")
				if _, err := here.Write([]byte("x")); !errors.Is(err, errReset) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// TestFullWindow: a writer waits for a reader that does not read.
func TestFullWindow(t *testing.T) {
	inPair(t, 0, func(p *pair) {
		here, there := p.connect()
		defer there.Close()
		_ = here.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := here.Write(make([]byte, windowBytes+1))
		if n != windowBytes || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes written: %v", n, err)
		}
		here.Close()
		if all, err := io.ReadAll(there); len(all) != windowBytes || err != nil {
			t.Errorf("%d bytes read: %v", len(all), err)
		}
	})
}

package delay_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwitkv/godwit/internal/delay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const oneWay = 30 * time.Millisecond

// echo serves one that sends back what it gets, until its client ends.
func echo(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	return ln.Addr().String()
}

func start(t *testing.T, target string) net.Conn {
	t.Helper()
	p, err := delay.Listen("127.0.0.1:0", target, oneWay)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestRoundTrip: an answer comes a round trip later, never sooner, and whole.
func TestRoundTrip(t *testing.T) {
	c := start(t, echo(t))
	buf := make([]byte, 5)
	for i := range 3 {
		begun := time.Now()
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "hello" {
			t.Fatalf("read %q, %v", buf, err)
		}
		if took := time.Since(begun); took < 2*oneWay {
			t.Errorf("answer %d came after %v, sooner than %v", i, took, 2*oneWay)
		}
	}
}

// TestMuchAtOnce: the delay is for each byte, not for each chunk after the other,
// and the end comes through as one.
func TestMuchAtOnce(t *testing.T) {
	c := start(t, echo(t))
	want := make([]byte, 16<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(want)
	begun := time.Now()
	go func() {
		_, _ = c.Write(want)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %d bytes, %v", len(got), err)
	}
	// One chunk after the other would take 512 times two delays: half a minute.
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("%d bytes took %v", len(want), took)
	}
}

// TestNobodyThere: a target that refuses ends the connection.
func TestNobodyThere(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := start(t, target).Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes from nobody", n)
	}
}

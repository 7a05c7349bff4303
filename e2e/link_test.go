package e2e_test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// startLink returns an address at which a node follows another across a network that
// takes its time: what the feed tells arrives later by lag. All else passes at once.
func startLink(t testing.TB, target string, lag time.Duration) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &link{target: target, lag: lag, done: make(chan struct{})}
	k.wg.Go(func() { k.serve(l) })
	t.Cleanup(func() {
		close(k.done)
		_ = l.Close()
		k.wg.Wait()
	})
	return l.Addr().String()
}

type link struct {
	target string
	lag    time.Duration
	done   chan struct{}
	wg     sync.WaitGroup
}

func (k *link) serve(l net.Listener) {
	for {
		down, err := l.Accept()
		if err != nil {
			return
		}
		k.wg.Go(func() { k.pass(down) })
	}
}

// pass passes on what one connection says, either way, until one end has gone.
func (k *link) pass(down net.Conn) {
	up, err := (&net.Dialer{Timeout: soon}).Dial("tcp", k.target)
	if err != nil {
		_ = down.Close()
		return
	}
	var feed atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = io.Copy(up, io.TeeReader(down, feedSpotter{&feed}))
		_ = up.Close()
	})
	wg.Go(func() {
		k.late(down, up, &feed)
		_ = down.Close()
		_ = up.Close()
	})
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-k.done:
		_ = down.Close()
		_ = up.Close()
		<-ended
	}
}

// feedSpotter notes that a connection asks for the feed.
type feedSpotter struct{ seen *atomic.Bool }

func (f feedSpotter) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("GET /godwit/v1/feed?after=")) {
		f.seen.Store(true)
	}
	return len(b), nil
}

type piece struct {
	at    time.Time
	bytes []byte
}

// late copies, and of a feed later by the lag.
func (k *link) late(down io.Writer, up io.Reader, feed *atomic.Bool) {
	pieces := make(chan piece, 1024)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(pieces)
	wg.Go(func() {
		for p := range pieces {
			if wait := time.Until(p.at); wait > 0 {
				select {
				case <-time.After(wait):
				case <-k.done:
				}
			}
			_, _ = down.Write(p.bytes) // who has gone is noticed by the reader
		}
	})
	for {
		b := make([]byte, 32<<10)
		n, err := up.Read(b)
		if n > 0 {
			p := piece{bytes: b[:n]}
			if feed.Load() {
				p.at = time.Now().Add(k.lag)
			}
			pieces <- p
		}
		if err != nil {
			return
		}
	}
}

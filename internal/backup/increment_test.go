package backup_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/backup"
)

// counter stands in front of a node and counts what that sends.
type counter struct {
	listener net.Listener
	to       string
	sent     atomic.Int64
	cut      atomic.Pointer[cut]
	running  sync.WaitGroup
}

// cut ends a backup once so many bytes were sent.
type cut struct {
	after  int64
	cancel func()
}

func (w *world) counter() *counter {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(w.t, err)
	c := &counter{listener: l, to: strings.TrimPrefix(w.url(), "http://")}
	c.running.Go(c.serve)
	w.t.Cleanup(func() {
		_ = l.Close()
		c.running.Wait()
	})
	return c
}

func (c *counter) url() string { return "http://" + c.listener.Addr().String() }

func (c *counter) serve() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return
		}
		c.running.Go(func() { c.pass(conn) })
	}
}

func (c *counter) pass(conn net.Conn) {
	defer conn.Close()
	node, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer node.Close()
	c.running.Go(func() {
		_, _ = io.Copy(node, conn)
		_ = node.Close()
	})
	buf := make([]byte, 64<<10)
	for {
		n, err := node.Read(buf)
		sent := c.sent.Add(int64(n))
		if at := c.cut.Load(); at != nil && sent >= at.after {
			at.cancel()
		}
		if _, failed := conn.Write(buf[:n]); err != nil || failed != nil {
			return
		}
	}
}

// taken makes a backup and tells how many bytes the node has sent for it.
func (c *counter) taken(t *testing.T, dir string) (*backup.Result, int64) {
	t.Helper()
	before := c.sent.Load()
	r, err := backup.Run(t.Context(), backup.Config{Dir: dir, URL: c.url(), Token: rootToken})
	check(t, err)
	return r, c.sent.Load() - before
}

// noise are bytes that nothing makes smaller, others for each seed.
func noise(seed, n int) string {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(n), byte(n >> 8)})
	_, _ = rng.Read(b)
	return string(b)
}

// fill puts n values of size bytes.
func (w *world) fill(kv *client.KV, prefix string, n, size int) {
	w.t.Helper()
	for i := range n {
		w.put(kv, fmt.Sprintf("%s%04d", prefix, i), noise(i, size))
	}
}

// same wants a backup to be what the node's store is.
func (w *world) same(dir string, r *backup.Result) {
	w.t.Helper()
	now := time.Now().Unix()
	sum, at := digest(w.t, dir, now)
	want, atNode, err := w.store.Digest(w.t.Context(), now)
	check(w.t, err)
	if sum != want || at != atNode || r.Revision != at {
		w.t.Errorf("the backup is at %d and says %d, the node is at %d; equal content: %t", at, r.Revision, atNode, sum == want)
	}
}

// TestIncrementTakesWhatDiffers: a run over a backup that is there brings what has
// changed since, and little more.
func TestIncrementTakesWhatDiffers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "data"))
	kv := w.namespace("birds")
	const size, large = 10_000, 200_000
	w.fill(kv, "k", 400, size)
	w.fill(kv, "large", 10, large)
	c, dir := w.counter(), filepath.Join(t.TempDir(), "backup")
	r, whole := c.taken(t, dir)
	w.same(dir, r)
	if whole < 400*size+10*large {
		t.Fatalf("a first backup of %d bytes took %d", r.Bytes, whole)
	}
	r, none := c.taken(t, dir)
	w.same(dir, r)

	w.put(kv, "k0007", noise(1000, size))
	w.put(kv, "large3", noise(1000, large))
	_, err := kv.Delete(t.Context(), "k0008", client.DeleteOptions{})
	check(t, err)
	r, some := c.taken(t, dir)
	w.same(dir, r)
	t.Logf("taken: %d bytes at first, %d when nothing has changed, %d for %d changed", whole, none, some, size+large)
	const around = 64 << 10 // requests, heartbeats
	if none > around || some < size+large || some > size+large+around {
		t.Errorf("%d bytes when nothing has changed, %d for %d changed", none, some, size+large)
	}
}

// TestIncrementGoesOn: what a run that was cut off has brought in is not fetched
// again.
func TestIncrementGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "data"))
	kv := w.namespace("birds")
	const n, size = 24, 1 << 20
	w.fill(kv, "k", n, size)
	c, dir := w.counter(), filepath.Join(t.TempDir(), "backup")
	ctx, cancel := context.WithCancel(t.Context())
	c.cut.Store(&cut{after: n * size / 2, cancel: cancel})
	_, err := backup.Run(ctx, backup.Config{Dir: dir, URL: c.url(), Token: rootToken})
	cancel()
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("it was not cut off: %v", err)
	}
	before := c.sent.Load()
	here, err := os.ReadDir(filepath.Join(dir, "blobs"))
	check(t, err)
	r, rest := c.taken(t, dir)
	w.same(dir, r)
	t.Logf("%d bytes and %d values before the cut, %d bytes behind it", before, len(here), rest)
	if most := int64(n-len(here)+1) * size; len(here) < 4 || rest > most {
		t.Errorf("%d bytes were taken behind a cut, and %d values of %d had come", rest, len(here), n)
	}
}

// TestIncrementOfACentreRolledBack: a centre that was put back to an old image of its
// disk, and has gone on from there, has lost writes that the backup holds. The backup
// becomes what the centre is now, and takes what differs alone.
func TestIncrementOfACentreRolledBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "data"))
	kv := w.namespace("birds")
	w.fill(kv, "k", 200, 10_000)
	w.put(kv, "large", noise(1, 200_000))
	w.stop()
	image := filepath.Join(t.TempDir(), "image")
	check(t, os.CopyFS(image, os.DirFS(w.cfg.Dir)))
	w.start()
	kv = w.KV("birds")
	w.put(kv, "lost", "lost")
	w.put(kv, "k0001", "lost")
	dir := filepath.Join(t.TempDir(), "backup")
	later := w.backup(dir)
	w.stop()

	check(t, os.RemoveAll(w.cfg.Dir))
	check(t, os.CopyFS(w.cfg.Dir, os.DirFS(image)))
	w.start()
	w.put(w.KV("birds"), "new", "new")
	c := w.counter()
	r, taken := c.taken(t, dir)
	w.same(dir, r)
	if r.Revision <= later.Revision || r.Keys != later.Keys || taken > 200_000 {
		t.Errorf("%+v after %+v, %d bytes taken", r, later, taken)
	}
	if r, taken = c.taken(t, dir); taken > 64<<10 {
		t.Errorf("%d bytes taken when nothing had changed", taken)
	}
	w.same(dir, r)
}

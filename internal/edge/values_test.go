package edge_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/edge"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

// content is a value of n bytes, and what a record says of it.
func content(key string, n int) ([]byte, godwit.Blob) {
	text := bytes.Repeat([]byte(key+" "), n/(len(key)+1)+1)[:n]
	sum := sha256.Sum256(text)
	return text, godwit.Blob{ID: godwit.BlobID(sum[:16]), Size: int64(n), Hash: sum}
}

// putBlob is a record whose value the upstream holds.
func (u *upstream) putBlob(key string, n int, r godwit.Revision) godwit.Record {
	text, b := content(key, n)
	u.mu.Lock()
	u.values[key] = text
	u.mu.Unlock()
	rec := put(ns1, key, "", r)
	rec.Value = godwit.Value{Blob: b}
	return rec
}

// fetches returns the keys whose values were asked for since it was last asked.
func (u *upstream) fetches() string {
	synctest.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	defer func() { u.fetched = nil }()
	slices.Sort(u.fetched)
	return strings.Join(u.fetched, " ")
}

// read reads a value as a request does.
func (n *node) read(ctx context.Context, key string) ([]byte, error) {
	e, _, err := n.store.Get(ctx, ns1, []byte(key), godwit.ReadOptions{})
	if err != nil {
		return nil, err
	}
	r, err := n.FetchValue(ctx, ns1, e)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func (n *node) wantRead(key string, size int) {
	n.t.Helper()
	want, _ := content(key, size)
	if got, err := n.read(context.Background(), key); err != nil || !bytes.Equal(got, want) {
		n.t.Errorf("%s: %d bytes, %v", key, len(got), err)
	}
}

// following starts an edge that follows one upstream.
func following(t *testing.T, o options) (*node, *upstream, *stream) {
	t.Helper()
	if o.net == nil {
		o.net = newNetwork()
	}
	u := startUpstream(t, o.net, "centre")
	o.upstream = []*upstream{u}
	n := start(t, o)
	s := u.next()
	at := n.store.Revision()
	s.send(hello(at), ready(at))
	return n, u, s
}

// TestValuesAreFetched: values that come as references are fetched in the
// background, and can be read at once all the same.
func TestValuesAreFetched(t *testing.T) {
	world(t, func(t *testing.T) {
		n, u, s := following(t, options{at: 100})
		defer n.stop()
		s.send(batch(100, u.putBlob("a", 5000, 101), u.putBlob("b", 70_000, 102), u.putBlob("gone", 2000, 103), put(ns1, "gone", "other", 104)))
		if got := u.fetches(); got != "a b" {
			t.Errorf("fetched %q", got)
		}
		n.wantRead("a", 5000)
		n.wantRead("b", 70_000)
		if got := u.fetches(); got != "" || n.Status().Missing != 0 {
			t.Errorf("fetched again %q, %d are missing", got, n.Status().Missing)
		}
	})
}

// TestValueThatNeverComes: that the upstream does not have what an entry names is told
// once, and it is asked for until it does.
func TestValueThatNeverComes(t *testing.T) {
	world(t, func(t *testing.T) {
		n, u, s := following(t, options{at: 100})
		defer n.stop()
		rec := u.putBlob("a", 5000, 101)
		u.mu.Lock()
		text := u.values["a"]
		u.values["a"] = bytes.Repeat([]byte("x"), 5000)
		u.mu.Unlock()
		s.send(batch(100, rec))
		const line = "level=WARN msg=\"a value does not come: it is asked for again and again\" "
		u.beats(s, 101, 5*time.Second)
		if told := n.logs.Count(line); told != 0 {
			t.Errorf("told %d times at once", told)
		}
		u.beats(s, 101, 10*time.Minute)
		if told := n.logs.Count(line); told != 1 || n.Status().Missing != 1 {
			t.Errorf("told %d times, %d are missing; log: %s", told, n.Status().Missing, n.logs)
		}
		u.mu.Lock()
		u.values["a"] = text
		u.mu.Unlock()
		u.beats(s, 101, 10*time.Second)
		if n.Status().Missing != 0 {
			t.Errorf("%d are missing", n.Status().Missing)
		}
		n.wantRead("a", 5000)
	})
}

// TestReadersShareAFetch: however many wait for a value, it is fetched once.
func TestReadersShareAFetch(t *testing.T) {
	world(t, func(t *testing.T) {
		n, u, s := following(t, options{at: 100})
		defer n.stop()
		u.hold = make(chan struct{})
		s.send(batch(100, u.putBlob("a", 5000, 101)))
		var readers sync.WaitGroup
		for range 10 {
			readers.Go(func() { n.wantRead("a", 5000) })
		}
		ctx, cancel := context.WithCancel(t.Context())
		var gone error
		readers.Go(func() { _, gone = n.read(ctx, "a") })
		synctest.Wait()
		cancel()
		synctest.Wait()
		if godwit.CodeOf(gone) != godwit.CodeUnavailable {
			t.Errorf("who gave up got %v", gone)
		}
		close(u.hold)
		readers.Wait()
		if got := u.fetches(); got != "a" {
			t.Errorf("fetched %q", got)
		}
	})
}

// TestValuesAreFetchedLater: a value that does not come is tried again; one that
// a crash or an outage left out is fetched after the restart.
func TestValuesAreFetchedLater(t *testing.T) {
	world(t, func(t *testing.T) {
		fs := store.NewMemFS()
		n, u, s := following(t, options{at: 100, fs: fs})
		rec := u.putBlob("a", 5000, 101)
		text := u.values["a"]
		u.values["a"] = text[:4999] // damaged
		s.send(batch(100, rec))
		time.Sleep(500 * time.Millisecond)
		if got := u.fetches(); len(got) < 3 || n.Status().Missing != 1 {
			t.Errorf("fetched %q, %d are missing", got, n.Status().Missing)
		}
		if _, err := n.read(t.Context(), "a"); godwit.CodeOf(err) != godwit.CodeUnavailable {
			t.Errorf("a damaged value: %v", err)
		}
		n.stop()
		u.values["a"] = text
		o := options{net: u.net, fs: fs, upstream: []*upstream{u}}
		n = start(t, o)
		defer n.stop()
		if got := u.fetches(); got == "" {
			t.Error("nothing was fetched after the restart")
		}
		n.wantRead("a", 5000)
	})
}

// TestReplaced: who reads a value that was replaced upstream is told so, and it is
// not tried for ever.
func TestReplaced(t *testing.T) {
	world(t, func(t *testing.T) {
		n, u, s := following(t, options{at: 100})
		defer n.stop()
		rec := u.putBlob("a", 5000, 101)
		delete(u.values, "a")
		s.send(batch(100, rec))
		if n.Status().Missing != 0 {
			t.Errorf("%d are missing", n.Status().Missing)
		}
		_, err := n.read(t.Context(), "a")
		if e := new(godwit.Error); !errors.As(err, &e) || e != godwit.ErrReplaced {
			t.Errorf("read: %v", err)
		}
	})
}

// TestWithheld: longer values than this node carries are fetched when they are
// read, kept as long as there is room, the ones read last longest, and known again
// after a restart. One that is not here is never absent.
func TestWithheld(t *testing.T) {
	world(t, func(t *testing.T) {
		fs := store.NewMemFS()
		cfg := edge.Config{MaxValue: 2000, ValueCacheBytes: 12_000}
		n, u, s := following(t, options{at: 100, fs: fs, cfg: cfg})
		if got := s.query.Get("max_value"); got != "2000" {
			t.Errorf("it asks for values of up to %q", got)
		}
		s.send(batch(100, u.putBlob("a", 5000, 101), u.putBlob("b", 5000, 102), u.putBlob("c", 5000, 103), u.putBlob("short", 1500, 104)))
		if got := u.fetches(); got != "short" {
			t.Errorf("fetched %q", got)
		}
		n.wantRead("a", 5000)
		n.wantRead("b", 5000)
		n.wantRead("a", 5000)
		if got := u.fetches(); got != "a b" || n.KeptValues() != 2 {
			t.Errorf("fetched %q, %d are kept", got, n.KeptValues())
		}
		n.wantRead("c", 5000) // b goes
		n.wantRead("a", 5000)
		if got := u.fetches(); got != "c" || n.KeptValues() != 2 {
			t.Errorf("fetched %q, %d are kept", got, n.KeptValues())
		}
		n.stop()
		u.net.cut("centre", true)
		n = start(t, options{net: u.net, fs: fs, cfg: cfg, upstream: []*upstream{u}})
		defer n.stop()
		time.Sleep(time.Second)
		synctest.Wait()
		if n.KeptValues() != 2 || n.Status().Missing != 0 {
			t.Errorf("%d are kept, %d are missing", n.KeptValues(), n.Status().Missing)
		}
		n.wantRead("a", 5000)
		n.wantRead("c", 5000)
		was := time.Now()
		if _, err := n.read(t.Context(), "b"); godwit.CodeOf(err) != godwit.CodeUnavailable || time.Since(was) > 0 {
			t.Errorf("a value that is not here: %v after %v", err, time.Since(was))
		}
	})
}

// TestTooLargeForTheCache: a value with which the cache is too small can be read
// all the same.
func TestTooLargeForTheCache(t *testing.T) {
	world(t, func(t *testing.T) {
		n, u, s := following(t, options{at: 100, cfg: edge.Config{MaxValue: 2000, ValueCacheBytes: 3000}})
		defer n.stop()
		s.send(batch(100, u.putBlob("a", 5000, 101), u.putBlob("b", 5000, 102)))
		for range 2 {
			n.wantRead("a", 5000)
			n.wantRead("b", 5000)
		}
		if got := u.fetches(); got != "a a b b" || n.KeptValues() != 1 {
			t.Errorf("fetched %q, %d are kept", got, n.KeptValues())
		}
	})
}

// TestValuesPassThroughAFullDisk: what there is no room to keep is read from the
// upstream, and what comes must be what the entry names.
func TestValuesPassThroughAFullDisk(t *testing.T) {
	world(t, func(t *testing.T) {
		fs := store.NewMemFS()
		storetest.SetDiskUsage(fs, 1<<40, 1<<39)
		n, u, s := following(t, options{at: 100, fs: fs, reserve: 1 << 20, cfg: edge.Config{MaxValue: 2000}})
		defer n.stop()
		s.send(batch(100, u.putBlob("a", 5000, 101), u.putBlob("b", 5000, 102), u.putBlob("c", 5000, 103)))
		synctest.Wait()
		storetest.SetDiskUsage(fs, 1<<40, 1<<10)
		time.Sleep(100 * time.Millisecond)
		n.wantRead("a", 5000)
		n.wantRead("a", 5000)
		if n.KeptValues() != 0 {
			t.Errorf("%d values are kept", n.KeptValues())
		}
		u.mu.Lock()
		u.values["b"] = bytes.Repeat([]byte("x"), 5000)
		delete(u.values, "c")
		u.mu.Unlock()
		if _, err := n.read(t.Context(), "b"); !isCode(err, godwit.CodeUnavailable) {
			t.Errorf("another value: %v", err)
		}
		if _, err := n.read(t.Context(), "c"); !errors.Is(err, godwit.ErrReplaced) {
			t.Errorf("a value that was replaced: %v", err)
		}
		close(s.out)
		u.net.cut("centre", true)
		time.Sleep(5 * time.Second)
		if _, err := n.read(t.Context(), "a"); !isCode(err, godwit.CodeUnavailable) {
			t.Errorf("without an upstream: %v", err)
		}
	})
}

// TestUpstreamGoesAway: who waits for a value is told at once that the upstream is
// gone.
func TestUpstreamGoesAway(t *testing.T) {
	world(t, func(t *testing.T) {
		n, u, s := following(t, options{at: 100, cfg: edge.Config{MaxValue: 2000}})
		defer n.stop()
		u.hold = make(chan struct{})
		s.send(batch(100, u.putBlob("a", 5000, 101)))
		failed := make(chan error, 1)
		go func() { _, err := n.read(context.Background(), "a"); failed <- err }()
		synctest.Wait()
		was := time.Now()
		close(s.out)
		if err := <-failed; godwit.CodeOf(err) != godwit.CodeUnavailable {
			t.Errorf("read: %v", err)
		}
		if time.Since(was) > 100*time.Millisecond {
			t.Errorf("told after %v", time.Since(was))
		}
	})
}

// TestUploadIsAdopted: what was uploaded here does not travel back.
func TestUploadIsAdopted(t *testing.T) {
	for _, most := range []int64{0, 2000} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			world(t, func(t *testing.T) {
				n, u, s := following(t, options{at: 100, cfg: edge.Config{MaxValue: most}})
				defer n.stop()
				text, _ := content("a", 5000)
				v, err := n.store.Upload(t.Context(), bytes.NewReader(text), 1<<20)
				if err != nil {
					t.Fatal(err)
				}
				n.Uploaded(v.Blob)
				s.send(batch(100, u.putBlob("a", 5000, 101)))
				n.Decided(v.Blob)
				n.wantRead("a", 5000)
				if got := u.fetches(); got != "" {
					t.Errorf("fetched %q", got)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if n.store.HasBlob(v.Blob.ID) {
					t.Error("the upload stays for ever")
				}
				n.wantRead("a", 5000)
			})
		})
	}
}

// TestManyValues: more values than may wait are found by a scan.
func TestManyValues(t *testing.T) {
	world(t, func(t *testing.T) {
		n, u, s := following(t, options{at: 100})
		defer n.stop()
		n.SetMaxQueue(10)
		u.hold = make(chan struct{})
		var records []godwit.Record
		for i := range 40 {
			records = append(records, u.putBlob(fmt.Sprintf("key%02d", i), 2000, godwit.Revision(101+i)))
		}
		s.send(batch(100, records...))
		if m := n.Status().Missing; m != 10 {
			t.Errorf("%d wait", m)
		}
		close(u.hold)
		time.Sleep(time.Second)
		synctest.Wait()
		for i := range 40 {
			if !n.store.HasBlob(records[i].Value.Blob.ID) {
				t.Errorf("value %d is not here", i)
			}
		}
		if m := n.Status().Missing; m != 0 {
			t.Errorf("%d wait", m)
		}
	})
}

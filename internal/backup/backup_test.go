package backup_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/backup"
	"github.com/godwitkv/godwit/internal/store"
)

func (w *world) backup(dir string) *backup.Result {
	w.t.Helper()
	r, err := backup.Run(w.t.Context(), backup.Config{Dir: dir, URL: w.node.APIURL(), Token: rootToken})
	check(w.t, err)
	return r
}

// files is every file below a directory with its hash, but for locks.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "LOCK" {
			return err
		}
		b, err := os.ReadFile(path)
		all[path] = fmt.Sprintf("%x", sha256.Sum256(b))
		return err
	}))
	return all
}

// pace is between two writes of all writers together: who copies is to get a turn
// on a machine that has others to serve.
const pace = 2 * time.Millisecond

// load writes until ctx ends: small and large values over each other, deletions,
// expirations, keys of all kinds.
func load(ctx context.Context, kv *client.KV, writers int, acked *atomic.Int64) *sync.WaitGroup {
	running := new(sync.WaitGroup)
	turns := make(chan struct{})
	running.Go(func() {
		tick := time.NewTicker(pace)
		defer tick.Stop()
		defer close(turns)
		for ctx.Err() == nil {
			<-tick.C
			select {
			case turns <- struct{}{}:
			case <-ctx.Done():
			}
		}
	})
	for i := range writers {
		running.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			n := 0
			for range turns {
				n++
				key := fmt.Sprintf("%d/ödd //%%2F \x01?%d", i%8, rng.IntN(20))
				size := rng.IntN(3000)
				if rng.IntN(10) == 0 {
					size = 65<<10 + rng.IntN(300<<10)
				}
				opts := client.PutOptions{Metadata: []byte(fmt.Sprintf(`{"n":%d}`, n))}
				if rng.IntN(4) == 0 {
					opts.ExpirationTTL = time.Duration(1+rng.IntN(4)) * time.Second
				}
				var err error
				if rng.IntN(8) == 0 {
					_, err = kv.Delete(ctx, key, client.DeleteOptions{})
				} else {
					_, err = kv.Put(ctx, key, strings.NewReader(strings.Repeat(fmt.Sprint(n%10), size)), opts)
				}
				if err == nil {
					acked.Add(1)
				}
			}
		})
	}
	return running
}

// digest is that of a directory's store at its revision.
func digest(t testing.TB, dir string, now int64) (sum [32]byte, r godwit.Revision) {
	t.Helper()
	check(t, store.Look(t.Context(), store.Config{Dir: dir}, func(ctx context.Context, s *store.Store) (err error) {
		sum, r, err = s.Digest(ctx, now)
		return err
	}))
	return sum, r
}

// replay is the digest of what the node's own log makes of an empty store up to a
// revision, which must be where a commit ended.
func (w *world) replay(upTo godwit.Revision, now int64) [32]byte {
	w.t.Helper()
	s, err := store.Open(w.t.Context(), store.Config{
		Dir: "/replay", FS: store.NewMemFS(), DiskReserve: -1, Follower: true, Now: func() time.Time { return time.Unix(now, 0) },
	})
	check(w.t, err)
	defer s.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.commits {
		if w.commits[i].Revision > upTo {
			break
		}
		tx := s.Begin()
		tx.Advance(w.commits[i].Time)
		for j := range w.commits[i].Records {
			check(w.t, tx.Apply(&w.commits[i].Records[j]))
		}
		if tx.Revision() < w.commits[i].Revision {
			check(w.t, tx.Reach(w.commits[i].Revision))
		}
		c, err := tx.Commit(store.NoSync)
		check(w.t, err)
		check(w.t, c.Wait())
	}
	if s.Revision() != upTo {
		w.t.Errorf("no commit ended at %d: the nearest at %d", upTo, s.Revision())
	}
	sum, _, err := s.Digest(w.t.Context(), now)
	check(w.t, err)
	return sum
}

// TestBackupUnderLoad: while many write, a backup is an exact prefix of the log with
// all that was acknowledged before it began, and so is what is restored from it.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "data"))
	kv := w.namespace("birds")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var acked atomic.Int64
	running := load(ctx, kv, 64, &acked)
	w.await("there are writes", func() bool { return acked.Load() > 200 })

	dir := filepath.Join(t.TempDir(), "backup")
	var last *backup.Result
	for run := range 3 {
		before, begun := w.store.Revision(), acked.Load()
		r := w.backup(dir)
		now := time.Now().Unix()
		sum, at := digest(t, dir, now)
		if r.Revision != at || at < before || last != nil && at <= last.Revision {
			t.Errorf("run %d: revision %d, said %d; the node was at %d", run, at, r.Revision, before)
		}
		if sum != w.replay(at, now) {
			t.Errorf("run %d: at revision %d it is not what the log says", run, at)
		}
		t.Logf("run %d: %d keys at %d, %d writes meanwhile", run, r.Keys, at, acked.Load()-begun)
		last = r
	}
	cancel()
	running.Wait()

	was := files(t, dir)
	restored := filepath.Join(t.TempDir(), "restored")
	r, err := backup.Restore(t.Context(), dir, restored, nil, func(int64) {})
	check(t, err)
	if diff := cmp.Diff(was, files(t, dir)); diff != "" {
		t.Errorf("the backup has changed (-was +is):\n%s", diff)
	}
	now := time.Now().Unix()
	sum, at := digest(t, restored, now)
	if at != last.Revision || r.Revision != at || sum != w.replay(at, now) || r.Generation <= last.Generation || r.Cluster != last.Cluster {
		t.Errorf("restored %+v of %+v", r, last)
	}
}

// TestBackupKeepsEverything: keys, metadata, expirations, large values, tokens,
// namespaces with their settings; and a second run takes what differs.
func TestBackupKeepsEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "data"))
	kv := w.namespace("birds")
	large := strings.Repeat("0123456789abcdef", 25<<16) // 25 MiB
	soon := time.Now().Add(time.Hour).Truncate(time.Second)
	for _, key := range []string{"plain", "a//b/../c", "ключ", "%2F?#", strings.Repeat("k", 512)} {
		_, err := kv.Put(t.Context(), key, strings.NewReader("value of "+key), client.PutOptions{Metadata: []byte(`{"k":1}`), Expiration: soon})
		check(t, err)
	}
	w.put(kv, "large", large)
	w.put(kv, "gone", "x")
	_, err := kv.Delete(t.Context(), "gone", client.DeleteOptions{})
	check(t, err)
	secret, err := w.CreateToken(t.Context(), client.TokenSpec{Permission: "read", Namespaces: []string{"birds"}})
	check(t, err)
	dir := filepath.Join(t.TempDir(), "backup")
	first := w.backup(dir)
	blobs := files(t, filepath.Join(dir, "blobs"))
	w.put(kv, "later", strings.Repeat("x", 100_000))
	second := w.backup(dir)
	if second.Keys != first.Keys+1 || second.Revision <= first.Revision || second.Cluster != w.status().ClusterID {
		t.Errorf("first %+v, second %+v", first, second)
	}
	for name := range blobs {
		if _, err := os.Stat(name); err != nil {
			t.Errorf("a value was not kept: %v", err)
		}
	}
	restored := filepath.Join(t.TempDir(), "restored")
	_, err = backup.Restore(t.Context(), dir, restored, nil, nil)
	check(t, err)
	w.stop()

	again := newWorld(t, restored)
	if again.get("birds", "large") != large || again.get("birds", "ключ") != "value of ключ" || again.get("birds", "gone") != "" {
		t.Error("values are others")
	}
	got, err := again.KV("birds").GetWithMetadata(t.Context(), strings.Repeat("k", 512))
	check(t, err)
	check(t, got.Close())
	if !got.Expiration.Equal(soon) || string(got.Metadata) != `{"k":1}` {
		t.Errorf("expires %v, metadata %s", got.Expiration, got.Metadata)
	}
	reader, err := client.New(again.node.APIURL(), secret.Secret, client.WithAttempts(1))
	check(t, err)
	defer reader.Close()
	v, err := reader.KV("birds").Get(t.Context(), "plain")
	check(t, err)
	check(t, v.Close())
	if s := again.status(); s.Account == "" || s.ClusterID != second.Cluster || s.Generation == 0 || s.Role != "central" {
		t.Errorf("status %+v", s)
	}
	again.put(again.KV("birds"), "plain", "new")
}

// TestBackupOfAnEdge: it is as good as the centre, also when that is gone.
func TestBackupOfAnEdge(t *testing.T) {
	t.Parallel()
	centre := newWorld(t, filepath.Join(t.TempDir(), "data"))
	kv := centre.namespace("birds")
	centre.put(kv, "a", strings.Repeat("x", 100_000))
	edge := newWorld(t, filepath.Join(t.TempDir(), "edge"), centre.node.APIURL())
	edge.await("it has the value", func() bool { return edge.isCopyOf(centre) })
	if len(edge.get("birds", "a")) != 100_000 {
		t.Error("it has not")
	}
	dir := filepath.Join(t.TempDir(), "backup")
	if r := edge.backup(dir); r.Revision != centre.store.Revision() || r.Keys == 0 {
		t.Errorf("%+v, the centre is at %d", r, centre.store.Revision())
	}
	centre.stop()
	edge.await("it knows", func() bool { return !edge.status().Connected })
	if r := edge.backup(dir); r.Keys == 0 {
		t.Errorf("%+v", r)
	}
}

// TestBackupRefuses what is no place for a backup, and leaves it as it is; and nodes
// that cannot be copied.
func TestBackupRefuses(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t, filepath.Join(t.TempDir(), "data")), newWorld(t, filepath.Join(t.TempDir(), "other"))
	w.put(w.namespace("birds"), "large", strings.Repeat("x", 100_000))
	some, err := w.CreateToken(t.Context(), client.TokenSpec{Permission: "replicate", Namespaces: []string{"birds"}})
	check(t, err)
	reads, err := w.CreateToken(t.Context(), client.TokenSpec{Permission: "read"})
	check(t, err)
	something := t.TempDir()
	check(t, os.WriteFile(filepath.Join(something, "letter"), []byte("dear"), 0o600))
	theirs, newer := filepath.Join(t.TempDir(), "theirs"), filepath.Join(t.TempDir(), "newer")
	other.backup(theirs)
	w.backup(newer)
	raiseGeneration(t, newer)
	stopped := newWorld(t, filepath.Join(t.TempDir(), "stopped"))
	stopped.stop()
	withheld := newWorld(t, filepath.Join(t.TempDir(), "withheld"), w.node.APIURL())
	withheld.stop()
	withheld.cfg.MaxValue = 1000
	withheld.start()
	withheld.await("it is ready", func() bool { return withheld.get("birds", "large") != "" })

	for name, tt := range map[string]struct {
		dir, url, token string
		want            string
		code            godwit.Code
	}{
		"something else":     {something, w.node.APIURL(), rootToken, "neither empty nor a backup", 0},
		"a stopped node's":   {stopped.cfg.Dir, w.node.APIURL(), rootToken, "neither empty nor a backup", 0},
		"its own":            {w.cfg.Dir, w.node.APIURL(), rootToken, "neither empty nor a backup", 0},
		"of another cluster": {theirs, w.node.APIURL(), rootToken, "and the node is of cluster", 0},
		"of a later centre":  {newer, w.node.APIURL(), rootToken, "it was replaced", 0},
		"a limited token":    {filepath.Join(t.TempDir(), "a"), w.node.APIURL(), some.Secret, "limited to namespaces", godwit.CodeForbidden},
		"a token that reads": {filepath.Join(t.TempDir(), "b"), w.node.APIURL(), reads.Secret, "lacks the permission", godwit.CodeForbidden},
		"no token":           {filepath.Join(t.TempDir(), "c"), w.node.APIURL(), "nobody", "", godwit.CodeUnauthenticated},
		"nobody there":       {filepath.Join(t.TempDir(), "d"), "http://127.0.0.1:1", rootToken, "", godwit.CodeUnavailable},
		"a partial edge":     {filepath.Join(t.TempDir(), "e"), withheld.node.APIURL(), rootToken, "carries less", 0},
		"no URL":             {filepath.Join(t.TempDir(), "f"), "ftp://x", rootToken, "http", 0},
	} {
		t.Run(name, func(t *testing.T) {
			var before map[string]string
			if tt.dir == something || tt.dir == theirs || tt.dir == newer || tt.dir == stopped.cfg.Dir {
				before = files(t, tt.dir)
			}
			_, err := backup.Run(t.Context(), backup.Config{Dir: tt.dir, URL: tt.url, Token: tt.token})
			if err == nil || !strings.Contains(err.Error(), tt.want) || godwit.CodeOf(err) != tt.code {
				t.Errorf("got %v (code %d)", err, godwit.CodeOf(err))
			}
			if before != nil {
				if diff := cmp.Diff(before, files(t, tt.dir)); diff != "" {
					t.Errorf("it was changed (-was +is):\n%s", diff)
				}
			} else if _, err := os.Stat(tt.dir); tt.dir != w.cfg.Dir && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("it was made: %v", err)
			}
		})
	}
}

// raiseGeneration makes a backup one that has followed a later centre.
func raiseGeneration(t *testing.T, dir string) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Dir: dir, Follower: true, Backup: true})
	check(t, err)
	tx := s.Begin()
	tx.RaiseGeneration(99)
	c, err := tx.Commit(store.Sync)
	check(t, err)
	check(t, errors.Join(c.Wait(), s.Close()))
}

// TestBackupGoesOn where a run that was ended left it.
func TestBackupGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "data"))
	kv := w.namespace("birds")
	for i := range 20 {
		w.put(kv, fmt.Sprintf("k%02d", i), strings.Repeat("x", 70_000))
	}
	dir := filepath.Join(t.TempDir(), "backup")
	ctx, cancel := context.WithCancel(t.Context())
	_, err := backup.Run(ctx, backup.Config{Dir: dir, URL: w.node.APIURL(), Token: rootToken, Progress: func(backup.Progress) { cancel() }})
	cancel()
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if r := w.backup(dir); r.Revision != w.store.Revision() || r.Keys < 20 {
		t.Errorf("%+v", r)
	}
}

// TestBackupWithoutAValue ends with what is lacking, where the node has lost a value.
func TestBackupWithoutAValue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "data"))
	birds := w.namespace("birds")
	for _, key := range []string{"a", "lost", "z"} {
		w.put(birds, key, strings.Repeat(key, 100_000))
		if key != "lost" {
			continue
		}
		for _, path := range blobFiles(t, w.cfg.Dir) {
			if info, err := os.Stat(path); err == nil && info.Size() > 400_000 {
				check(t, os.Remove(path))
			}
		}
	}
	dir := filepath.Join(t.TempDir(), "backup")
	_, err := backup.Run(t.Context(), backup.Config{Dir: dir, URL: w.node.APIURL(), Token: rootToken})
	if err == nil || !strings.Contains(err.Error(), `does not give 1 of the values, one of them that of key "lost"`) {
		t.Errorf("got %v", err)
	}
	w.put(birds, "lost", "found")
	w.backup(dir) // goes on
}

func blobFiles(t *testing.T, dir string) (paths []string) {
	t.Helper()
	check(t, filepath.WalkDir(filepath.Join(dir, "blobs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			paths = append(paths, path)
		}
		return err
	}))
	return paths
}

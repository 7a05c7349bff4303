package e2e_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// smallDisk mounts a file system of this many MiB and returns where. Only root
// may do that; for others there is nothing to test.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a small disk")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", size)); err != nil {
		t.Fatalf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// onDisk is a server whose data is in dir.
func onDisk(t *testing.T, dir string, args ...string) *server {
	t.Helper()
	s := newServer(t, args...)
	s.dir = filepath.Join(dir, "data")
	s.start()
	return s
}

// fill puts values of all sizes until two in a row are refused, or the server
// is gone, and returns the keys that were acknowledged.
func fill(t *testing.T, s *server, id string) (keys []string, refusal int) {
	t.Helper()
	for i := range 10_000 {
		key := fmt.Sprintf("key%d", i)
		res, _, err := s.do(http.MethodPut, s.kv("/namespaces/"+id+"/values/"+key), bytes.NewReader(filling(key)))
		switch {
		case err != nil:
			return keys, 0
		case res.StatusCode == http.StatusOK:
			keys = append(keys, key)
		default:
			return keys, res.StatusCode
		}
	}
	t.Fatal("the disk does not fill")
	return nil, 0
}

// filling is 300 KiB, 40 KiB or 3 KiB that depend on the key.
func filling(key string) []byte {
	size := []int{300 << 10, 40 << 10, 3 << 10}[len(key)%3]
	if strings.HasSuffix(key, "0") {
		size = 300 << 10
	}
	return bytes.Repeat([]byte(key+"|"), size/(len(key)+1))
}

func wantFilling(t *testing.T, s *server, id string, keys []string) {
	t.Helper()
	for _, key := range keys {
		res, body, err := s.do(http.MethodGet, s.kv("/namespaces/"+id+"/values/"+key), nil)
		if err != nil || res.StatusCode != http.StatusOK || !bytes.Equal(body, filling(key)) {
			t.Fatalf("%s: %v, %d bytes of %d", key, err, len(body), len(filling(key)))
		}
	}
}

// TestDiskFull runs into the reserve: puts are refused by name on both ports,
// all else goes on.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	s := onDisk(t, smallDisk(t, 64), "--disk-reserve", "24MiB")
	id := s.createNamespace("full")
	keys, status := fill(t, s, id)
	if status != http.StatusInsufficientStorage || len(keys) < 20 {
		t.Fatalf("after %d values: status %d, want 507", len(keys), status)
	}
	wk := startWorkerd(t, worker{script: bundle(t, "testdata/worker/worker.ts"), bindings: map[string]bound{"KV": {s, id, rootToken}}})
	if _, failure := wk.op("KV", "put", "k", strings.Repeat("x", 100_000)); !strings.HasPrefix(failure, "KV PUT failed: 507 ") {
		t.Errorf("put by a Worker: %q", failure)
	}
	bulk := strings.NewReader(`[{"key":"bulk","value":"` + strings.Repeat("x", 100_000) + `"}]`)
	if res, _, err := s.do(http.MethodPut, s.kv("/namespaces/"+id+"/bulk"), bulk); err != nil || res.StatusCode != http.StatusInsufficientStorage {
		t.Errorf("bulk put: %v %v", err, res)
	}
	wantFilling(t, s, id, keys)
	for _, key := range keys[:10] {
		if _, failure := wk.op("KV", "delete", key); failure != "" {
			t.Errorf("delete: %s", failure)
		}
	}
	if got, failure := wk.op("KV", "get", keys[0]); got != "null" {
		t.Errorf("get after delete: %s %s", got, failure)
	}
	if got, failure := wk.op("KV", "list", map[string]any{"limit": 3}); !strings.Contains(got, `"list_complete":false`) {
		t.Errorf("list: %s %s", got, failure)
	}
	s.kill()
	s.start()
	wantFilling(t, s, id, keys[10:])
	s.stop()
	s.fsck()
}

// TestDiskFullToTheBrim has no reserve: the disk itself refuses. The process
// may end then, but it never acknowledges what it does not keep.
func TestDiskFullToTheBrim(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, 48)
	s := onDisk(t, dir, "--disk-reserve", "0")
	id := s.createNamespace("brim")
	keys, status := fill(t, s, id)
	if status != 0 && status/100 != 5 {
		t.Errorf("a put on a full disk: status %d", status)
	}
	select {
	case err := <-s.exited:
		t.Logf("after %d values the process ended: %v", len(keys), err)
		s.cmd = nil
	default:
		s.kill()
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=128m"); err != nil {
		t.Fatalf("enlarge the disk: %v", err)
	}
	s.fsck()
	s.start()
	wantFilling(t, s, id, keys)
	if more, _ := fill(t, s, id); len(more) < len(keys) {
		t.Errorf("with room again: %d values, %d before", len(more), len(keys))
	}
}

// TestBackupDiskFull backs up onto a disk that is too small: it ends, says which, and goes
// on once there is room.
func TestBackupDiskFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 24)
	s := withValues(t)
	wantRoomAsked(t, s, disk, "backup", filepath.Join(disk, "copy"))
}

// TestRestoreDiskFull restores onto a disk that is too small, from either kind of backup:
// nothing is left there, and it can be done again once there is room.
func TestRestoreDiskFull(t *testing.T) {
	t.Parallel()
	s := withValues(t)
	for _, to := range []string{"", "file:"} {
		backup := to + filepath.Join(t.TempDir(), "backup")
		s.command("backup", "--cache-dir", t.TempDir(), backup)
		disk := smallDisk(t, 24)
		wantRoomAsked(t, s, disk, "restore", backup, filepath.Join(disk, "data"))
	}
}

// withValues is a server with more than a small disk holds.
func withValues(t *testing.T) *server {
	s := startServer(t)
	id := s.createNamespace("filling")
	for i := range 40 {
		key := fmt.Sprintf("value%d", i)
		if res, _, err := s.do(http.MethodPut, s.kv("/namespaces/"+id+"/values/"+key), bytes.NewReader(bytes.Repeat([]byte(key), 100_000))); err != nil || res.StatusCode != http.StatusOK {
			t.Fatal(res, err)
		}
	}
	return s
}

// wantRoomAsked runs a command that finds no room on a disk, and again once there is some.
func wantRoomAsked(t *testing.T, s *server, disk string, args ...string) {
	t.Helper()
	if out, err := s.try(args...); err == nil || !strings.Contains(out, "the disk is full: make room, and run it again") {
		t.Errorf("onto a full disk: %v\n%s", err, out)
	}
	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT, "size=200m"); err != nil {
		t.Fatal(err)
	}
	if out, err := s.try(args...); err != nil {
		t.Errorf("with room: %v\n%s", err, out)
	}
}

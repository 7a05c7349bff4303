package node_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/node"
	"github.com/godwitkv/godwit/internal/store"
)

// holdsFile tells whether a file of a disk in memory has a part of a value.
func holdsFile(t *testing.T, disk store.FS, dir, part string) (found []string) {
	t.Helper()
	for _, path := range files(t, disk, dir, "") {
		info, err := disk.Stat(path)
		if err != nil {
			continue // it has just gone
		}
		if info.IsDir() {
			found = append(found, holdsFile(t, disk, path, part)...)
			continue
		}
		f, err := disk.Open(path)
		if err != nil {
			continue
		}
		b := make([]byte, info.Size())
		_, _ = f.ReadAt(b, 0)
		_ = f.Close()
		if strings.Contains(string(b), part) {
			found = append(found, path)
		}
	}
	return found
}

// holdsDir is the same of a directory of the machine's.
func holdsDir(t *testing.T, dir, part string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil // it has just gone
		}
		if b, err := os.ReadFile(path); err == nil && strings.Contains(string(b), part) {
			found = append(found, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestEraseAtEveryNode: a centre on a real disk and its edge have no byte of what was
// deleted once the namespace's time is over, and have it before.
func TestEraseAtEveryNode(t *testing.T) {
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	dir := t.TempDir()
	centreCfg := onDisk(dir)
	centreCfg.Now, centreCfg.RootToken, centreCfg.Doubt = now, rootToken, time.Second
	centre := open(t, centreCfg)
	cfg := edgeConfig(centre.APIURL())
	cfg.Now = now
	namespaces := centre.APIURL() + "/godwit/v1/namespaces"
	request(t, "POST", namespaces, rootToken, `{"title":"birds"}`)
	if got := request(t, "PATCH", namespaces+"/birds/settings", rootToken, `{"erase_within":"1h"}`); got.status != 200 {
		t.Fatalf("set: %d %s", got.status, got.body)
	}
	edge := openReady(t, cfg)
	values := map[string]string{"small": random(288, 1), "row": random(10<<10, 2), "blob": random(200_000, 3)}
	part := func(value string) string { return value[len(value)/2 : len(value)/2+64] }
	for key, value := range values {
		putKey(t, centre, "birds", key, value)
		eventually(t, key+" at the edge", func() bool { return getKey(t, edge, "birds", key) == value })
		eventually(t, key+" on both disks", func() bool {
			return len(holdsDir(t, dir, part(value))) > 0 && len(holdsFile(t, cfg.FS, "data", part(value))) > 0
		})
	}
	for key := range values {
		deleteKey(t, centre, "birds", key)
		eventually(t, key+" gone at the edge", func() bool { return strings.Contains(getKey(t, edge, "birds", key), "not found") })
	}
	for key, value := range values {
		if len(holdsDir(t, dir, part(value))) == 0 {
			t.Errorf("%s: gone before it had to be: this test looks in the wrong place", key)
		}
	}
	ahead.Store(int64(50 * time.Minute))
	for key, value := range values {
		eventually(t, key+" gone from the centre's disk", func() bool { return len(holdsDir(t, dir, part(value))) == 0 })
		eventually(t, key+" gone from the edge's disk", func() bool { return len(holdsFile(t, cfg.FS, "data", part(value))) == 0 })
	}
}

func deleteKey(t *testing.T, n *node.Node, ns, key string) {
	t.Helper()
	if got := request(t, "DELETE", n.APIURL()+"/client/v4/accounts/"+n.Account()+"/storage/kv/namespaces/"+namespaceID(t, n, ns)+"/values/"+key, rootToken, ""); got.status != 200 {
		t.Fatalf("delete %s: %d %s", key, got.status, got.body)
	}
}

package backup_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/backup"
	"github.com/godwitkv/godwit/internal/store"
)

// TestFullForPuts: a disk that has less than its reserve, and more than half of it, takes
// nothing of a copy. That is told of the disk, and not of the node.
func TestFullForPuts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "data"))
	w.put(w.namespace("birds"), "k", "v")
	dir := filepath.Join(t.TempDir(), "backup")
	disk, err := store.Disk().GetDiskUsage(t.TempDir())
	check(t, err)
	cfg := backup.Config{Dir: dir, URL: w.node.APIURL(), Token: rootToken}
	cfg.SetReserve(int64(disk.AvailBytes / 3 * 4))
	if _, err := backup.Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "the disk is full: make room") || godwit.CodeOf(err) == godwit.CodeUnavailable {
		t.Errorf("with three quarters of the reserve: %v", err)
	}
	cfg.SetReserve(0)
	r, err := backup.Run(t.Context(), cfg)
	check(t, err)
	if r.Keys != 1 {
		t.Errorf("with room: %+v", r)
	}
}

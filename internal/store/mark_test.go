package store_test

import (
	"errors"
	"testing"

	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

// TestMarkBackupCrash: wherever the first step of a backup is cut off, the directory
// can be made one.
func TestMarkBackupCrash(t *testing.T) {
	for n := 1; ; n++ {
		mem := store.NewCrashFS()
		faults := storetest.NewFaults(mem)
		ops := 0
		faults.Inject(func(storetest.Op, string) error {
			if ops++; ops == n {
				return storetest.ErrInjected
			}
			return nil
		})
		err := store.MarkBackup(store.Config{FS: faults, Dir: "/backup"}, "c")
		if err == nil && ops < n {
			break
		}
		if err != nil && !errors.Is(err, storetest.ErrInjected) {
			t.Fatal(err)
		}
		empty, err := store.Empty(mem, "/backup")
		if err != nil {
			t.Fatal(err)
		}
		if cluster, is, err := store.BackupOf(store.Config{FS: mem, Dir: "/backup"}); err != nil || !is && !empty || is && cluster != "c" {
			t.Errorf("operation %d: empty %t, backup %t of %q, %v", n, empty, is, cluster, err)
		}
		if err := store.MarkBackup(store.Config{FS: mem, Dir: "/backup"}, "c"); err != nil {
			t.Errorf("operation %d: mark again: %v", n, err)
		}
	}
}

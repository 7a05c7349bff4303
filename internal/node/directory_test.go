package node_test

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/internal/logtest"
)

// TestModeOfDirectory holds that a data directory that others may write to is told of, and
// used as it is. One that the node makes is its owner's alone.
func TestModeOfDirectory(t *testing.T) {
	const line = "others may write to the data directory"
	for mode, told := range map[fs.FileMode]bool{
		0: false, 0o700: false, 0o755: false, 0o720: true, 0o702: true, 0o777: true, 0o777 | fs.ModeSticky: true,
	} {
		dir := filepath.Join(t.TempDir(), "data")
		if mode != 0 {
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(dir, mode); err != nil {
				t.Fatal(err)
			}
		}
		var log logtest.Buffer
		cfg := config()
		cfg.FS, cfg.Dir, cfg.Logger = nil, dir, slog.New(slog.NewTextHandler(&log, nil))
		open(t, cfg)
		if got := log.Count(line); (got == 1) != told || told && !strings.Contains(log.String(), "mode=d") {
			t.Errorf("%v: told %d times: %s", mode, got, log.String())
		}
		want := mode | fs.ModeDir
		if mode == 0 {
			want |= 0o700
		}
		if info, err := os.Stat(dir); err != nil || info.Mode() != want {
			t.Errorf("%v became %v, %v", mode, info.Mode(), err)
		}
	}
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit/client"
)

// killed runs godwit and kills it after a while. It is true if that came to its end
// before.
func killed(t *testing.T, after time.Duration, args ...string) bool {
	t.Helper()
	cmd := exec.Command("godwit", args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	return cmd.Wait() == nil
}

// killedAt runs godwit and kills it once the files of a directory have so many bytes. It
// is true if that came to its end before.
func killedAt(t *testing.T, dir string, bytes int64, args ...string) bool {
	t.Helper()
	return killedOnce(t, func() bool { return sizeOf(dir) >= bytes }, args...)
}

// killedOnce runs godwit and kills it once it has come so far. It is true if that came to
// its end before.
func killedOnce(t *testing.T, far func() bool, args ...string) bool {
	t.Helper()
	cmd := exec.Command("godwit", args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return err == nil
		case <-tick.C:
			if far() {
				_ = cmd.Process.Kill() // it may be gone
				return <-ended == nil
			}
		}
	}
}

// sizeOf is how many bytes the files below a directory have, 0 if there is none.
func sizeOf(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // files come and go
		}
		if info, err := d.Info(); err == nil {
			bytes += info.Size()
		}
		return nil
	})
	return bytes
}

func runs(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("godwit", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// fillLarge puts what the killed commands copy: values of 25 MiB, and small ones.
func fillLarge(t *testing.T, c *client.Client) map[string][]byte {
	t.Helper()
	if _, err := c.CreateNamespace(t.Context(), "ns", client.NamespaceOptions{}); err != nil {
		t.Fatal(err)
	}
	rng := rand.NewChaCha8([32]byte{7})
	values := make(map[string][]byte)
	for i := range 8 {
		values[fmt.Sprintf("large %d", i)] = make([]byte, 25<<20)
	}
	for i := range 100 {
		values[fmt.Sprintf("small/../%d//%%", i)] = make([]byte, 100*i)
	}
	for key, value := range values {
		_, _ = rng.Read(value)
		if _, err := c.KV("ns").Put(t.Context(), key, bytes.NewReader(value), client.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return values
}

// TestKillOfBackupAndRestore kills both, again and again: a backup goes on where it
// was and ends whole, and what a restore leaves is nothing, or refused by serve, or
// whole.
func TestKillOfBackupAndRestore(t *testing.T) {
	if testing.Short() {
		t.Skip("copies 200 MiB many times")
	}
	node := startChild(t, filepath.Join(t.TempDir(), "data"))
	values := fillLarge(t, node.client)
	dir := filepath.Join(t.TempDir(), "backup")
	url := []string{"--url", node.url, "--token", "root-token-of-the-tests"}
	cut := 0
	for step := range 12 {
		if !killed(t, time.Duration(30+40*step)*time.Millisecond, append([]string{"backup", dir}, url...)...) {
			cut++
		}
	}
	runs(t, append([]string{"backup", dir}, url...)...)
	node.kill()
	if cut == 0 {
		t.Error("no backup was cut off: nothing was tested")
	}

	to := filepath.Join(t.TempDir(), "restored")
	runs(t, "restore", dir, to)
	whole, refused := sizeOf(to), 0
	for step := range int64(16) {
		to := filepath.Join(t.TempDir(), "restored")
		if killedAt(t, to, 1+whole*step/15, "restore", dir, to) || isEmpty(t, to) {
			continue
		}
		out, err := exec.Command("godwit", "fsck", to).CombinedOutput()
		if err == nil { // it was killed behind its last step
			continue
		}
		refused++
		serve, err := exec.Command("godwit", "serve", "--data", to, "--listen", "127.0.0.1:0", "--binding-listen", "127.0.0.1:0").CombinedOutput()
		if err == nil || !strings.Contains(string(serve), "did not come to its end") || !strings.Contains(string(out), "did not come to its end") {
			t.Fatalf("step %d: serve: %v\n%s\nfsck: %s", step, err, serve, out)
		}
	}
	if refused == 0 {
		t.Error("no restore was cut off: nothing was tested")
	}
	runs(t, "fsck", to)
	holds(t, to, values)
	t.Logf("%d backups and %d restores were cut off", cut, refused)
}

// isEmpty tells whether nothing is there, or no more than what a first step of a
// restore leaves.
func isEmpty(t *testing.T, dir string) bool {
	t.Helper()
	names, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil {
		t.Fatal(err)
	}
	return len(names) == 0 || len(names) == 1 && names[0].Name() == "FORMAT.new" // which restore takes for nothing
}

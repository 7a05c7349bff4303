package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/backup/place/placetest"
)

// saved is what godwit backup --json says of a backup in a repository.
type saved struct {
	ID     string `json:"id"`
	Stored int64  `json:"stored_bytes"`
	Added  int64  `json:"added_bytes"`
}

// TestKillOfBackupsToS3 kills backups to an S3 server, again and again: those that were
// made stay good, none appears that is not whole, the next one goes on where the killed
// ones were, and what is restored is what was there.
func TestKillOfBackupsToS3(t *testing.T) {
	if testing.Short() {
		t.Skip("copies 200 MiB many times")
	}
	s3 := placetest.StartS3(t)
	for _, pair := range s3.Env() {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
	node := startChild(t, filepath.Join(t.TempDir(), "data"))
	values := fillLarge(t, node.client)
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "identity")
	if err := os.WriteFile(secret, []byte(id.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	to := s3.Address("kills")
	args := []string{"backup", to, "--json", "--url", node.url, "--token", "root-token-of-the-tests", "--cache-dir", filepath.Join(t.TempDir(), "cache"), "--age-recipient", id.Recipient().String()}

	first := makeSaved(t, args)
	for key, value := range values { // all is new
		for i := range value {
			value[i] ^= 0x5a
		}
		if _, err := node.client.KV("ns").Put(t.Context(), key, bytes.NewReader(value), client.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	cut := 0
	for step := range 10 {
		if !killed(t, time.Duration(100+100*step)*time.Millisecond, args...) {
			cut++
		}
	}
	runs(t, "backup", "verify", to, "--age-identity", secret)
	second := makeSaved(t, args)
	if cut == 0 {
		t.Error("no backup was cut off: nothing was tested")
	}
	if second.Added >= second.Stored/2 {
		t.Logf("%d of %d bytes were not there before: the killed ones had not come far", second.Added, second.Stored)
	}
	ids := strings.Fields(runs(t, "backup", "list", to))
	if ids[0] != first.ID || !strings.Contains(strings.Join(ids, " "), second.ID) {
		t.Errorf("first %s, second %s, listed %v", first.ID, second.ID, ids)
	}
	runs(t, "backup", "verify", to, "--age-identity", secret)
	restored := filepath.Join(t.TempDir(), "restored")
	runs(t, "restore", to, restored, "--age-identity", secret)
	whole := sizeOf(restored)
	runs(t, "fsck", restored)
	node.kill()
	holds(t, restored, values)
	t.Logf("%d backups were cut off, and the next wrote %d of %d bytes", cut, second.Added, second.Stored)

	// A restore that is killed leaves nothing, or what all refuse.
	refused := 0
	for step := range int64(8) {
		dir := filepath.Join(t.TempDir(), "killed")
		if killedAt(t, dir, 1+whole*step/7, "restore", to, dir, "--age-identity", secret) || isEmpty(t, dir) {
			continue
		}
		if out, err := exec.Command("godwit", "fsck", dir).CombinedOutput(); err != nil {
			refused++
			if !strings.Contains(string(out), "did not come to its end") {
				t.Errorf("fsck: %s", out)
			}
		}
	}
	if refused == 0 {
		t.Error("no restore was cut off: nothing was tested")
	}
}

func makeSaved(t *testing.T, args []string) (s saved) {
	t.Helper()
	out, err := exec.Command("godwit", args...).Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// holds wants a node on a directory to have values.
func holds(t *testing.T, dir string, values map[string][]byte) {
	t.Helper()
	node := startChild(t, dir)
	defer node.kill()
	for key, want := range values {
		v, err := node.client.KV("ns").Get(t.Context(), key)
		if err != nil {
			t.Fatalf("%q: %v", key, err)
		}
		got, err := io.ReadAll(v)
		if err = errors.Join(err, v.Close()); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q: %d bytes, want %d: %v", key, len(got), len(want), err)
		}
	}
}

package main

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

// secrets are what a client writes, each at a place of its own.
var secrets = map[string]string{
	"title": "TITLEofsanderlings", "key": "KEYofknots", "value": "VALUEofcurlews", "metadata": "METADATAofdunlins",
	"row": "ROWofwhimbrels", "blob": "BLOBofgodwits", "token": "TOKENNAMEofterns",
}

func writeSecrets(t *testing.T, c *client.Client) {
	t.Helper()
	ns, err := c.CreateNamespace(t.Context(), secrets["title"], client.NamespaceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateToken(t.Context(), client.TokenSpec{Name: secrets["token"], Permission: "read"}); err != nil {
		t.Fatal(err)
	}
	kv := c.KV(ns.ID)
	for key, value := range map[string]string{
		secrets["key"]: secrets["value"], "row": strings.Repeat(secrets["row"], 400), "blob": strings.Repeat(secrets["blob"], 30_000),
	} {
		o := client.PutOptions{Metadata: []byte(`{"of":"` + secrets["metadata"] + `"}`)}
		if _, err := kv.Put(t.Context(), key, strings.NewReader(value), o); err != nil {
			t.Fatal(err)
		}
	}
}

// foundIn are the secrets that stand in some file below a directory.
func foundIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	var all []byte
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		all = append(append(all, b...), path...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range secrets {
		if bytes.Contains(all, []byte(secret)) {
			names = append(names, name)
		}
	}
	return names
}

func keyFile(t *testing.T, lines ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestEncryptedDirectory looks for what was written in every file of a node's
// directory while it runs, after it was killed, after another start and after the
// key was changed; a member's log of NATS too. Without encryption all of it is found.
func TestEncryptedDirectory(t *testing.T) {
	t.Run("centre", func(t *testing.T) {
		t.Parallel()
		encryptDirectory(t)
	})
	t.Run("member", func(t *testing.T) {
		t.Parallel()
		encryptDirectory(t, "--cluster", "main", "--node", "n1", "--cluster-peers", "n1=127.0.0.1:1")
	})
}

func encryptDirectory(t *testing.T, flags ...string) {
	plain := filepath.Join(t.TempDir(), "plain")
	node := startChild(t, plain, flags...)
	writeSecrets(t, node.client)
	log := "."
	if len(flags) > 0 {
		log = "nats"
	}
	if names := foundIn(t, filepath.Join(plain, log)); len(names) != len(secrets) {
		t.Fatalf("in a plain directory are %v", names)
	}
	node.kill()
	one, two := keyFile(t, storetest.KeyLine(1)), keyFile(t, storetest.KeyLine(2), storetest.KeyLine(1))
	if len(flags) > 0 { // its log would stay plain
		wantRefused(t, "that of a cluster's member", "rekey", plain, "--encryption-key-file", one)
	}

	dir := filepath.Join(t.TempDir(), "data")
	node = startChild(t, dir, append(flags, "--encryption-key-file", one)...)
	writeSecrets(t, node.client)
	nothing := func(when string) {
		t.Helper()
		if names := foundIn(t, dir); len(names) > 0 {
			t.Errorf("%s: %v are plain", when, names)
		}
	}
	nothing("while it runs")
	node.kill()
	nothing("killed")
	node = startChild(t, dir, append(flags, "--encryption-key-file", two)...)
	wantSecrets(t, node.client)
	node.kill()
	nothing("killed again")
	for _, args := range [][]string{{"fsck", dir}, {"rekey", dir}, {"fsck", dir}} {
		cmd := exec.Command("godwit", append(args, "--encryption-key-file", two)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args, err, out)
		}
	}
	nothing("with another key")
	node = startChild(t, dir, append(flags, "--encryption-key-file", keyFile(t, storetest.KeyLine(2)))...)
	wantSecrets(t, node.client)
	node.kill()
	if len(flags) > 0 {
		if err := os.Remove(filepath.Join(dir, "nats-key")); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, "nats-key", append([]string{"serve", "--listen", "127.0.0.1:0", "--binding-listen", "127.0.0.1:0", "--data", dir, "--encryption-key-file", two}, flags...)...)
	}
}

// wantRefused runs a command that is to fail and to say so.
func wantRefused(t *testing.T, says string, args ...string) {
	t.Helper()
	out, err := exec.Command("godwit", args...).CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte(says)) {
		t.Errorf("%s: %v\n%s", args, err, out)
	}
}

func wantSecrets(t *testing.T, c *client.Client) {
	t.Helper()
	all, err := c.Namespaces(t.Context())
	if err != nil || len(all) != 1 || all[0].Title != secrets["title"] {
		t.Fatalf("namespaces %v, %v", all, err)
	}
	v, err := c.KV(all[0].ID).Get(t.Context(), "blob")
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(v); err != nil || b.String() != strings.Repeat(secrets["blob"], 30_000) {
		t.Errorf("%d bytes, %v", b.Len(), err)
	}
}

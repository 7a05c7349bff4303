package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitkv/godwit/client"
)

// child is a node in a process of its own.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	client *client.Client
	url    string
}

func startChild(t *testing.T, dir string, flags ...string) *child {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ready.json")
	cmd := exec.Command("godwit", "serve", "--data", dir, "--root-token", "root-token-of-the-tests",
		"--listen", "127.0.0.1:0", "--binding-listen", "127.0.0.1:0", "--log-level", "warn", "--log-format", "json", "--ready-file", file)
	cmd.Args = append(cmd.Args, flags...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: cmd}
	var r ready
	deadline := time.Now().Add(time.Minute)
	for b, err := os.ReadFile(file); ; b, err = os.ReadFile(file) {
		if err == nil {
			if err := json.Unmarshal(b, &r); err != nil {
				t.Fatal(err)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the node did not come up")
		}
		time.Sleep(5 * time.Millisecond)
	}
	c.url = r.API
	var err error
	if c.client, err = client.New(r.API, "root-token-of-the-tests", client.WithAttempts(1)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	return c
}

// kill ends the process as a power cut would, but for what the kernel keeps.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may be gone
	_ = c.cmd.Wait()
	c.client.Close()
}

// counter is one key, written over and over with growing numbers.
type counter struct {
	key          string
	tried, acked int
	large        bool
}

// count writes until the node is gone.
func (c *counter) count(ctx context.Context, kv *client.KV) {
	for ctx.Err() == nil {
		c.tried++
		if _, err := kv.Put(ctx, c.key, strings.NewReader(c.value(c.tried)), client.PutOptions{}); err != nil {
			return
		}
		c.acked = c.tried
	}
}

// value is n and, for a large one, enough after it to be kept in a file.
func (c *counter) value(n int) string {
	v := strconv.Itoa(n) + ","
	if c.large {
		v += strings.Repeat("x", 100_000)
	}
	return v
}

// check wants the key to hold a number between the last that was acknowledged
// and the last that was tried, whole.
func (c *counter) check(t *testing.T, kv *client.KV) {
	t.Helper()
	v, err := kv.Get(t.Context(), c.key)
	if errors.Is(err, client.ErrKeyNotFound) && c.acked == 0 {
		return
	}
	if err != nil {
		t.Errorf("%s: acknowledged %d: %v", c.key, c.acked, err)
		return
	}
	defer func() { _ = v.Close() }()
	b, err := io.ReadAll(v)
	if err != nil {
		t.Errorf("%s: %v", c.key, err)
		return
	}
	number, _, _ := strings.Cut(string(b), ",")
	n, err := strconv.Atoi(number)
	if err != nil || n < c.acked || n > c.tried || string(b) != c.value(n) {
		t.Errorf("%s: holds %.20q of %d bytes; acknowledged %d, tried %d", c.key, b, len(b), c.acked, c.tried)
	}
	c.acked, c.tried = n, n // what is seen once stays
}

// TestKillUnderLoad kills a node while it is written to, checks the directory,
// starts it again and looks for every acknowledged write; and so on.
func TestKillUnderLoad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	node := startChild(t, dir)
	if _, err := node.client.CreateNamespace(t.Context(), "ns", client.NamespaceOptions{}); err != nil {
		t.Fatal(err)
	}
	var counters []*counter
	for i := range 16 {
		counters = append(counters, &counter{key: fmt.Sprintf("k%02d", i), large: i%4 == 0})
	}
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		var writers sync.WaitGroup
		for _, c := range counters {
			writers.Go(func() { c.count(t.Context(), node.client.KV("ns")) })
		}
		<-time.After(time.Duration(40+round*50) * time.Millisecond)
		node.kill()
		writers.Wait()
		if out, err := exec.Command("godwit", "fsck", dir).CombinedOutput(); err != nil {
			t.Fatalf("round %d: fsck: %v\n%s", round, err, out)
		}
		node = startChild(t, dir)
		for _, c := range counters {
			c.check(t, node.client.KV("ns"))
		}
	}
	acked := 0
	for _, c := range counters {
		acked += c.acked
	}
	if acked < len(counters) {
		t.Errorf("only %d writes were acknowledged: nothing was tested", acked)
	}
}

package transfer_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/godwitkv/godwit/internal/transfer"
)

// startRedis runs a Redis that is reached by a socket, and returns its URL and a client.
func startRedis(t *testing.T) (url string, c *redis.Client) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	c = redis.NewClient(&redis.Options{Network: "unix", Addr: socket, Password: "the-password", DB: 3, MaxRetries: -1})
	runRedis(t, c, "--port", "0", "--unixsocket", socket)
	return "unix://:the-password@" + socket + "?db=3", c
}

// runRedis runs a Redis until the test ends, and waits until a client, which it closes
// then, gets an answer.
func runRedis(t *testing.T, c *redis.Client, args ...string) {
	t.Helper()
	cmd := exec.Command("redis-server", append(args, "--save", "", "--dir", t.TempDir(), "--requirepass", "the-password")...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatalf("start redis-server, which the tests need (make redis): %v", err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	awaitRedis(t, "redis-server does not answer", func() bool { return c.Ping(t.Context()).Err() == nil })
}

func awaitRedis(t *testing.T, what string, there func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !there(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// centuries are seconds that no time.Duration holds.
const centuries = 18446745000

// TestRedis takes strings out of a real Redis, with how long they live, and names what
// is none.
func TestRedis(t *testing.T) {
	url, r := startRedis(t)
	ctx := t.Context()
	want := map[string]entry{}
	for i := range 2500 {
		key := fmt.Sprintf("many/%d", i)
		want[key] = entry{Value: strings.Repeat("v", i%50)}
		check(t, r.Set(ctx, key, want[key].Value, 0).Err())
	}
	for _, key := range oddKeys {
		want[key] = entry{Value: "\xff\x00" + key}
		check(t, r.Set(ctx, key, want[key].Value, 0).Err())
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	check(t, r.Set(ctx, "large", large, 0).Err())
	want["large"] = entry{Value: string(large)}
	check(t, r.Set(ctx, "expires", "v", time.Hour).Err())
	check(t, r.Set(ctx, "soon", "v", 50*time.Second).Err())
	check(t, r.Do(ctx, "SET", "late", "v", "EX", centuries).Err())
	check(t, r.Do(ctx, "SET", "never", "v", "EX", int64(1)<<50).Err())
	want["never"] = entry{Value: "v"}
	check(t, r.RPush(ctx, "a list", "v").Err())
	check(t, r.HSet(ctx, "a hash", "f", "v").Err())
	check(t, r.Set(ctx, "bytes \xff", "v", 0).Err())
	check(t, r.Set(ctx, strings.Repeat("k", 513), "v", 0).Err())

	c := serve(t, "to", "part")
	var skipped []string
	counts := new(transfer.Progress)
	source := &transfer.Redis{URL: url, Progress: counts, Skip: func(what string) { skipped = append(skipped, what) }}
	_, err := runTo(ctx, source, c.KV("to"), transfer.Options{Progress: counts})
	check(t, err)
	got := contents(t, c.KV("to"))
	if e := got["expires"].Expiration - now(); e < 3500 || e > 3601 {
		t.Errorf("it expires in %d s", e)
	}
	if e := got["late"].Expiration - now(); e < centuries-100 || e > centuries+1 {
		t.Errorf("what ends in %d s expires in %d s", int64(centuries), e)
	}
	delete(got, "expires")
	delete(got, "late")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%.2000s", diff)
	}
	slices.Sort(skipped)
	if diff := cmp.Diff([]string{
		`key "a hash" is a hash`, `key "a list" is a list`, `key "bytes \xff": the key is not UTF-8`,
		fmt.Sprintf(`key %q: the key has 513 bytes, the limit is 512`, strings.Repeat("k", 64)+"..."),
	}, skipped); diff != "" || counts.Skipped.Load() != 4 || counts.Expired.Load() != 1 {
		t.Errorf("skipped %d, expired %d:\n%s", counts.Skipped.Load(), counts.Expired.Load(), diff)
	}

	check(t, r.Set(ctx, "p*[a]?", "glob", 0).Err())
	source.Prefix = "p*[a]"
	_, err = runTo(ctx, source, c.KV("part"), transfer.Options{})
	check(t, err)
	if got := contents(t, c.KV("part")); len(got) != 1 || got["p*[a]?"].Value != "glob" {
		t.Errorf("got %v", got)
	}
	for url, want := range map[string]string{
		"http://x":                          "not of the form redis://",
		"redis://:secret@127.0.0.1:1/0":     "ask Redis for its cluster: ",
		strings.Replace(url, "the", "a", 1): "WRONGPASS",
	} {
		source.URL = url
		_, err := runTo(ctx, source, c.KV("part"), transfer.Options{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "password@") {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

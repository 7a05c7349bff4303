package gosdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestMain starts a server of this tree, unless the environment names one.
func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if os.Getenv("CLOUDFLARE_BASE_URL") != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "godwit-gosdk-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	stop, err := serve(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer stop()
	return m.Run()
}

// serve builds godwit, starts it and names it in the environment.
func serve(dir string) (stop func(), err error) {
	const token = "gosdk-root-token-0123456789"
	ctx, cancel := context.WithCancel(context.Background())
	binary, ready := filepath.Join(dir, "godwit"), filepath.Join(dir, "ready")
	build := exec.CommandContext(ctx, "go", "build", "-C", filepath.Join("..", ".."), "-o", binary, "./cmd/godwit")
	if out, err := build.CombinedOutput(); err != nil {
		cancel()
		return nil, fmt.Errorf("build godwit: %w\n%s", err, out)
	}
	node := exec.CommandContext(ctx, binary, "serve", "--data", filepath.Join(dir, "data"), "--root-token", token,
		"--listen", "127.0.0.1:0", "--binding-listen", "127.0.0.1:0", "--ready-file", ready)
	if err := node.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("start godwit: %w", err)
	}
	stop = func() {
		cancel()
		_ = node.Wait() // killed
	}
	var at struct{ API, Account string }
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 3000 {
		<-tick.C
		text, err := os.ReadFile(ready)
		if err != nil || json.Unmarshal(text, &at) != nil {
			continue
		}
		return stop, errors.Join(os.Setenv("CLOUDFLARE_BASE_URL", at.API+"/client/v4"),
			os.Setenv("CLOUDFLARE_API_TOKEN", token), os.Setenv("CLOUDFLARE_ACCOUNT_ID", at.Account))
	}
	stop()
	return nil, errors.New("godwit is not ready after 30 s")
}

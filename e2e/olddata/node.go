package olddata

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// node is a running godwit of the version that writes.
type node struct {
	program string
	url     string
	cmd     *exec.Cmd
}

// startTime bounds how long a node may take until it is ready.
const startTime = 2 * time.Minute

// start runs a node on a directory, and waits until it is ready.
func start(ctx context.Context, program, dir string, args ...string) (*node, error) {
	ready := dir + ".ready"
	defer func() { _ = os.Remove(ready) }()
	n := &node{program: program, cmd: exec.CommandContext(ctx, program, append([]string{
		"serve", "--data", dir, "--listen", "127.0.0.1:0", "--binding-listen", "127.0.0.1:0",
		"--root-token", RootToken, "--account", Account, "--ready-file", ready,
	}, args...)...)}
	n.cmd.Stderr = os.Stderr
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(startTime); time.Now().Before(deadline); <-tick.C {
		var said struct{ API string }
		if text, err := os.ReadFile(ready); err == nil && json.Unmarshal(text, &said) == nil {
			n.url = said.API
			return n, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("the node on %s is not ready after %v", filepath.Base(dir), startTime), n.kill())
}

func (n *node) kill() error {
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait() // it was killed
	return nil
}

func (n *node) stop() error {
	return errors.Join(n.cmd.Process.Signal(syscall.SIGTERM), n.cmd.Wait())
}

// run is a command against the node, and what it prints.
func (n *node) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, n.program, args...)
	cmd.Env = append(os.Environ(), "GODWIT_URL="+n.url, "GODWIT_TOKEN="+RootToken)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("godwit %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return out, nil
}

// ask makes a request below the KV API; anything but 200 is an error.
func (n *node) ask(ctx context.Context, method, path, kind string, body []byte) ([]byte, error) {
	target := n.url + "/client/v4/accounts/" + Account + "/storage/kv/namespaces" + path
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+RootToken)
	req.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(resp.Body)
	err = errors.Join(err, resp.Body.Close())
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, got)
	}
	return got, err
}

func valuePath(ns, key string) string { return "/" + ns + "/values/" + url.PathEscape(key) }

// Package process runs nodes of godwit as processes of their own, for the
// examples. It imports nothing of the module.
package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Node is a node, running or not. Its log is Dir/log.
type Node struct {
	Dir     string
	Args    []string // of godwit serve, with --listen among them
	API     string   // host:port, known once it runs
	Binding string

	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 10 * time.Second
	lookEvery    = 20 * time.Millisecond
)

// Start starts the node on the data of its directory, new or old, and waits until
// it serves reads. From then on it keeps its port, so that it can be started again
// behind the same address.
func (n *Node) Start(ctx context.Context, godwit string) error {
	if err := n.Launch(godwit); err != nil {
		return err
	}
	return n.Await(ctx)
}

// Launch starts the node and does not wait for it.
func (n *Node) Launch(godwit string) error {
	if err := os.MkdirAll(n.Dir, 0o700); err != nil {
		return err
	}
	if err := os.Remove(n.readyFile()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	log, err := os.OpenFile(n.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	n.cmd = exec.Command(godwit, append([]string{"serve", "--ready-file", n.readyFile()}, n.Args...)...)
	n.cmd.Stdout, n.cmd.Stderr = log, log
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for who started it, who ends it
	if err := n.cmd.Start(); err != nil {
		return err
	}
	n.done = make(chan struct{})
	go func() {
		defer close(n.done)
		_ = n.cmd.Wait() // what it said is in its log
	}()
	return nil
}

func (n *Node) readyFile() string { return filepath.Join(n.Dir, "ready") }
func (n *Node) logFile() string   { return filepath.Join(n.Dir, "log") }

// Await waits until the node serves reads.
func (n *Node) Await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for !n.isReady(ctx) {
		select {
		case <-n.done:
			return fmt.Errorf("%s (%s has more)", n.lastWords(), n.logFile())
		case <-ctx.Done():
			return fmt.Errorf("it is not ready: see %s: %w", n.logFile(), ctx.Err())
		case <-time.After(lookEvery):
		}
	}
	for i := range n.Args {
		if n.Args[i] == "--listen" {
			n.Args[i+1] = n.API
		}
	}
	return nil
}

// lastWords are the last line of the log: why the process ended.
func (n *Node) lastWords() string {
	text, _ := os.ReadFile(n.logFile())
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

func (n *Node) isReady(ctx context.Context) bool {
	text, err := os.ReadFile(n.readyFile())
	if err != nil {
		return false
	}
	var told struct{ API, Binding string }
	if json.Unmarshal(text, &told) != nil {
		return false
	}
	n.API, n.Binding = strings.TrimPrefix(told.API, "http://"), strings.TrimPrefix(told.Binding, "http://")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, told.API+"/readyz", nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// Kill ends the node as a power cut would.
func (n *Node) Kill() {
	_ = n.cmd.Process.Kill()
	<-n.done
}

// Stop ends the node in order, if it runs.
func (n *Node) Stop() {
	if n.cmd == nil || n.done == nil {
		return
	}
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-n.done:
	case <-time.After(stopTimeout):
		n.Kill()
	}
}

// PID is the process's id.
func (n *Node) PID() int { return n.cmd.Process.Pid }

//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	startTimeout = 3 * time.Minute
	stopTimeout  = 10 * time.Second
)

// process is a server under test, on its core.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string        // the file that takes what it prints
	done chan struct{} // closed when it has ended, with err
	err  error
}

// start runs a command bound to a core, with its output in dir/name.log.
func start(cpu int, dir, name string, env []string, command string, args ...string) (*process, error) {
	path, err := exec.LookPath(command)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", command, err)
	}
	p := &process{name: name, log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("create log: %w", err)
	}
	defer func() { _ = log.Close() }()
	p.cmd = exec.Command("taskset", append([]string{"-c", strconv.Itoa(cpu), path}, args...)...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		defer close(p.done)
		p.err = p.cmd.Wait()
	}()
	return p, nil
}

// stop ends the process, gently first.
func (p *process) stop() error { return p.signal(syscall.SIGTERM) }

// kill ends the process at once.
func (p *process) kill() error { return p.signal(syscall.SIGKILL) }

func (p *process) signal(s syscall.Signal) error {
	_ = p.cmd.Process.Signal(s)
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("stop %s: still running after %v", p.name, stopTimeout)
	}
	return nil
}

// until calls ready every few milliseconds, until it says yes or the process
// has ended.
func (p *process) until(ctx context.Context, ready func() bool) error {
	deadline := time.After(startTimeout)
	for !ready() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.done:
			return fmt.Errorf("start %s: it ended, saying: %s: %w", p.name, p.said(), p.err)
		case <-deadline:
			return fmt.Errorf("start %s: not ready after %v, saying: %s", p.name, startTimeout, p.said())
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// said is the end of what the process printed.
func (p *process) said() string {
	text, _ := os.ReadFile(p.log)
	return strings.TrimSpace(string(text[max(0, len(text)-1000):]))
}

// accepts tells whether somebody listens at addr.
func accepts(addr string) func() bool {
	return func() bool {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return false
		}
		_ = c.Close()
		return true
	}
}

// cpu is the processor time that the process and its descendants have had.
func (p *process) cpu() time.Duration {
	parent, ticks := make(map[int]int), make(map[int]int64)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parent[pid], _ = strconv.Atoi(fields[1])
		user, _ := strconv.ParseInt(fields[11], 10, 64)
		system, _ := strconv.ParseInt(fields[12], 10, 64)
		ticks[pid] = user + system
	}
	var sum int64
	for pid, n := range ticks {
		for at := pid; at > 1; at = parent[at] {
			if at == p.cmd.Process.Pid {
				sum += n
				break
			}
		}
	}
	return time.Duration(sum) * (time.Second / 100) // USER_HZ is 100 on every Linux
}

// settle waits until the process is idle, as after a fill, when compactions go
// on; for a bounded time.
func (p *process) settle(ctx context.Context) error {
	const idle, longest = 20 * time.Millisecond, 2 * time.Minute
	deadline := time.Now().Add(longest)
	for before := p.cpu(); ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
		now := p.cpu()
		if now-before <= idle || time.Now().After(deadline) {
			return nil
		}
		before = now
	}
}

// memory is a field of the process's status in bytes: VmRSS, or VmHWM, the most
// that it ever was.
func (p *process) memory(field string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("read status of %s: %w", p.name, err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				return 0, fmt.Errorf("read %s: %w", field, err)
			}
			return kib * 1024, nil
		}
	}
	return 0, errors.New("no " + field + " in the status of " + p.name)
}

// freeAddr returns an address on which nobody listens, of a port that the kernel
// gives no outgoing connection: one of those could take it before the server does.
func freeAddr() (string, error) {
	const first, count, tries = 10_000, 20_000, 100
	var failed error
	for range tries {
		addr := fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(count))
		l, err := net.Listen("tcp", addr)
		if err == nil {
			return addr, l.Close()
		}
		failed = err
	}
	return "", fmt.Errorf("find a free port: %w", failed)
}

package workerd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	startTimeout = 30 * time.Second // for a Worker's top level to run
	stopTimeout  = 2 * time.Second  // between asking a process to end and ending it, at most
	maxSaid      = 8 << 10          // of what it says before it listens
	maxWarning   = 2 << 10          // of each warning in that, once it listens
)

// Options are how a process is started.
type Options struct {
	Program string
	Config  string     // as Config.Write made it
	Log     func(Line) // gets what it says, line by line, from one goroutine at a time
	Quiet   bool       // another process tells the same warnings of the start
}

// Process is a workerd that runs.
type Process struct {
	cmd    *exec.Cmd
	done   chan struct{}
	err    error // why it ended, once done is closed
	stop   sync.Once
	output errgroup.Group

	patience time.Duration // between asking it to end and ending it

	mu    sync.Mutex
	log   func(Line)
	said  []byte // before it listened
	warns []Line // likewise: its own warnings
	heard bool   // that it listens
}

// Start starts workerd and returns once it listens. The error holds what it said if it
// does not come so far. No request is made.
func Start(ctx context.Context, o Options) (*Process, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	p := &Process{done: make(chan struct{}), patience: stopTimeout, log: o.Log}
	control, started, err := p.start(o)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	listening := make(chan error, 1)
	started.Go(func() error {
		listening <- awaitListen(control)
		return nil
	})
	select {
	case err = <-listening:
		if err != nil {
			<-p.done // it has closed its end: it is on its way out
		}
	case <-ctx.Done():
		if err = ctx.Err(); errors.Is(err, context.DeadlineExceeded) {
			err = errLate
		}
	}
	if err != nil {
		p.Stop(context.Background())
		_ = control.Close()
		_ = started.Wait()
		return nil, p.startFailure(err)
	}
	p.listens(o.Quiet)
	return p, nil
}

// start starts the process and everything that reads from it.
func (p *Process) start(o Options) (control *os.File, started *errgroup.Group, err error) {
	control, controlled, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer controlled.Close()
	// What is not settled yet is to be had by its name alone: assets, Durable Objects on disk,
	// cron triggers, and what compatibility flags turn on.
	p.cmd = exec.Command(o.Program, "serve", "--control-fd=3", "--verbose", "--experimental", o.Config)
	p.cmd.ExtraFiles = []*os.File{controlled}
	p.cmd.SysProcAttr = attributes()
	p.cmd.Env = environment()
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, nil, fmt.Errorf("make a pipe: %w", err)
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, nil, fmt.Errorf("make a pipe: %w", err)
	}
	result := make(chan error, 1)
	started = &errgroup.Group{}
	started.Go(func() error {
		p.run(result, stdout, stderr)
		return nil
	})
	if err := <-result; err != nil {
		_ = control.Close()
		return nil, nil, fmt.Errorf("start workerd: %w", err)
	}
	return control, started, nil
}

// run starts the process and waits for its end, on one thread: the kernel ends the
// process with the thread that started it, and a thread may go when its goroutine has.
func (p *Process) run(result chan<- error, stdout, stderr io.Reader) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		close(p.done)
		result <- err
		return
	}
	p.output.Go(func() error { p.read(stdout, "stdout"); return nil })
	p.output.Go(func() error { p.read(stderr, "stderr"); return nil })
	result <- nil
	_ = p.output.Wait()
	p.err = p.cmd.Wait()
	close(p.done)
}

// awaitListen reads from the control pipe until the process listens.
func awaitListen(control io.Reader) error {
	events := bufio.NewScanner(control)
	for events.Scan() {
		var e struct {
			Event  string `json:"event"`
			Socket string `json:"socket"`
		}
		if json.Unmarshal(events.Bytes(), &e) == nil && e.Event == "listen" && e.Socket == "http" {
			return nil
		}
	}
	return errEnded
}

var (
	errEnded = errors.New("it ended before it listened")
	errLate  = fmt.Errorf("it does not listen after %v", startTimeout)
)

// startFailure is err with what the process said, which has ended.
func (p *Process) startFailure(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	said := strings.TrimSpace(string(p.said))
	late := errors.Is(err, errLate)
	switch {
	case said == "":
		return &StartError{Said: err.Error(), Late: late}
	case !errors.Is(err, errEnded):
		return &StartError{Said: err.Error() + "\n" + said, Late: late}
	}
	return &StartError{Said: said, Refused: p.cmd.ProcessState.Exited()} // or somebody has killed it
}

// StartError is why workerd could not start what it was given.
type StartError struct {
	Said    string // by workerd, or of it
	Refused bool   // it told what is wrong with what it was given: it would again
	Late    bool   // it had all the time that a start may take
}

// Error implements error.
func (e *StartError) Error() string { return "workerd did not start: " + e.Said }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is how the process ended, once Done is closed.
func (p *Process) Err() error { return p.err }

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop ends the process and waits until it has: once ctx ends, no longer than the system takes
// to kill it.
func (p *Process) Stop(ctx context.Context) {
	p.stop.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may be gone
		select {
		case <-p.done:
			return
		case <-time.After(p.patience):
		case <-ctx.Done():
		}
		_ = p.cmd.Process.Kill()
	})
	<-p.done
}

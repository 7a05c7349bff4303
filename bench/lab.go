//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/godwitkv/godwit/bench/load"
)

// What every scenario shares.
const (
	valueBytes = 288
	hotKeys    = 10_000
	clients    = 64
)

// lab is where the scenarios work: a directory, and the servers that more than
// one of them uses, each started when it is first asked for.
type lab struct {
	options
	temporary bool // dir is ours to remove
	processes []*process
	node      *node
	web       *server
	workers   *workers
	peak      float64 // hot reads a second of the node
}

// server is a contestant: a process and the address at which it is loaded.
type server struct {
	*process
	addr string
}

func newLab(ctx context.Context, o options) (*lab, error) {
	l := &lab{options: o}
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "godwit-bench-")
		if err != nil {
			return nil, fmt.Errorf("make a directory: %w", err)
		}
		l.dir, l.temporary = dir, true
	}
	if err := l.prepare(ctx); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// prepare checks the directory and builds godwit where no binary was given.
func (l *lab) prepare(ctx context.Context) error {
	var err error
	if l.dir, err = filepath.Abs(l.dir); err != nil {
		return fmt.Errorf("find directory: %w", err)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(l.dir, &fs); err != nil {
		return fmt.Errorf("look at %s: %w", l.dir, err)
	}
	if fs.Type == unix.TMPFS_MAGIC {
		return fmt.Errorf("%s is memory, not a disk: give --dir one on a disk", l.dir)
	}
	if l.godwit != "" {
		l.godwit, err = filepath.Abs(l.godwit)
		return err
	}
	l.godwit = filepath.Join(l.dir, "godwit")
	return build(ctx, ".", l.godwit, "./cmd/godwit")
}

// build compiles a package of the module in dir.
func build(ctx context.Context, dir, to, pkg string) error {
	out, err := exec.CommandContext(ctx, "go", "-C", dir, "build", "-o", to, pkg).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build %s in %s: %w: %s", pkg, dir, err, out)
	}
	return nil
}

// close ends all servers and removes their data.
func (l *lab) close() {
	for _, p := range l.processes {
		if err := p.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
	if l.temporary {
		_ = os.RemoveAll(l.dir)
	}
}

// start runs a server that is ended with the lab, on the servers' core, and
// waits until it is ready.
func (l *lab) start(ctx context.Context, name string, ready func() bool, env []string, command string, args ...string) (*process, error) {
	return l.startOn(ctx, l.serverOn, name, ready, env, command, args...)
}

func (l *lab) startOn(ctx context.Context, cpu int, name string, ready func() bool, env []string, command string, args ...string) (*process, error) {
	p, err := start(cpu, l.dir, name, env, command, args...)
	if err != nil {
		return nil, err
	}
	l.processes = append(l.processes, p)
	if err := p.until(ctx, ready); err != nil {
		return nil, err
	}
	return p, nil
}

// measure is what one turn gave.
type measure struct {
	perSecond float64
	perCPU    float64 // requests per CPU-second of the server
	busy      float64 // the share of a core that the server took
	latency   *load.Histogram
}

func perSecond(m measure) float64 { return m.perSecond }
func perCPU(m measure) float64    { return m.perCPU }
func p50micros(m measure) float64 { return micros(m.latency.Quantile(0.5)) }
func p99micros(m measure) float64 { return micros(m.latency.Quantile(0.99)) }

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// turn runs the stream for one window and returns what it measured, and what that cost the processes. An answer that is not OK is an
// error: a server that says no is quick.
func (l *lab) turn(ctx context.Context, s load.Stream, processes ...*process) (measure, error) {
	results, cpu, err := l.drive(ctx, processes, s)
	if err != nil {
		return measure{}, fmt.Errorf("load %s: %w", processes[0].name, err)
	}
	return measureOf(results[0], cpu), nil
}

func measureOf(r *load.Result, cpu time.Duration) measure {
	return measure{
		perSecond: r.PerSecond(),
		perCPU:    float64(r.Requests) / cpu.Seconds(),
		busy:      cpu.Seconds() / r.Elapsed.Seconds(),
		latency:   &r.Latency,
	}
}

func (l *lab) drive(ctx context.Context, processes []*process, streams ...load.Stream) ([]*load.Result, time.Duration, error) {
	return l.driveBy(ctx, load.Options{CPU: l.loadOn, Warmup: l.warmup, Duration: l.window}, processes, streams...)
}

func (l *lab) driveBy(ctx context.Context, opts load.Options, processes []*process, streams ...load.Stream) ([]*load.Result, time.Duration, error) {
	var cpu time.Duration
	opts.Begin = func() { cpu = -cpuOf(processes) }
	opts.End = func() { cpu += cpuOf(processes) }
	results, err := load.Run(ctx, opts, streams...)
	if err != nil {
		return nil, 0, err
	}
	for _, r := range results {
		if r.Failed > 0 || r.Requests == 0 {
			return nil, 0, fmt.Errorf("%d of %d requests were answered with an error", r.Failed, r.Requests)
		}
	}
	if cpu == 0 {
		return nil, 0, errors.New("the server took no processor time: the window is too short")
	}
	return results, cpu, nil
}

func cpuOf(processes []*process) (sum time.Duration) {
	for _, p := range processes {
		sum += p.cpu()
	}
	return sum
}

// contestant has a turn in every round.
type contestant func(ctx context.Context) (measure, error)

// rounds gives the contestants their turns, one after another, as often as there
// are rounds, so that what disturbs the machine disturbs all of them. It returns
// each contestant's measures.
func (l *lab) rounds(ctx context.Context, contestants ...contestant) ([][]measure, error) {
	all := make([][]measure, len(contestants))
	for range l.options.rounds {
		for i, c := range contestants {
			m, err := c(ctx)
			if err != nil {
				return nil, err
			}
			all[i] = append(all[i], m)
		}
	}
	return all, nil
}

// loaded is the contestant that runs a stream at the cost of the processes.
func (l *lab) loaded(s load.Stream, processes ...*process) contestant {
	return func(ctx context.Context) (measure, error) { return l.turn(ctx, s, processes...) }
}

func httpStream(addr string, conns int, source load.Source) load.Stream {
	return load.Stream{Addr: addr, Conns: conns, Source: source, Reply: func() load.Reply { return new(load.HTTPReply) }}
}

func redisStream(addr string, conns int, source load.Source) load.Stream {
	return load.Stream{Addr: addr, Conns: conns, Source: source, Reply: func() load.Reply { return new(load.RedisReply) }}
}

package simulation

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// driver hands worlds out to workers: processes of this same program. A world
// that takes its process down with it is a broken one; the others go on.
type driver struct {
	say      func(format string, args ...any)
	progress time.Duration // between two lines of progress; 0: none
	env      []string      // of the workers, beside ours
	first    bool          // stop at the first broken world
	step     uint64        // from one seed to the next, one at a time; 0: all

	mu      sync.Mutex
	next    uint64
	end     uint64
	stopped bool
	sum     summary
}

// summary is what became of the worlds.
type summary struct {
	seeds, broken    int
	answers, records int
	lived            time.Duration
	took             time.Duration
	firstBroken      *verdict
	stopped          bool
}

func (s *summary) failed() bool { return s.broken > 0 || s.stopped }

// String is the last line.
func (s *summary) String() string {
	text := fmt.Sprintf("simulate: %d seeds, %d broken promises, %d answers and %d records held against the model, %v of the worlds' time in %v",
		s.seeds, s.broken, s.answers, s.records, s.lived.Round(time.Second), s.took.Round(time.Second))
	if s.stopped {
		text += " (interrupted)"
	}
	return text
}

// share is how many worlds a worker is given at once.
const share = 5

// silence is for how long a worker may say nothing: a world takes a second.
const silence = 2 * time.Minute

func newDriver(first uint64, n int) *driver {
	return &driver{say: func(string, ...any) {}, next: first, end: first + uint64(n)}
}

// run returns once all worlds have ended.
func (d *driver) run() *summary {
	begun := time.Now()
	var wg sync.WaitGroup
	done := make(chan struct{})
	if d.progress > 0 {
		go d.tellProgress(done)
	}
	for range *workers {
		wg.Go(d.work)
	}
	wg.Wait()
	close(done)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sum.took = time.Since(begun)
	d.sum.stopped = d.stopped && !d.first
	return &d.sum
}

func (d *driver) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = true
}

func (d *driver) tellProgress(done chan struct{}) {
	tick := time.NewTicker(d.progress)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			d.mu.Lock()
			d.say("%d seeds so far, %d broken promises", d.sum.seeds, d.sum.broken)
			d.mu.Unlock()
		case <-done:
			return
		}
	}
}

// take returns the worlds to run next, none if all are taken.
func (d *driver) take() (first uint64, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped || d.next >= d.end {
		return 0, 0
	}
	first = d.next
	n = share
	if d.step > 0 {
		d.next += d.step
		return first, min(1, int(d.end-first))
	}
	if d.first {
		n = 1
	}
	n = int(min(uint64(n), d.end-d.next))
	d.next += uint64(n)
	return first, n
}

// work runs one worker after another until no worlds are left.
func (d *driver) work() {
	for {
		first, n := d.take()
		if n == 0 {
			return
		}
		for end := first + uint64(n); first < end; {
			first = d.runWorker(first, int(end-first))
		}
	}
}

// runWorker runs a process for worlds, and returns the seed of the first that it
// has not run.
func (d *driver) runWorker(first uint64, n int) uint64 {
	cmd := exec.Command(os.Args[0], "-test.run=^TestWorker$", "-test.timeout=0", "-simulate.worker",
		fmt.Sprintf("-simulate.seed=%d", first), fmt.Sprintf("-simulate.seeds=%d", n),
		"-simulate.traces="+*traces, fmt.Sprintf("-simulate.keep=%v", *keepAll))
	cmd.Env = append(os.Environ(), d.env...)
	var said bytes.Buffer // beside the verdicts
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		d.take1(&verdict{Seed: first, Broken: []string{"start a worker: " + err.Error()}})
		return first + uint64(n)
	}
	alarm := time.AfterFunc(silence, func() { _ = cmd.Process.Signal(syscall.SIGQUIT) })
	defer alarm.Stop()
	go func() {
		err := cmd.Wait()
		_ = in.CloseWithError(io.EOF)
		_ = err // what it said tells
	}()
	at := first
	running := false
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		alarm.Reset(silence)
		text, ours := strings.CutPrefix(line, verdictPrefix)
		v := new(verdict)
		switch {
		case !ours || json.Unmarshal([]byte(text), v) != nil:
			said.WriteString(line)
		case v.Begins:
			running = true
			said.Reset()
		default:
			running = false
			at = v.Seed + 1
			d.take1(v)
		}
		if err != nil {
			break
		}
	}
	if running || at == first {
		d.take1(d.crashed(at, said.Bytes()))
		return at + 1
	}
	return first + uint64(n)
}

// crashed is the verdict on a world that ended its process.
func (d *driver) crashed(seed uint64, said []byte) *verdict {
	v := &verdict{Seed: seed, Promise: promiseAlive, Trace: filepath.Join(*traces, fmt.Sprintf("seed-%d.crash", seed))}
	why, _, _ := strings.Cut(string(bytes.TrimSpace(said)), "\n")
	for line := range strings.Lines(string(said)) {
		if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") || strings.HasPrefix(line, "SIGQUIT") ||
			strings.HasPrefix(line, "WARNING: DATA RACE") {
			why = strings.TrimSpace(line)
			break
		}
	}
	v.Broken = []string{string(promiseAlive) + ": " + why}
	_ = os.MkdirAll(*traces, 0o755)
	if err := os.WriteFile(v.Trace, said, 0o644); err != nil {
		v.Broken = append(v.Broken, err.Error())
	}
	return v
}

// take1 counts a verdict, and tells of a broken world.
func (d *driver) take1(v *verdict) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sum.seeds++
	d.sum.answers += v.Answers
	d.sum.records += v.Records
	d.sum.lived += time.Duration(v.Lived * float64(time.Second))
	if len(v.Broken) == 0 {
		return
	}
	d.sum.broken++
	if d.sum.firstBroken == nil {
		d.sum.firstBroken = v
	}
	d.stopped = d.stopped || d.first
	d.say("seed %d: %s\n  replay: %s\n  trace:  %s", v.Seed, strings.Join(v.Broken, "\n  "), d.replay(v.Seed), v.Trace)
}

// replay is the command that runs a world again.
func (d *driver) replay(seed uint64) string {
	return strings.Join(append(append([]string(nil), d.env...),
		fmt.Sprintf("go test ./internal/simulation -run TestWorlds -v%s -simulate.seeds=1 -simulate.seed=%d", buildFlags, seed)), " ")
}

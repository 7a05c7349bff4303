package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit/internal/worker/workerd"
)

const (
	firstBackoff = 100 * time.Millisecond // before a workerd that died is replaced; doubles
	lastBackoff  = 5 * time.Second
	settled      = 30 * time.Second // after which a death is the first again
)

// generation is one state of the Workers, as some workerds run it.
type generation struct {
	dir   string // of their configurations; goes with it
	slots []*slot
	told  *told
	front *front
	alone bool // requests wait until it has ended
	tasks bool // there may be some when all requests are answered

	cancel context.CancelFunc
	group  *errgroup.Group

	mu       sync.Mutex
	flight   int
	idle     chan struct{} // closed when nothing is in flight any more; nil: nobody waits
	answered time.Time     // when the last request was
}

// slot is one of a generation's workerds: one process after another.
type slot struct {
	g       *generation
	number  int
	options workerd.Options
	socket  string

	// Under g.mu:
	process *workerd.Process // nil: none runs
	flight  int

	courier   *courier        // requests without a body
	transport *http.Transport // all others
}

// newGeneration starts workerds with the configuration, and returns once all listen. A
// trial is one that takes no requests and keeps away from storage: it shows whether the
// Workers start.
func newGeneration(ctx context.Context, r *Runner, p *plan, trial bool) (*generation, error) {
	dir, err := makeDir(r.dir)
	if err != nil {
		return nil, fmt.Errorf("make a directory for workerd: %w", err)
	}
	g := &generation{dir: dir, told: r.told, front: r.front, alone: p.alone(), tasks: p.tasks}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	g.cancel = cancel
	g.group, life = errgroup.WithContext(life)
	if err := g.prepareAll(r, p, trial); err != nil {
		g.close()
		return nil, err
	}
	if err := g.start(ctx); err != nil {
		g.close()
		return nil, mapped(err, p)
	}
	for _, s := range g.slots {
		g.group.Go(func() error { s.keep(life); return nil })
	}
	return g, nil
}

// makeDir makes a directory in dir under the first name that is free: what is wrong has the
// same text when it is tried again, and is told once.
func makeDir(dir string) (path string, err error) {
	for n := 0; ; n++ {
		path = filepath.Join(dir, "g"+strconv.Itoa(n))
		if err = os.Mkdir(path, 0o700); !errors.Is(err, os.ErrExist) {
			return path, err
		}
	}
}

// prepareAll makes the slots, of which none runs yet.
func (g *generation) prepareAll(r *Runner, p *plan, trial bool) error {
	for i := range r.cfg.Instances {
		s, err := g.prepare(r, p, i, trial)
		if err != nil {
			return err
		}
		g.slots = append(g.slots, s)
	}
	return nil
}

// start starts all processes. None is being started any more when it returns.
func (g *generation) start(ctx context.Context) error {
	starting, ctx := errgroup.WithContext(ctx)
	for _, s := range g.slots {
		starting.Go(func() error { return s.start(ctx) })
	}
	return starting.Wait()
}

// mapped shows places in the sources where workerd has shown those in the bundle.
func mapped(err error, p *plan) error {
	var start *workerd.StartError
	if errors.As(err, &start) {
		return &workerd.StartError{Said: plain(p.trace.Map(start.Said)), Refused: start.Refused, Late: start.Late}
	}
	return err
}

// prepare writes the configuration of one workerd.
func (g *generation) prepare(r *Runner, p *plan, i int, trial bool) (*slot, error) {
	dir := filepath.Join(g.dir, strconv.Itoa(i))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a directory for workerd: %w", err)
	}
	s := &slot{g: g, number: i, socket: filepath.Join(dir, "s")}
	cfg := workerd.Config{
		Dir: dir, Socket: s.socket, Workers: p.workers, Objects: r.objects, Cache: r.cacheSocket,
		DefaultDate: r.date, PublicOnly: r.cfg.PublicOnly, Crons: i == 0 && !trial,
	}
	if trial {
		cfg.Objects = dir
	}
	path, err := cfg.Write()
	if err != nil {
		return nil, err
	}
	s.options = workerd.Options{Program: r.program, Config: path, Quiet: trial || i > 0, Log: func(l workerd.Line) {
		g.told.line(l, p.trace)
	}}
	s.connect()
	return s, nil
}

// connect makes what passes requests on.
func (s *slot) connect() {
	s.courier = &courier{dial: s.dial}
	s.transport = &http.Transport{
		DialContext:        dialSending(s.dial),
		DisableCompression: true, MaxIdleConns: 0, MaxIdleConnsPerHost: maxIdle, IdleConnTimeout: idleFor,
		MaxResponseHeaderBytes: maxResponseHead,
	}
}

func (s *slot) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", s.socket)
}

// roundTrip passes one request on.
func (s *slot) roundTrip(r *http.Request) (*http.Response, error) {
	if s.courier.carries(r) {
		return s.courier.RoundTrip(r)
	}
	return s.transport.RoundTrip(attempt(r))
}

// hangUp closes the connections that nobody uses.
func (s *slot) hangUp() {
	s.courier.closeIdle()
	s.transport.CloseIdleConnections()
}

// start starts the process.
func (s *slot) start(ctx context.Context) error {
	_ = os.Remove(s.socket) // of the one before
	p, err := workerd.Start(ctx, s.options)
	if err != nil {
		return err
	}
	s.g.mu.Lock()
	s.process = p
	s.g.mu.Unlock()
	return nil
}

// keep replaces the process whenever it dies, until ctx ends. It waits longer each
// time, so a Worker that always brings it down does not take the machine with it.
func (s *slot) keep(ctx context.Context) {
	backoff := firstBackoff
	for since := time.Now(); ; {
		if p := s.running(); p != nil {
			select {
			case <-p.Done():
			case <-ctx.Done():
				return
			}
			s.gone(p)
			if time.Since(since) > settled {
				backoff = firstBackoff
			}
			s.g.told.warn("workerd ended (%v): another starts in %v", cause(p.Err()), backoff)
		}
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
			return
		}
		backoff = min(2*backoff, lastBackoff)
		since = time.Now()
		if err := s.start(ctx); err != nil {
			if ctx.Err() == nil {
				s.g.told.warn("%v", err)
			}
			continue
		}
		s.g.front.up()
	}
}

func cause(err error) string {
	if err == nil {
		return "by itself"
	}
	return err.Error()
}

func (s *slot) running() *workerd.Process {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	return s.process
}

func (s *slot) gone(p *workerd.Process) {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	if s.process == p {
		s.process = nil
	}
	s.hangUp()
}

// lost is what a request says that could not reach the process.
func (s *slot) lost() {
	if p := s.running(); p != nil {
		select {
		case <-p.Done():
			s.gone(p)
		default:
		}
	}
}

// pick takes the workerd that has least to do, nil if none runs.
func (g *generation) pick() *slot {
	g.mu.Lock()
	defer g.mu.Unlock()
	var least *slot
	for _, s := range g.slots {
		if s.process != nil && (least == nil || s.flight < least.flight) {
			least = s
		}
	}
	if least != nil {
		least.flight++
		g.flight++
	}
	return least
}

func (s *slot) release() {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	s.flight--
	s.g.flight--
	s.g.answered = time.Now()
	if s.g.flight == 0 && s.g.idle != nil {
		close(s.g.idle)
		s.g.idle = nil
	}
}

// drain waits until no request is in flight, and tells whether that has come, or for as
// long as ctx and the timeout allow. Nobody picks from the generation any more.
func (g *generation) drain(ctx context.Context, timeout time.Duration) bool {
	g.mu.Lock()
	if g.flight == 0 {
		g.mu.Unlock()
		return true
	}
	idle := make(chan struct{})
	g.idle = idle
	g.mu.Unlock()
	select {
	case <-idle:
		return true
	case <-ctx.Done():
	case <-time.After(timeout):
		g.told.warn("requests to the code of before are still in flight after %v: they are cut", timeout)
	}
	return false
}

// close stops the processes, and returns once they have ended.
func (g *generation) close() { g.closeBy(context.Background()) }

// closeBy is close, and kills the processes that are left when ctx ends.
func (g *generation) closeBy(ctx context.Context) {
	g.cancel()
	_ = g.group.Wait()
	var stopping sync.WaitGroup
	for _, s := range g.slots {
		if p := s.running(); p != nil {
			stopping.Go(func() { p.Stop(ctx) })
		}
	}
	stopping.Wait()
	for _, s := range g.slots {
		s.hangUp()
	}
	if err := os.RemoveAll(g.dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		g.told.warn("remove workerd's directory: %v", err)
	}
}

// pids are the processes that run.
func (g *generation) pids() (all []int) {
	for _, s := range g.slots {
		if p := s.running(); p != nil {
			all = append(all, p.PID())
		}
	}
	return all
}

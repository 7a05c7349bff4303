package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/trace/export"
	"github.com/godwitkv/godwit/internal/worker/cache"
	"github.com/godwitkv/godwit/internal/worker/workerd"
)

// Runner runs Workers until it is told to stop.
type Runner struct {
	cfg     Config
	told    *told
	project project
	node    Node
	kv      *namespaces
	front   *front
	listen  net.Listener
	watch   *watcher

	program, date string
	run           *run
	dir           string // of sockets and configurations
	objects       string // the Durable Objects' storage
	objectsLock   *os.File
	shared        bool             // another run has the storage
	traces        *export.Exporter // nil: nothing is traced
	cache         *http.Server
	cacheSocket   string

	current *generation // nil: nothing runs
	retired []func()    // end those of before at once
	plan    *plan       // of what runs
	print   string      // of what runs, or of what could not be started
	broken  bool        // the second
	failed  bool        // the newest state could not be run: it is tried again
	wrong   string      // what was wrong with the newest state, as it was told
	life    *errgroup.Group
	cancel  context.CancelFunc
	ended   context.Context // ends when a server fails, or with cancel
}

// Open reads the project, starts its Workers and listens. What is wrong with the
// project is in the error, with file and line.
func Open(ctx context.Context, cfg Config) (*Runner, error) {
	cfg.setDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	r := &Runner{cfg: cfg, told: &told{out: cfg.Stdout, err: cfg.Stderr}, watch: newWatcher()}
	r.project = project{configs: cfg.Configs, env: cfg.Env, private: newPrivate(&cfg)}
	root, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.cancel = cancel
	r.life, r.ended = errgroup.WithContext(root)
	if err := r.open(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Runner) open(ctx context.Context) (err error) {
	if err := r.read(); err != nil {
		return err
	}
	if err := r.findProgram(ctx); err != nil {
		return err
	}
	if r.listen, err = net.Listen("tcp", r.cfg.Listen); err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	if err := r.makeState(); err != nil {
		return err
	}
	if r.node, err = r.cfg.Connect(ctx); err != nil {
		return err
	}
	if err := r.openRun(ctx); err != nil {
		return err
	}
	if err := r.openCache(); err != nil {
		return err
	}
	if err := r.lockObjects(); err != nil {
		return err
	}
	if r.kv, err = newNamespaces(r.node, r.run, r.told); err != nil {
		return err
	}
	if err := r.openTraces(ctx); err != nil {
		return err
	}
	r.front = newFront(&r.cfg, r.traces.Tracer())
	if err := r.deploy(ctx); err != nil {
		return err
	}
	r.life.Go(func() error { return ignoreClosed(r.front.server.Serve(r.listen)) })
	return nil
}

// openTraces starts to send traces, if there is somewhere to send them.
func (r *Runner) openTraces(ctx context.Context) (err error) {
	if r.cfg.OTLPEndpoint == "" {
		return nil
	}
	r.traces, err = export.Open(ctx, export.Config{
		Endpoint: r.cfg.OTLPEndpoint, Ratio: r.cfg.TraceRatio, Service: "godwit-worker", Location: r.cfg.Location, Role: "worker",
		Logger: slog.New(slog.NewTextHandler(r.cfg.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	return err
}

// read reads the project, and notes how its files stood before.
func (r *Runner) read() error {
	r.watch.look(r.project.looked)
	err := r.project.load()
	r.watch.add(r.project.looked)
	if err != nil {
		return err
	}
	if r.cfg.Instances > 1 {
		for _, s := range r.project.workers {
			if len(s.config.Classes) > 0 {
				return fmt.Errorf("--instances: the Worker %s has Durable Objects, which live in one process", s.config.Name)
			}
		}
	}
	return nil
}

func (r *Runner) findProgram(ctx context.Context) (err error) {
	if r.cfg.Workerd != "" {
		r.program, err = workerd.Program(r.cfg.Workerd)
	} else {
		r.program, err = workerd.Find(r.project.workers[0].config.Dir)
	}
	if err == nil {
		r.date, err = workerd.Date(ctx, r.program)
	}
	return err
}

// makeState makes the state directory. What is in it is nobody else's, and not for a
// repository.
func (r *Runner) makeState() error {
	r.objects = objectsDir(r.cfg.State)
	if err := os.MkdirAll(r.objects, 0o700); err != nil {
		return fmt.Errorf("make state directory: %w", err)
	}
	ignore := filepath.Join(r.cfg.State, ".gitignore")
	if _, err := os.Stat(ignore); err == nil {
		return nil
	}
	if err := os.WriteFile(ignore, []byte("*\n"), 0o600); err != nil {
		return fmt.Errorf("make state directory: %w", err)
	}
	return nil
}

// openRun begins a run, and ends those of before that were killed.
func (r *Runner) openRun(ctx context.Context) error {
	status, err := r.node.Client.Status(ctx)
	if err != nil {
		return fmt.Errorf("ask the node for its status: %w", err)
	}
	if r.run, err = openRun(r.cfg.State, status.ClusterID); err != nil {
		return err
	}
	r.dir = r.run.kept.Dir
	r.project.private.own = append(r.project.private.own, r.dir)
	if err := sweep(ctx, r.cfg.State, status.ClusterID, r.node.Client); err != nil && !errors.Is(err, client.ErrForbidden) {
		r.told.warn("end what a run of before has left: %v", err)
	}
	return nil
}

// lockObjects keeps others from the Durable Objects' storage, which one process may have
// open.
func (r *Runner) lockObjects() (err error) {
	if r.objectsLock, err = os.OpenFile(filepath.Join(r.cfg.State, "objects.lock"), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return fmt.Errorf("lock the Durable Objects: %w", err)
	}
	if err := lock(r.objectsLock); err != nil {
		r.shared = true
	}
	return nil
}

func (r *Runner) openCache() error {
	r.cacheSocket = filepath.Join(r.dir, "cache")
	listen, err := net.Listen("unix", r.cacheSocket)
	if err != nil {
		return fmt.Errorf("listen for the cache: %w", err)
	}
	r.cache = &http.Server{Handler: cache.New(cache.DefaultBytes, time.Now), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout}
	r.life.Go(func() error { return ignoreClosed(r.cache.Serve(listen)) })
	return nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// URL is where the Worker is reached from this machine.
func (r *Runner) URL() string {
	at := r.listen.Addr().String()
	if tcp, ok := r.listen.Addr().(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		at = fmt.Sprintf("127.0.0.1:%d", tcp.Port)
	}
	return "http://" + at
}

// Name is the Worker that takes the requests.
func (r *Runner) Name() string { return r.project.workers[0].config.Name }

// PIDs are the workerds that run.
func (r *Runner) PIDs() []int {
	if r.current == nil {
		return nil
	}
	return r.current.pids()
}

// Run takes up changes until ctx ends, or until it can go on no longer.
func (r *Runner) Run(ctx context.Context) error {
	r.tellNotes()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(r.ended, stop)()
	for {
		if err := r.watch.wait(ctx, r.again()); err != nil {
			return context.Cause(r.ended)
		}
		r.takeUp(ctx)
	}
}

// again is when the project is to be read again although nothing seems to have changed;
// 0: never.
func (r *Runner) again() time.Duration {
	switch {
	case r.watch.recent():
		return 2 * racy
	case r.failed:
		return retryAfter
	}
	return 0
}

// takeUp reads the project again, and runs it if it is another. What is wrong with it
// is told, and what ran goes on.
func (r *Runner) takeUp(ctx context.Context) {
	began := time.Now()
	if err := r.read(); err != nil {
		r.complain(ctx, err)
		return
	}
	if r.project.print() == r.print && !r.failed {
		if r.wrong != "" && !r.broken {
			r.told.say("%s: what was wrong is not any more", r.Name())
			r.wrong = ""
		}
		return
	}
	if err := r.deploy(ctx); err != nil {
		r.complain(ctx, err)
		return
	}
	r.wrong = ""
	r.tellNotes()
	r.told.say("%s: changed code runs after %d ms", r.Name(), time.Since(began).Milliseconds())
}

// complain tells what is wrong with the newest state, once.
func (r *Runner) complain(ctx context.Context, err error) {
	text := err.Error()
	if ctx.Err() != nil || text == r.wrong {
		return
	}
	r.wrong = text
	switch {
	case r.current == nil:
		r.told.warn("%s\nNothing runs: it is tried again every %v.", text, retryAfter)
	case r.failed:
		r.told.warn("%s\nThe code of before goes on, and the change is tried again every %v.", text, retryAfter)
	default:
		r.told.warn("%s\nThe code of before goes on.", text)
	}
}

// tellNotes tells what in the configuration says nothing here, and what esbuild warns
// of.
func (r *Runner) tellNotes() {
	for _, s := range r.project.workers {
		for _, n := range s.config.Notes {
			r.told.warn("%v", n)
		}
		if date := s.config.CompatibilityDate; date > r.date {
			r.told.warn("%s: compatibility_date: this workerd knows none after %s, which is taken for %s", s.config.File, r.date, date)
		}
		for _, c := range s.config.Deleted {
			if dir := filepath.Join(r.objects, workerd.UniqueKey(s.config.Name, c.Name)); isDir(dir) {
				r.told.warn("%v", c.Place.Problem(fmt.Sprintf("the class %s is deleted; what it has stored stays in %s until you remove that", c.Name, dir)))
			}
		}
		for _, w := range s.built.Warnings {
			r.told.warn("%s", w)
		}
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// deploy runs the project as it was read. The one that ran before ends once its requests
// and their tasks have.
func (r *Runner) deploy(ctx context.Context) error {
	before, newest := r.current, r.project.print()
	r.failed = before == nil
	p, err := r.project.plan(ctx, r.kv)
	if err != nil {
		r.failed = r.failed || errors.Is(err, client.ErrUnavailable) // the node may come back
		return err
	}
	if p.alone() && r.shared {
		return fmt.Errorf("another godwit worker runs with the state directory %s: Durable Objects and cron triggers are for one alone", r.cfg.State)
	}
	if before != nil && (p.alone() || before.alone) { // what runs after the next may be alone again
		err = r.replaceAlone(ctx, p)
	} else {
		err = r.replace(ctx, p)
	}
	r.print, r.broken = newest, err != nil
	r.failed = r.current == nil || r.current == before && !refused(err) // no attempt makes requests wait again
	if err != nil {
		return err
	}
	r.plan = p
	return nil
}

// refused tells whether an error is of the code, which another attempt would not change:
// workerd says so, or the code does not come to an end, and keeps a processor busy that long.
func refused(err error) bool {
	var start *workerd.StartError
	return errors.As(err, &start) && (start.Refused || start.Late)
}

// replace starts the new Workers beside the old ones, which end in their own time.
func (r *Runner) replace(ctx context.Context, p *plan) error {
	next, err := newGeneration(ctx, r, p, false)
	if err != nil {
		return err
	}
	before := r.front.use(next)
	r.current = next
	if before != nil {
		r.retire(before)
	}
	return nil
}

// replaceAlone is replace where only one process may have the Workers' storage.
// Requests wait until the old one has let go of it.
func (r *Runner) replaceAlone(ctx context.Context, p *plan) error {
	trial, err := newGeneration(ctx, r, p, true)
	if err != nil {
		return err
	}
	trial.close()
	before := r.front.use(nil)
	patience, cancel := context.WithTimeout(r.ended, drainAlone)
	before.drain(r.ended, drainAlone)
	before.linger(patience, taskGrace)
	before.closeBy(patience)
	cancel()
	r.current = nil
	next, err := newGeneration(ctx, r, p, false)
	if err != nil { // although it has just started: back to the one before
		var worse error
		if next, worse = newGeneration(ctx, r, r.plan, false); worse != nil {
			r.plan = nil
			return fmt.Errorf("%w\nThe code of before does not start either: %w", err, worse)
		}
	}
	r.front.use(next)
	r.current = next
	return err
}

// Close takes no more requests, lets those in flight end for a while and their tasks for a
// moment, and stops everything.
func (r *Runner) Close() error {
	var problems []error
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if r.front != nil {
		if err := r.front.server.Shutdown(ctx); err != nil {
			problems = append(problems, r.front.server.Close())
		}
	}
	if r.current != nil {
		r.current.linger(ctx, taskGrace)
		r.current.close()
	}
	r.cancel()
	if r.cache != nil {
		problems = append(problems, r.cache.Close())
	}
	if r.listen != nil {
		_ = r.listen.Close() // the server has, if there is one
	}
	problems = append(problems, r.life.Wait())
	r.traces.Close()
	r.watch.close()
	if r.objectsLock != nil {
		_ = r.objectsLock.Close()
	}
	r.project.close()
	r.endRun()
	return errors.Join(problems...)
}

// endRun revokes the run's tokens, however long requests have taken to end.
func (r *Runner) endRun() {
	if r.run == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), revokeTimeout)
	defer cancel()
	if err := r.run.end(ctx, r.node.Client); err != nil && !errors.Is(err, client.ErrForbidden) {
		r.told.warn("%v", err)
	}
}

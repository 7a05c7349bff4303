package worker

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/godwitkv/godwit/internal/trace"
	"github.com/godwitkv/godwit/internal/worker/bundle"
	"github.com/godwitkv/godwit/internal/worker/workerd"
	"github.com/godwitkv/godwit/internal/worker/wrangler"
)

// Sender is who the front takes a request to come from.
func Sender(trusted []netip.Prefix, r *http.Request) (client, proto string) {
	client, proto, _ = newFront(&Config{TrustedProxies: trusted}, nil).sender(r)
	return client, proto
}

// Forward are the headers of a request as workerd gets them.
func Forward(trusted []netip.Prefix, r *http.Request) http.Header {
	return newFront(&Config{TrustedProxies: trusted}, nil).forward(r)
}

// Included tells whether a file is an asset of a site.
func Included(include, exclude []string, path string) (bool, error) {
	has, err := (&wrangler.Site{Include: include, Exclude: exclude}).Filter()
	return err == nil && has(path), err
}

// Manifest is what the files of a site are called, and what was looked at.
func Manifest(s *wrangler.Site) (manifest map[string]string, looked []string, err error) {
	return new(site).manifest(&wrangler.Worker{Site: s}, nil)
}

// Watch looks at files, and returns a function that waits until one has changed. With
// deaf the system tells nothing.
func Watch(paths []string, deaf bool) (wait func(ctx context.Context) error, end func()) {
	w := newWatcher()
	if deaf {
		w.close()
		w.events, w.every = nil, 10*time.Millisecond
	}
	w.look(paths)
	return func(ctx context.Context) error {
		err := w.wait(ctx, 0)
		w.look(paths)
		return err
	}, w.close
}

// Plain is a log's text as it is written.
func Plain(text string) string { return plain(text) }

// NewFront is a front whose one workerd listens at a socket, and what ends it.
func NewFront(socket string) (h http.Handler, end func()) { return NewTracedFront(socket, nil) }

// NewTracedFront is NewFront, and tells tracer of requests.
func NewTracedFront(socket string, tracer *trace.Tracer) (h http.Handler, end func()) {
	g := &generation{}
	s := &slot{g: g, socket: socket, process: new(workerd.Process)}
	s.connect()
	g.slots = []*slot{s}
	f := newFront(&Config{}, tracer)
	f.use(g)
	return f.server.Handler, s.hangUp
}

// Generate starts workerds as one generation, and stops them.
func Generate(ctx context.Context, dir, program string, instances int, workers []workerd.Worker) error {
	r := &Runner{cfg: Config{Instances: instances}, told: &told{out: io.Discard, err: io.Discard}, dir: dir, program: program}
	g, err := newGeneration(ctx, r, &plan{workers: workers, trace: bundle.NewTrace()}, false)
	if err == nil {
		g.close()
	}
	return err
}

// Refused tells whether another attempt to start code would end as one that ended with err.
func Refused(err error) bool { return refused(err) }

// Private is what is withheld of a directory that is published, or why it cannot be.
func Private(cfg Config, dir string) (withheld []string, err error) {
	p := newPrivate(&cfg)
	return p.within(dir), p.check(dir)
}

// Answered is a generation that has answered a request just now, and what waits for its
// tasks.
func Answered(tasks bool) (linger func(ctx context.Context, most time.Duration)) {
	g := &generation{tasks: tasks}
	g.slots = []*slot{{g: g, process: new(workerd.Process)}}
	g.pick().release()
	return g.linger
}

// MakeTemp makes a run's directory.
func MakeTemp() (string, error) { return makeTemp() }

// Notes are what is told of a Worker's configuration whose objects lie in a directory.
func Notes(w *wrangler.Worker, objects string) string {
	var out strings.Builder
	r := &Runner{objects: objects, told: &told{out: io.Discard, err: &out}, date: "2026-11-17"}
	r.project.workers = []*source{{config: w, built: &bundle.Result{}}}
	r.tellNotes()
	return out.String()
}

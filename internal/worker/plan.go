package worker

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/godwitkv/godwit/internal/worker/bundle"
	"github.com/godwitkv/godwit/internal/worker/workerd"
	"github.com/godwitkv/godwit/internal/worker/wrangler"
)

// plan is one state of the Workers, ready to be run.
type plan struct {
	workers []workerd.Worker
	trace   *bundle.Trace
	tasks   bool // some may leave tasks
}

// alone tells whether the Workers have storage that one process may have open: that of
// Durable Objects, and of cron triggers, which are one.
func (p *plan) alone() bool {
	for _, w := range p.workers {
		if len(w.Classes) > 0 || len(w.Crons) > 0 {
			return true
		}
	}
	return false
}

// project is the Workers' sources as they were read last.
type project struct {
	configs []string
	env     string
	private private
	workers []*source
	looked  []string // where files would be that are not understood yet
}

// source is one Worker's.
type source struct {
	config  *wrangler.Worker
	bundler *bundle.Bundler
	built   *bundle.Result
	site    site
	assets  []string // what workerd is told of when it starts
	files   map[string]string
}

// load reads all configurations and builds what has changed. The paths that it looked
// at are in looked, also when something is wrong.
func (p *project) load() error {
	p.looked = nil
	var problems []error
	var loaded []*source
	for i, path := range p.configs {
		s, err := p.loadOne(i, path)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		loaded = append(loaded, s)
	}
	if len(problems) == 0 {
		problems = append(problems, crossCheck(loaded))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	for _, s := range loaded {
		problems = append(problems, s.build(p))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	if err := checkExports(loaded); err != nil {
		return err
	}
	p.workers = loaded
	return nil
}

// loadOne reads one configuration. What was built of it before goes on to be used if
// it says the same.
func (p *project) loadOne(i int, path string) (*source, error) {
	if abs, err := filepath.Abs(path); err == nil {
		p.looked = append(p.looked, abs, filepath.Join(abs, "wrangler.json"))
	}
	file, err := wrangler.Find(path)
	if err != nil {
		return nil, err
	}
	config, err := wrangler.Load(file, wrangler.Options{Env: p.env})
	if config != nil {
		p.looked = append(p.looked, config.Files...)
	}
	if err != nil {
		return nil, err
	}
	if i < len(p.workers) && reflect.DeepEqual(p.workers[i].config, config) {
		return p.workers[i], nil
	}
	s := &source{config: config}
	if s.bundler, err = bundle.New(config); err != nil {
		return nil, err
	}
	if i < len(p.workers) {
		p.workers[i].bundler.Close()
		s.site = p.workers[i].site
		p.workers[i] = s // so that its bundler is closed in its turn
	}
	return s, nil
}

// build makes the modules, and looks at the files that are not bundled.
func (s *source) build(p *project) (err error) {
	built, err := s.bundler.Build()
	p.looked = append(p.looked, s.bundler.Inputs()...)
	if err != nil {
		return err
	}
	if built.ServiceWorker && len(built.Modules) > 1 {
		return fmt.Errorf("%s: a Worker of the old form, which exports nothing, cannot import %s", s.config.File, built.Modules[1].Name)
	}
	s.built = built
	for _, b := range s.config.Blobs {
		p.looked = append(p.looked, b.Path)
	}
	s.assets = nil
	if a := s.config.Assets; a != nil {
		s.assets = workerd.AssetFiles(a.Directory)
		p.looked = append(p.looked, s.assets...)
		if err := errors.Join(p.private.check(a.Directory), workerd.CheckAssetFiles(a.Directory)); err != nil {
			return a.Place.Problem("assets.directory: " + err.Error())
		}
	}
	if site := s.config.Site; site != nil {
		if err := p.private.check(site.Bucket); err != nil {
			return site.Place.Problem("site.bucket: " + err.Error())
		}
		var looked []string
		s.files, looked, err = s.site.manifest(s.config, p.withheld(s.config, site.Bucket))
		p.looked = append(p.looked, looked...)
	}
	return err
}

// withheld are the paths in a directory of which nothing is published: those of godwit's
// data, and the configuration.
func (p *project) withheld(w *wrangler.Worker, dir string) []string {
	return p.private.within(dir, filepath.Join(w.Dir, filepath.Base(w.File)))
}

// print is what would make another plan if it were another.
func (p *project) print() string {
	var b strings.Builder
	for _, s := range p.workers {
		fmt.Fprintf(&b, "%p %x", s.config, s.built.Sum)
		for _, path := range append(slices.Clone(s.assets), blobPaths(s.config)...) {
			fmt.Fprintf(&b, " %v", stampOf(path))
		}
		for _, name := range slices.Sorted(maps.Keys(s.files)) {
			fmt.Fprintf(&b, " %q", s.files[name])
		}
	}
	return b.String()
}

func blobPaths(w *wrangler.Worker) (all []string) {
	for _, b := range w.Blobs {
		all = append(all, b.Path)
	}
	return all
}

func (p *project) close() {
	for _, s := range p.workers {
		s.bundler.Close()
	}
}

// plan connects the Workers with a node.
func (p *project) plan(ctx context.Context, n *namespaces) (*plan, error) {
	n.refresh(ctx)
	made := &plan{}
	var results []*bundle.Result
	for _, s := range p.workers {
		w := workerd.Worker{Worker: s.config, Built: s.built, Version: versionMetadata()}
		var err error
		if w.KV, err = n.connect(ctx, s.config); isGone(err) {
			n.forget()
			w.KV, err = n.connect(ctx, s.config)
		}
		if err != nil {
			return nil, err
		}
		if a := s.config.Assets; a != nil {
			w.Withheld = p.withheld(s.config, a.Directory)
		}
		if s.config.Site != nil {
			site := w.KV[len(w.KV)-1]
			if w.Manifest, err = upload(ctx, n.client.KV(site.Namespace), s.config, s.files); err != nil {
				return nil, err
			}
		}
		made.workers = append(made.workers, w)
		made.tasks = made.tasks || leavesTasks(s.built)
		results = append(results, s.built)
	}
	made.trace = bundle.NewTrace(results...)
	return made, nil
}

// versionMetadata is what a Worker is told of its version: another with each start.
func versionMetadata() string {
	text, _ := json.Marshal(map[string]string{ // strings always can
		"id": strings.ToLower(rand.Text()), "tag": "", "timestamp": time.Now().UTC().Format(time.RFC3339),
	})
	return string(text)
}

// crossCheck holds the Workers against each other.
func crossCheck(all []*source) error {
	var problems []error
	byName := map[string]*wrangler.Worker{}
	for _, s := range all {
		if other := byName[s.config.Name]; other != nil {
			problems = append(problems, fmt.Errorf("%s: %s is called %q too", s.config.File, other.File, s.config.Name))
		}
		byName[s.config.Name] = s.config
	}
	for _, s := range all {
		for _, b := range s.config.Services {
			switch to := byName[b.Service]; {
			case to == nil:
				problems = append(problems, b.Place.Problem(fmt.Sprintf("services: there is no Worker %q: name its configuration with another --config", b.Service)))
			case to.Main == "" && b.Entrypoint != "":
				problems = append(problems, b.Place.Problem(fmt.Sprintf("services: the Worker %q has assets alone, and no %q", b.Service, b.Entrypoint)))
			}
		}
		for _, o := range s.config.Objects {
			to := byName[o.Script]
			if o.Script != "" && to == nil {
				problems = append(problems, o.Place.Problem(fmt.Sprintf("durable_objects: there is no Worker %q: name its configuration with another --config", o.Script)))
			}
			if to != nil && !slices.ContainsFunc(to.Classes, func(c wrangler.Class) bool { return c.Name == o.Class }) {
				problems = append(problems, o.Place.Problem(fmt.Sprintf("durable_objects: the Worker %q has no class %q", o.Script, o.Class)))
			}
		}
	}
	return errors.Join(problems...)
}

// checkExports wants the classes of Durable Objects to be there that are bound: without
// one every call would fail, and say nothing.
func checkExports(all []*source) error {
	var problems []error
	for _, s := range all {
		for _, o := range s.config.Objects {
			to := s
			if o.Script != "" {
				to = all[slices.IndexFunc(all, func(s *source) bool { return s.config.Name == o.Script })] // crossCheck has found it
			}
			if exports := to.built.Exports; exports != nil && !slices.Contains(exports, o.Class) {
				problems = append(problems, o.Place.Problem(fmt.Sprintf("durable_objects: %s exports no class %q", bundle.Shown(to.config.Main), o.Class)))
			}
		}
	}
	return errors.Join(problems...)
}

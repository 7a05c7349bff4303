package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit/internal/worker"
	"github.com/godwitkv/godwit/internal/worker/wrangler"
)

// workerCmd runs a Worker project on workerd until it is told to stop.
type workerCmd struct {
	Dir string `arg:"" optional:"" help:"The project's directory, or its configuration (the current directory, or the nearest above it that has one)."`

	Config    []string `short:"c" help:"Configurations, in place of DIR: requests go to the first, the others are there for service bindings." placeholder:"FILE"`
	Env       string   `short:"e" env:"GODWIT_ENV,CLOUDFLARE_ENV" help:"The environment of the configuration." placeholder:"NAME"`
	Listen    string   `help:"Address for the Worker's requests (${default})." default:"127.0.0.1:8080" placeholder:"ADDR"`
	Instances int      `help:"How many workerd run side by side (${default})." default:"1" placeholder:"N"`
	Workerd   string   `help:"The program workerd. Default: of the project's npm packages, or of PATH." placeholder:"FILE"`
	State     string   `help:"Directory for what outlives a run. Default: .godwit beside the configuration." placeholder:"DIR"`

	URL        string `name:"url" help:"The node that has the namespaces. Default: one of its own, with its data in STATE/node." placeholder:"URL"`
	Token      string `help:"The token to use there. Default: the root token in --data, where the node is on this machine." placeholder:"TOKEN"`
	Data       string `help:"The data directory to find the root token in (${default})." default:"./godwit-data" placeholder:"DIR"`
	BindingURL string `name:"binding-url" help:"The node's binding port. Default: what the node says." placeholder:"URL"`
	Edge       bool   `help:"Start an edge of that node beside the Worker, with its data in STATE/edge: reads are local then."`
	Location   string `help:"Where this is, such as lhr: the edge's location, and request.cf.colo." placeholder:"NAME"`

	OTLPEndpoint string  `name:"otlp-endpoint" env:"GODWIT_OTLP_ENDPOINT,OTEL_EXPORTER_OTLP_ENDPOINT" help:"URL of a collector that is sent traces, by OTLP over HTTP. Default: none." placeholder:"URL"`
	TraceRatio   float64 `help:"How many of the traces that begin here are sent, 0 to 1 (${default})." default:"0.01" placeholder:"R"`

	TrustedProxies []string `help:"Addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, besides this machine's own." placeholder:"CIDR"`
	PublicOnly     bool     `help:"Keep Workers from private addresses."`
	ReadyFile      string   `help:"File to write the address and process ids to, as JSON, once the Worker runs." placeholder:"FILE"`
}

// Run runs the project until ctx ends.
func (c *workerCmd) Run(ctx context.Context, p *program) error {
	if err := c.findProject(); err != nil {
		return err
	}
	cfg, err := c.config()
	if err != nil {
		return wrongUsage{err}
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	ctx, unhang := untilHangup(ctx)
	defer unhang()
	cfg.Stdout, cfg.Stderr = newOutlet(ctx, p.stdout), newOutlet(ctx, p.stderr)
	local := &localNode{cmd: c, state: cfg.State, program: p, log: cfg.Stderr}
	cfg.Connect = local.connect
	r, err := worker.Open(ctx, cfg)
	if err != nil {
		if ctx.Err() != nil {
			err = nil // it was told to stop before it had begun
		}
		return errors.Join(err, local.close())
	}
	fmt.Fprintf(cfg.Stderr, "%s listens on %s\n", r.Name(), r.URL())
	if err := c.tellReady(r); err != nil {
		return errors.Join(err, r.Close(), local.close())
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.Run(ctx) })
	g.Go(func() error { return local.failed(ctx) })
	err = g.Wait()
	stop() // if nobody has told it to
	if c.ReadyFile != "" {
		_ = os.Remove(c.ReadyFile) // whoever looks finds the Worker gone
	}
	return errors.Join(err, r.Close(), local.close())
}

// findProject looks for the project that is run where none is named.
func (c *workerCmd) findProject() (err error) {
	if len(c.Config) == 0 && c.Dir == "" {
		c.Dir, err = wrangler.Project(".")
	}
	return err
}

// config is what the flags say.
func (c *workerCmd) config() (worker.Config, error) {
	configs := c.Config
	switch {
	case len(configs) > 0 && c.Dir != "":
		return worker.Config{}, errors.New("DIR and --config do not go together: --config names each configuration")
	case len(configs) == 0:
		configs = []string{c.Dir}
	}
	if c.Edge && c.URL == "" {
		return worker.Config{}, errors.New("--edge needs --url or GODWIT_URL: the node to follow")
	}
	trusted, err := prefixes(c.TrustedProxies)
	if err != nil {
		return worker.Config{}, err
	}
	state := c.State
	if state == "" {
		state = filepath.Join(projectDir(configs[0]), ".godwit")
	}
	if state, err = filepath.Abs(state); err != nil {
		return worker.Config{}, err
	}
	named := state
	state = worker.Resolved(named) // a link on the way may lead elsewhere later, as one to a release does
	data, err := filepath.Abs(c.Data)
	return worker.Config{
		Configs: configs, Env: c.Env, Listen: c.Listen, Instances: c.Instances, Workerd: c.Workerd,
		State: state, Nodes: []string{nodeDir(state), edgeDir(state)}, Data: []string{data, named}, Location: c.Location, TrustedProxies: trusted, PublicOnly: c.PublicOnly,
		OTLPEndpoint: c.OTLPEndpoint, TraceRatio: c.TraceRatio,
	}, err
}

// projectDir is where a configuration lies, or the directory that was named itself.
func projectDir(path string) string {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return filepath.Dir(path)
	}
	return path
}

// prefixes reads networks, or single addresses.
func prefixes(texts []string) (all []netip.Prefix, err error) {
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			a, err := netip.ParseAddr(text)
			if err != nil {
				return nil, fmt.Errorf("--trusted-proxies: %q is neither an address nor a network", text)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		all = append(all, p)
	}
	return all, nil
}

// workerReady is what --ready-file holds.
type workerReady struct {
	URL     string `json:"url"`
	PID     int    `json:"pid"`
	Workerd []int  `json:"workerd"`
}

func (c *workerCmd) tellReady(r *worker.Runner) error {
	if c.ReadyFile == "" {
		return nil
	}
	b, err := json.Marshal(workerReady{r.URL(), os.Getpid(), r.PIDs()})
	if err != nil {
		return fmt.Errorf("encode ready file: %w", err)
	}
	return writeReady(c.ReadyFile, append(b, '\n'))
}

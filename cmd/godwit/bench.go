package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/godwitkv/godwit/bench/load"
	"github.com/godwitkv/godwit/client"
)

// benchCmd loads a node's binding port, as Workers would.
type benchCmd struct {
	remote
	Namespace   string   `env:"-" help:"Namespace to work in. It is made, and deleted afterwards, if it is not there (${default})." default:"godwit-bench" placeholder:"TITLE"`
	Connections int      `env:"-" help:"Connections, each with one request at a time (${default})." default:"32" placeholder:"N"`
	Duration    duration `env:"-" help:"For how long (${default})." default:"10s" placeholder:"D"`
	Reads       int      `env:"-" help:"So many reads (${default}) ..." default:"90" placeholder:"N"`
	Writes      int      `env:"-" help:"... for so many writes (${default})." default:"10" placeholder:"N"`
	Keys        int64    `env:"-" help:"Keys to choose from, at random (${default})." default:"10000" placeholder:"N"`
	ValueBytes  int      `env:"-" help:"Length of each value (${default})." default:"288" placeholder:"N"`
	JSON        bool     `name:"json" help:"Show the result as JSON."`
}

// Bounds of what one machine can be asked to do.
const (
	maxBenchConnections = 10_000
	maxBenchKeys        = 100_000_000
	maxBenchValue       = 1 << 20
)

func (c *benchCmd) validate() error {
	switch {
	case c.Connections < 1 || c.Connections > maxBenchConnections:
		return fmt.Errorf("--connections: %d is not between 1 and %d", c.Connections, maxBenchConnections)
	case c.Keys < 1 || c.Keys > maxBenchKeys:
		return fmt.Errorf("--keys: %d is not between 1 and %d", c.Keys, maxBenchKeys)
	case c.ValueBytes < 1 || c.ValueBytes > maxBenchValue:
		return fmt.Errorf("--value-bytes: %d is not between 1 and %d", c.ValueBytes, maxBenchValue)
	case c.Reads < 0 || c.Writes < 0 || c.Reads+c.Writes < 1 || c.Reads+c.Writes > 1<<30:
		return fmt.Errorf("--reads %d and --writes %d are no ratio", c.Reads, c.Writes)
	case c.Duration <= 0:
		return errors.New("--duration must be above 0")
	}
	return nil
}

// Run fills the namespace, loads the node and shows what it answered.
func (c *benchCmd) Run(ctx context.Context, p *program) (err error) {
	if err := c.validate(); err != nil {
		return wrongUsage{err}
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	cl, err := c.client()
	if err != nil {
		return err
	}
	status, err := cl.Status(ctx)
	if err != nil {
		return err
	}
	id, drop, err := scratchNamespace(ctx, cl, c.Namespace)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, drop()) }()
	if err := c.fill(ctx, p, cl.KV(id)); err != nil {
		return err
	}
	at, err := url.Parse(status.BindingURL)
	if err != nil {
		return fmt.Errorf("parse binding url: %w", err)
	}
	token, err := c.bearer()
	if err != nil {
		return err
	}
	result, err := c.load(ctx, p, at, token, id)
	if err != nil {
		return err
	}
	return c.show(p, result)
}

// scratchNamespace finds or makes a namespace to work in. What drop deletes is
// only what was made here.
func scratchNamespace(ctx context.Context, cl *client.Client, title string) (id string, drop func() error, err error) {
	id, err = cl.NamespaceID(ctx, title)
	if err == nil {
		return id, func() error { return nil }, nil
	}
	if !errors.Is(err, client.ErrNamespaceNotFound) {
		return "", nil, err
	}
	ns, err := cl.CreateNamespace(ctx, title, client.NamespaceOptions{})
	if err != nil {
		return "", nil, err
	}
	return ns.ID, func() error { return cl.DeleteNamespace(context.WithoutCancel(ctx), ns.ID) }, nil
}

func (c *benchCmd) fill(ctx context.Context, p *program, kv *client.KV) error {
	values := load.RandomValues(c.ValueBytes, 1)
	bar := p.progress("fill", c.Keys)
	defer bar.end()
	w := &pairWriter{ctx: ctx, kv: kv, bar: bar}
	for n := range c.Keys {
		if err := w.add(client.Pair{Key: string(load.AppendKey(nil, n)), Value: values.Append(nil)}); err != nil {
			return err
		}
	}
	return w.flush()
}

// benchResult is what the run measured.
type benchResult struct {
	Connections int        `json:"connections"`
	Seconds     float64    `json:"seconds"`
	Reads       benchCount `json:"reads"`
	Writes      benchCount `json:"writes"`
}

type benchCount struct {
	Requests  int64   `json:"requests"`
	Failed    int64   `json:"failed"`
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	P999      float64 `json:"p999_ms"`
	Max       float64 `json:"max_ms"`
}

func (c *benchCmd) show(p *program, r benchResult) error {
	if c.JSON {
		return p.writeJSON(r)
	}
	t := p.table("", "PER SECOND", "P50", "P99", "P99.9", "MAX", "REQUESTS", "FAILED")
	for _, row := range []struct {
		name string
		benchCount
	}{{"reads", r.Reads}, {"writes", r.Writes}} {
		if row.Requests == 0 {
			continue
		}
		t.row(row.name, fmt.Sprintf("%.0f", row.PerSecond), millis(row.P50), millis(row.P99), millis(row.P999), millis(row.Max),
			fmt.Sprint(row.Requests), fmt.Sprint(row.Failed))
	}
	return t.close()
}

func millis(ms float64) string { return fmt.Sprintf("%.3fms", ms) }

func toMillis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

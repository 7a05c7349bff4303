package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/trace/export"
)

// Bounds and defaults of a Config.
const (
	DefaultListen = "127.0.0.1:8080"
	maxInstances  = 64
	maxWorkers    = 64
	drainTimeout  = 10 * time.Second
	// drainAlone is the same where new requests wait meanwhile.
	drainAlone = 3 * time.Second
	// revokeTimeout is how long a stop waits for its node to revoke tokens.
	revokeTimeout = 5 * time.Second
	// retryAfter is how often a change is tried again whose node was away, or while nothing
	// runs.
	retryAfter = 2 * time.Second
)

// Config is what a Runner is told.
type Config struct {
	// Configs are configuration files, or the directories of projects. Requests go to
	// the first; the others are there for its service bindings.
	Configs []string
	// Env is the environment of the configurations. Default: the top of each.
	Env string
	// Listen is host:port for the Worker's requests. Default: DefaultListen.
	Listen string
	// Instances is how many workerd run side by side. Default: 1.
	Instances int
	// Workerd is the program. Default: what Find finds.
	Workerd string
	// State is the directory for what outlives a run, without links: where one leads may
	// change while this runs.
	State string
	// Nodes are the directories of nodes that Connect may start, and Data are others that
	// may be a node's, or lead to State: nothing of them is published. Default: none.
	Nodes []string
	Data  []string
	// Connect finds the node that has the namespaces, or starts it. It is called once
	// the project is read.
	Connect func(ctx context.Context) (Node, error)
	// Location is what request.cf.colo says. Default: nothing.
	Location string
	// TrustedProxies are those whose X-Forwarded-* headers are believed, besides this
	// machine's own.
	TrustedProxies []netip.Prefix
	// PublicOnly keeps Workers from private addresses.
	PublicOnly bool
	// OTLPEndpoint is the URL of a collector of OpenTelemetry's that is sent traces.
	// Default: none. TraceRatio is how many of those that begin here it gets, 0 to 1.
	OTLPEndpoint string
	TraceRatio   float64
	// Stdout and Stderr take the Workers' logs and what is told besides.
	Stdout, Stderr io.Writer
}

// Node is how a node is reached.
type Node struct {
	// Client asks it for namespaces and tokens.
	Client *client.Client
	// Token is the one that Client uses. Workers are given it where it may not make
	// another, or where nobody can be asked for one.
	Token string
	// BindingURL is the binding port that Workers read from and write to.
	BindingURL string
	// CA is a PEM text of those who may have signed its certificate. Default:
	// browsers' own.
	CA string
}

func (c *Config) setDefaults() {
	if c.Listen == "" {
		c.Listen = DefaultListen
	}
	if c.Instances == 0 {
		c.Instances = 1
	}
	if c.Stdout == nil {
		c.Stdout = io.Discard
	}
	if c.Stderr == nil {
		c.Stderr = io.Discard
	}
}

func (c *Config) validate() error {
	var problems []error
	if c.Instances < 1 || c.Instances > maxInstances {
		problems = append(problems, fmt.Errorf("--instances: %d is not between 1 and %d", c.Instances, maxInstances))
	}
	if n := len(c.Configs); n < 1 || n > maxWorkers {
		problems = append(problems, fmt.Errorf("--config: %d Workers; from 1 to %d can run together", n, maxWorkers))
	}
	if c.OTLPEndpoint != "" {
		if err := export.CheckEndpoint(c.OTLPEndpoint); err != nil {
			problems = append(problems, fmt.Errorf("--otlp-endpoint: %w", err))
		}
	}
	if !(c.TraceRatio >= 0 && c.TraceRatio <= 1) { // NaN is neither
		problems = append(problems, fmt.Errorf("--trace-ratio: %v is not between 0 and 1", c.TraceRatio))
	}
	return errors.Join(problems...)
}

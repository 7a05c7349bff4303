package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/durable"
	"github.com/godwitkv/godwit/internal/node"
)

// serveCmd runs a node until it is told to stop.
type serveCmd struct {
	Data          string `help:"Data directory (${default})." default:"./godwit-data" placeholder:"DIR"`
	Listen        string `help:"Address of the REST API v4, the native API, health and metrics (${default})." default:"127.0.0.1:8787" placeholder:"ADDR"`
	BindingListen string `help:"Address of the KV binding protocol (${default})." default:"127.0.0.1:8788" placeholder:"ADDR"`
	Location      string `help:"Where this node is, such as lhr." placeholder:"NAME"`
	Account       string `help:"The account's id, 32 hexadecimal characters. Default: the one in the data, or a new one." placeholder:"ID"`
	RootToken     string `help:"The root token, 16 or more printable characters. Default: the one in DIR/root-token, made at the first start; an edge makes none." placeholder:"TOKEN"`

	Upstream        []string `help:"Nodes to follow, in order of preference: makes this one an edge. Default: none." placeholder:"URL"`
	UpstreamToken   string   `help:"The token to follow them with: permission replicate." placeholder:"TOKEN"`
	UpstreamCA      string   `name:"upstream-ca" help:"PEM file of those who may have signed the upstreams' certificates. Default: the system's." placeholder:"FILE"`
	Namespaces      []string `help:"Ids or titles of the namespaces that an edge carries; requests for others are passed on. Default: all." placeholder:"A,B"`
	Jurisdiction    []string `help:"Jurisdictions whose namespaces this node may carry: eu, us, fedramp. Default: none." placeholder:"NAME"`
	MaxValue        size     `help:"Longest value that an edge fetches before it is read; 0 is any." default:"0" placeholder:"N"`
	ValueCacheBytes size     `help:"Bytes of longer values to keep on the disk; 0 is the default, 1 GiB." default:"0" placeholder:"N"`
	Advertise       string   `help:"URL by which other nodes reach this one. Default: the address it listens on." placeholder:"URL"`

	Cluster       string   `help:"Name of the cluster of which this node is a member. Default: none." placeholder:"NAME"`
	Node          string   `help:"This member's name, its own in the cluster." placeholder:"NAME"`
	ClusterListen string   `help:"Address by which members reach each other." placeholder:"ADDR"`
	ClusterPeers  []string `help:"All members, this one too: one, three or five." placeholder:"NAME=HOST:PORT"`
	ClusterCert   string   `help:"PEM file with the certificate that this member shows to others." placeholder:"FILE"`
	ClusterKey    string   `help:"PEM file with its key." placeholder:"FILE"`
	ClusterCA     string   `name:"cluster-ca" help:"PEM file of those who may have signed members' certificates." placeholder:"FILE"`
	NATS          []string `name:"nats" help:"A NATS that you run, in place of --cluster-listen and --cluster-peers." placeholder:"URL"`
	NATSCreds     string   `name:"nats-creds" help:"Credentials file for it." placeholder:"FILE"`
	NATSCA        string   `name:"nats-ca" help:"PEM file of those who may have signed its certificate. Default: the system's." placeholder:"FILE"`

	MinExpirationTTL duration `name:"min-expiration-ttl" help:"Shortest life that a key may be given (${default})." default:"60s" placeholder:"D"`
	MinCacheTTL      duration `name:"min-cache-ttl" help:"Smallest cache_ttl that a read may ask for (${default})." default:"30s" placeholder:"D"`
	MaxValueBytes    size     `help:"Largest value (${default})." default:"25MiB" placeholder:"N"`
	WritesPerKey     float64  `help:"Writes a second that one key takes; 0 is no limit." default:"0" placeholder:"R"`
	InlineBytes      size     `help:"Largest value that is kept beside its key (${default})." default:"64KiB" placeholder:"N"`
	DiskReserve      reserve  `help:"Bytes of the disk to leave free: below, puts are refused. 0 is none (${default})." default:"auto" placeholder:"N"`
	CacheBytes       size     `help:"Bytes of the database to keep in memory; 0 is the default." default:"0" placeholder:"N"`

	ScrubEvery duration `help:"How often all that is on the disk is read and checked, and mended from other nodes; 0 is only when asked (${default})." default:"30d" placeholder:"D"`
	ScrubRate  size     `help:"Bytes a second that it reads (${default})." default:"4MiB" placeholder:"N"`

	encryption
	AuditLog      string `help:"File to record in who changed what. Default: none." placeholder:"FILE"`
	AuditMaxBytes size   `help:"Bytes that it takes on the disk, with the file before it (${default})." default:"1GiB" placeholder:"N"`
	AuditStrict   bool   `help:"Change nothing that it does not have."`

	TLSCert string `name:"tls-cert" help:"PEM file with the certificate for both ports." placeholder:"FILE"`
	TLSKey  string `name:"tls-key" help:"PEM file with its key." placeholder:"FILE"`

	OTLPEndpoint string  `name:"otlp-endpoint" env:"GODWIT_OTLP_ENDPOINT,OTEL_EXPORTER_OTLP_ENDPOINT" help:"URL of a collector that is sent traces, by OTLP over HTTP. Default: none." placeholder:"URL"`
	TraceRatio   float64 `help:"How many of the traces that begin here are sent, 0 to 1 (${default})." default:"0.01" placeholder:"R"`

	PprofListen string `help:"Address of Go's profiler, which asks for no token. Default: none." placeholder:"ADDR"`
	LogFormat   string `help:"How to log to standard error: text or json." enum:"text,json" default:"text"`
	LogLevel    string `help:"What to log: debug, info, warn or error." enum:"debug,info,warn,error" default:"info"`
	ReadyFile   string `help:"File to write the addresses to, as JSON, once the node is ready." placeholder:"FILE"`
}

// Run serves until ctx ends.
func (c *serveCmd) Run(ctx context.Context, p *program) error {
	keepRunningDuringSync()
	if c.Namespaces != nil && len(c.Namespaces) == 0 { // a variable that was not set, say: that is not "all"
		return wrongUsage{errors.New("--namespaces is empty: name some, or leave it out for all")}
	}
	if c.InlineBytes == 0 { // which a node would take for the default
		return wrongUsage{fmt.Errorf("--inline-bytes: 0 is not between 1 and %d", godwit.MaxInlineBytes)}
	}
	cfg := c.config(p)
	if err := cfg.Validate(); err != nil {
		return wrongUsage{err}
	}
	var err error
	if cfg.EncryptionKeys, err = c.keys(); err != nil {
		return err
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	hangup := c.hangups()
	defer signal.Stop(hangup)
	for {
		n, err := node.Open(ctx, cfg)
		if err != nil {
			return err
		}
		p.welcome(c, n)
		if err = c.serve(ctx, n, hangup, cfg.Logger); !errors.Is(err, node.ErrCopyAgain) {
			return err
		}
		cfg.Metrics = nil // those are the node's that has ended
	}
}

// serve runs the node until ctx ends or it can go on no longer, and tells once
// it is ready.
func (c *serveCmd) serve(ctx context.Context, n *node.Node, hangup <-chan os.Signal, logger *slog.Logger) error {
	if c.ReadyFile != "" {
		_ = os.Remove(c.ReadyFile) // of a node that was killed here before
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return reloadUpon(ctx, hangup, n) })
	g.Go(func() error {
		err := n.Run(ctx)
		if errors.Is(err, node.ErrCopyAgain) {
			logger.Warn("node begins anew", slog.Any("reason", err))
			return err
		}
		if err != nil {
			logger.Error("node failed", slog.Any("error", err))
			return alreadyTold{}
		}
		return nil
	})
	g.Go(func() error {
		select {
		case <-n.Ready():
			return c.tellReady(n)
		case <-ctx.Done():
			return nil
		}
	})
	err := g.Wait()
	if c.ReadyFile != "" {
		_ = os.Remove(c.ReadyFile) // whoever looks finds the node gone
	}
	if err == nil {
		logger.Info("node stopped")
	}
	return err
}

// hangups are the signals upon which a node reads again what was changed. A terminal that is
// closed sends one too, and ends a node that has nothing to read again.
func (c *serveCmd) hangups() chan os.Signal {
	hangup := make(chan os.Signal, 1)
	if c.AuditLog != "" || c.TLSCert != "" || c.ClusterCert != "" || !isTerminal(os.Stdin) && !isTerminal(os.Stderr) {
		signal.Notify(hangup, syscall.SIGHUP)
	}
	return hangup
}

// reloadUpon has the node read again what was changed, upon a signal of those who change it.
// Error: none; it ends with ctx.
func reloadUpon(ctx context.Context, hangup <-chan os.Signal, n *node.Node) error {
	for {
		select {
		case <-hangup:
			n.Reload()
		case <-ctx.Done():
			return nil
		}
	}
}

func (c *serveCmd) config(p *program) node.Config {
	return node.Config{
		Dir:           c.Data,
		Listen:        c.Listen,
		BindingListen: c.BindingListen,
		PprofListen:   c.PprofListen,
		Location:      c.Location,
		Account:       c.Account,
		RootToken:     c.RootToken,

		Upstreams:       c.Upstream,
		UpstreamToken:   c.UpstreamToken,
		UpstreamCA:      c.UpstreamCA,
		Namespaces:      c.Namespaces,
		Jurisdictions:   jurisdictions(c.Jurisdiction),
		MaxValue:        int64(c.MaxValue),
		ValueCacheBytes: int64(c.ValueCacheBytes),
		AdvertiseURL:    c.Advertise,

		Cluster:       c.Cluster,
		Node:          c.Node,
		ClusterListen: c.ClusterListen,
		ClusterPeers:  c.ClusterPeers,
		ClusterCert:   c.ClusterCert,
		ClusterKey:    c.ClusterKey,
		ClusterCA:     c.ClusterCA,
		NATS:          c.NATS,
		NATSCreds:     c.NATSCreds,
		NATSCA:        c.NATSCA,

		Limits: godwit.Limits{
			MinExpirationTTL: time.Duration(c.MinExpirationTTL),
			MinCacheTTL:      time.Duration(c.MinCacheTTL),
			MaxValueBytes:    int64(c.MaxValueBytes),
			WritesPerKey:     c.WritesPerKey,
		},
		InlineBytes: int(c.InlineBytes),
		DiskReserve: c.DiskReserve.setting(),
		CacheBytes:  int64(c.CacheBytes),
		AuditLog:    c.AuditLog, AuditMaxBytes: int64(c.AuditMaxBytes), AuditStrict: c.AuditStrict,
		ScrubEvery: time.Duration(c.ScrubEvery), ScrubRate: int64(c.ScrubRate),
		OTLPEndpoint: c.OTLPEndpoint, TraceRatio: c.TraceRatio,
		TLSCert: c.TLSCert,
		TLSKey:  c.TLSKey,
		Version: version(),
		Logger:  c.logger(p),
	}
}

// jurisdictions are those of a flag, in order, each once.
func jurisdictions(given []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(given)))
}

func (c *serveCmd) logger(p *program) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // kong has checked it
	opts := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(p.stderr, opts))
	}
	return slog.New(slog.NewTextHandler(p.stderr, opts))
}

// ready is what --ready-file holds.
type ready struct {
	API     string `json:"api"`
	Binding string `json:"binding"`
	Account string `json:"account"`
	PID     int    `json:"pid"`
}

// tellReady writes the ready file, whole or not at all.
func (c *serveCmd) tellReady(n *node.Node) error {
	if c.ReadyFile == "" {
		return nil
	}
	b, err := json.Marshal(ready{n.APIURL(), n.BindingURL(), n.Account(), os.Getpid()})
	if err != nil {
		return fmt.Errorf("encode ready file: %w", err)
	}
	return writeReady(c.ReadyFile, append(b, '\n'))
}

func writeReady(path string, text []byte) error {
	if err := durable.WriteFile(path, text); err != nil {
		return fmt.Errorf("write ready file: %w", err)
	}
	return nil
}

// keepRunningDuringSync gives a process on one core a second thread for Go code.
// With one, nothing runs while the log is being synced until the runtime takes
// the thread back from the system call; with two, durable puts at 64 connections
// were 10 to 24 % faster by the second in four of four pairs of runs, and cost the
// same processor time. What GOMAXPROCS says is kept.
func keepRunningDuringSync() {
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) == 1 {
		runtime.GOMAXPROCS(2)
	}
}

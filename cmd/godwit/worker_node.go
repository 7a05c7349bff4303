package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/node"
	"github.com/godwitkv/godwit/internal/pause"
	"github.com/godwitkv/godwit/internal/shell"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/worker"
)

// localNode is the node of a Worker: one that is there, an edge of it, or one of the
// Worker's own.
type localNode struct {
	cmd     *workerCmd
	state   string
	program *program
	log     io.Writer

	node *node.Node // nil: none runs in this process
}

func nodeDir(state string) string { return filepath.Join(state, "node") }
func edgeDir(state string) string { return filepath.Join(state, "edge") }

// minRootToken is the shortest token that a node takes as its root's.
const minRootToken = 16

// connect finds the node, or starts it.
func (l *localNode) connect(ctx context.Context) (worker.Node, error) {
	switch {
	case l.cmd.URL == "":
		return l.own(ctx)
	case l.cmd.Edge:
		return l.edge(ctx)
	}
	return l.reach(ctx, l.cmd.URL, l.token())
}

// token is the one given, or else the root token that lies here.
func (l *localNode) token() string {
	r := remote{URL: l.cmd.URL, Token: l.cmd.Token, Data: l.cmd.Data}
	return r.token()
}

// own starts a node for this project alone.
func (l *localNode) own(ctx context.Context) (worker.Node, error) {
	dir := nodeDir(l.state)
	if err := l.open(ctx, node.Config{Dir: dir}); err != nil {
		return worker.Node{}, err
	}
	file := node.RootTokenFile(dir)
	token, err := os.ReadFile(file)
	if err != nil {
		return worker.Node{}, fmt.Errorf("read root token: %w", err)
	}
	l.program.note("The Worker's own node: export GODWIT_URL=%s GODWIT_TOKEN=\"$(cat %s)\"", l.node.APIURL(), shell.Quote(file))
	return l.reach(ctx, l.node.APIURL(), strings.TrimSpace(string(token)))
}

// linkTimeout is how long a Worker waits for its edge to reach the centre. Without it the
// Worker starts from the copy, and nobody can make a token for it.
const linkTimeout = 3 * time.Second

// edge starts an edge of the node, and waits until it serves reads and may pass on what the
// centre decides.
func (l *localNode) edge(ctx context.Context) (worker.Node, error) {
	token := l.token()
	cfg := node.Config{
		Dir: edgeDir(l.state), Upstreams: strings.Split(l.cmd.URL, ","), UpstreamToken: token, Location: l.cmd.Location,
	}
	if len(token) >= minRootToken {
		// So that the edge knows it while the centre is away. What it can read here is what
		// it may have of the centre; writes are the centre's to decide.
		cfg.RootToken = token
	}
	if err := l.open(ctx, cfg); err != nil {
		return worker.Node{}, err
	}
	if err := awaitCopy(ctx, l.node); err != nil {
		return worker.Node{}, err
	}
	n, err := l.reach(ctx, l.node.APIURL(), token)
	if err == nil {
		err = awaitLink(ctx, n.Client)
	}
	return n, err
}

// awaitCopy waits until an edge serves reads. It does not wait for an upstream that does not
// take its token, and gives others as long as linkTimeout allows to take it.
func awaitCopy(ctx context.Context, n *node.Node) error {
	for began := time.Now(); ; {
		if err := n.Refused(); err != nil && (len(n.Upstreams()) == 1 || time.Since(began) > linkTimeout) {
			return fmt.Errorf("follow %s: %w", strings.Join(n.Upstreams(), ","), err)
		}
		select {
		case <-n.Ready():
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// awaitLink waits until an edge hears of its upstream, or for as long as linkTimeout allows:
// a copy is served before that.
func awaitLink(ctx context.Context, c *client.Client) error {
	most, cancel := context.WithTimeout(ctx, linkTimeout)
	defer cancel()
	for {
		if s, err := c.Status(most); err == nil && s.Connected {
			return nil
		}
		if !pause.For(most, 20*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// open starts a node on this machine's loopback.
func (l *localNode) open(ctx context.Context, cfg node.Config) (err error) {
	keepRunningDuringSync()
	cfg.Listen, cfg.BindingListen = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Version = version()
	cfg.OTLPEndpoint, cfg.TraceRatio = l.cmd.OTLPEndpoint, l.cmd.TraceRatio
	cfg.Logger = slog.New(slog.NewTextHandler(l.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := os.MkdirAll(l.state, 0o700); err != nil {
		return fmt.Errorf("make state directory: %w", err)
	}
	l.node, err = node.Open(ctx, cfg)
	if errors.Is(err, store.ErrInUse) {
		err = fmt.Errorf("%w: godwit worker runs here already; stop it, or give this one a --state of its own", err)
	}
	return err
}

// reach makes a client of a node, asks where its bindings connect, and whether they can.
func (l *localNode) reach(ctx context.Context, url, token string) (worker.Node, error) {
	c, err := client.New(url, token, client.WithUserAgent("godwit-worker"))
	if err != nil {
		return worker.Node{}, wrongUsage{err}
	}
	n := worker.Node{Client: c, Token: token, BindingURL: l.cmd.BindingURL}
	if n.BindingURL == "" || l.node != nil {
		status, err := c.Status(ctx)
		if err != nil {
			return worker.Node{}, fmt.Errorf("ask the node for its status: %w", err)
		}
		n.BindingURL = status.BindingURL
		if err := otherLoopback(ctx, url, n.BindingURL); err != nil {
			return worker.Node{}, err
		}
	}
	if file := os.Getenv("SSL_CERT_FILE"); file != "" && strings.HasPrefix(n.BindingURL, "https:") {
		pem, err := os.ReadFile(file)
		if err != nil {
			return worker.Node{}, fmt.Errorf("read SSL_CERT_FILE: %w", err)
		}
		n.CA = string(pem)
	}
	return n, askBinding(ctx, n)
}

// failed waits until the node can go on no longer, or until ctx ends.
func (l *localNode) failed(ctx context.Context) error {
	if l.node == nil {
		<-ctx.Done()
		return nil
	}
	return l.node.Wait(ctx)
}

func (l *localNode) close() error {
	if l.node == nil {
		return nil
	}
	return l.node.Close()
}

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/probe"
)

// probeCmd measures how long writes take to every node that it can reach.
type probeCmd struct {
	remote
	Namespace string   `env:"-" help:"Namespace to write in. It is made, and deleted afterwards, if it is not there (${default})." default:"godwit-probe" placeholder:"TITLE"`
	Every     duration `env:"-" help:"Time between two heartbeats (${default})." default:"100ms" placeholder:"D"`
	Duration  duration `env:"-" help:"For how long (${default})." default:"10s" placeholder:"D"`
	Node      []string `env:"-" help:"A node to measure, by the URL of its API; may be repeated. Default: all in the tree that tell theirs." placeholder:"URL"`
	JSON      bool     `name:"json" help:"Show the result as JSON."`
}

// What the probe may cost others.
const (
	probeKey      = "heartbeat"
	minProbeEvery = time.Millisecond
	maxProbeNodes = 1000
	probePings    = 5
	probeSlack    = time.Minute // that a token outlives the time of the probe, at most
)

func (c *probeCmd) validate() error {
	switch {
	case time.Duration(c.Every) < minProbeEvery:
		return fmt.Errorf("--every: %v is below %v", time.Duration(c.Every), minProbeEvery)
	case c.Duration <= 0:
		return errors.New("--duration must be above 0")
	case len(c.Node) > maxProbeNodes:
		return fmt.Errorf("--node: more than %d", maxProbeNodes)
	}
	return nil
}

// Run writes heartbeats at the node of --url and shows how long they took to the
// others.
func (c *probeCmd) Run(ctx context.Context, p *program) (err error) {
	if err := c.validate(); err != nil {
		return wrongUsage{err}
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	cl, err := c.client()
	if err != nil {
		return err
	}
	nodes, err := c.nodes(ctx, p, cl)
	if err != nil {
		return err
	}
	id, drop, err := scratchNamespace(ctx, cl, c.Namespace)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, drop()) }()
	token, revoke, err := c.shown(ctx, cl, id)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, revoke()) }()
	for _, n := range nodes {
		if n.client, err = client.New(n.url, token, client.WithAttempts(1)); err != nil {
			return err
		}
	}
	if err := c.probe(ctx, cl.KV(id), id, nodes); err != nil {
		return err
	}
	return c.show(p, nodes)
}

// nodes are those to measure. Of the tree's, those that cannot be reached from
// here are named and left out.
func (c *probeCmd) nodes(ctx context.Context, p *program, cl *client.Client) ([]*probed, error) {
	var nodes []*probed
	for _, url := range c.Node {
		n := &probed{name: url, url: url}
		if err := n.reach(ctx); err != nil {
			return nil, fmt.Errorf("--node %s: %w", url, err)
		}
		nodes = append(nodes, n)
	}
	if len(nodes) > 0 {
		return nodes, nil
	}
	root, err := cl.Tree(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range inTree(root, nil) {
		if err := n.reach(ctx); err != nil {
			fmt.Fprintf(p.stderr, "godwit: left out %s: %s\n", printable(n.name), oneLine(err.Error()))
			continue
		}
		nodes = append(nodes, n)
	}
	if len(nodes) == 0 {
		return nil, errors.New("no node of the tree can be reached from here: name some by --node")
	}
	return nodes, nil
}

// shown is the token that the nodes are shown, and what ends it. Whoever follows a node
// tells its own address, so nodes of the tree are not shown the token of --token: theirs
// reads the heartbeats and nothing else, for as long as this takes.
func (c *probeCmd) shown(ctx context.Context, cl *client.Client, id string) (secret string, revoke func() error, err error) {
	if len(c.Node) > 0 {
		secret, err = c.bearer()
		return secret, func() error { return nil }, err
	}
	t, err := cl.CreateToken(ctx, client.TokenSpec{
		Name: "godwit probe", Permission: "read", Namespaces: []string{id},
		Expires: time.Now().Add(time.Duration(c.Duration) + probeSlack).Unix(),
	})
	if err != nil {
		return "", nil, fmt.Errorf("make a token for the nodes of the tree (or name nodes by --node): %w", err)
	}
	return t.Secret, func() error { return cl.RevokeToken(context.WithoutCancel(ctx), t.ID) }, nil
}

func (c *probeCmd) probe(ctx context.Context, kv *client.KV, id string, nodes []*probed) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(c.Duration))
	defer cancel()
	var mu sync.Mutex
	var unwritten error
	cfg := probe.Config{
		Every: time.Duration(c.Every),
		Write: func(ctx context.Context) (string, error) {
			return kv.Put(ctx, probeKey, strings.NewReader(time.Now().Format(time.RFC3339Nano)), client.PutOptions{})
		},
		Seen: func(target int, took time.Duration) { nodes[target].saw(took) },
		Failed: func(target int, err error) {
			if target >= 0 {
				nodes[target].failed(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			unwritten = err
		},
	}
	for _, n := range nodes {
		cfg.Targets = append(cfg.Targets, probe.Target{Name: n.name, Revisions: n.revisions(id), OneWay: n.oneWay})
	}
	probe.Run(ctx, cfg)
	mu.Lock()
	defer mu.Unlock()
	for _, n := range nodes {
		if n.took.Count() > 0 {
			return nil // what did not come at all shows in the table
		}
	}
	return unwritten
}

func (c *probeCmd) show(p *program, nodes []*probed) error {
	results := make([]propagation, len(nodes))
	for i, n := range nodes {
		results[i] = n.result()
	}
	if c.JSON {
		return p.writeJSON(results)
	}
	t := p.table("NODE", "SEEN", "P50 MS", "P90 MS", "P99 MS", "MAX MS", "URL", "PROBLEM")
	ms := func(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }
	for _, r := range results {
		t.row(r.Node, strconv.FormatInt(r.Seen, 10), ms(r.P50), ms(r.P90), ms(r.P99), ms(r.Max), r.URL, r.Problem)
	}
	return t.close()
}

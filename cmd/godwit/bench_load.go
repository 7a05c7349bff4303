package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit/bench/load"
)

// dialTimeout bounds making a connection, and any one answer.
const dialTimeout = 10 * time.Second

// benchConn is one connection and what it measured.
type benchConn struct {
	conn          net.Conn
	reads, writes benchKind
	share         float64 // of requests that are reads
	random        *rand.Rand
}

// benchKind is one kind of request on one connection.
type benchKind struct {
	source  load.Source
	reply   load.HTTPReply
	latency load.Histogram
	failed  int64
}

// load runs all connections at once and adds up what they measured.
func (c *benchCmd) load(ctx context.Context, p *program, at *url.URL, token, namespace string) (benchResult, error) {
	conns := make([]*benchConn, c.Connections)
	defer func() {
		for _, b := range conns {
			if b != nil {
				_ = b.conn.Close()
			}
		}
	}()
	for i := range conns {
		conn, err := dial(ctx, at)
		if err != nil {
			return benchResult{}, fmt.Errorf("connect to the binding port: %w", err)
		}
		conns[i] = c.newConn(conn, uint64(i), token, namespace)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(c.Duration))
	defer cancel()
	started := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for _, b := range conns {
		g.Go(func() error { return b.run(ctx) })
	}
	g.Go(func() error { return watch(ctx, p.progress("load", int64(time.Duration(c.Duration)/time.Millisecond))) })
	if err := g.Wait(); err != nil {
		return benchResult{}, err
	}
	return c.sum(conns, time.Since(started)), nil
}

// watch draws how much of the time is over.
func watch(ctx context.Context, bar *progress) error {
	bar.noRate = true
	defer bar.end()
	t := time.NewTicker(drawEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			bar.add(int64(drawEvery / time.Millisecond))
		}
	}
}

func dial(ctx context.Context, at *url.URL) (net.Conn, error) {
	d := &net.Dialer{Timeout: dialTimeout}
	host := at.Host
	if at.Port() == "" {
		host = net.JoinHostPort(at.Hostname(), map[string]string{"http": "80", "https": "443"}[at.Scheme])
	}
	if at.Scheme == "https" {
		return (&tls.Dialer{NetDialer: d}).DialContext(ctx, "tcp", host)
	}
	return d.DialContext(ctx, "tcp", host)
}

func (c *benchCmd) newConn(conn net.Conn, seed uint64, token, namespace string) *benchConn {
	headers := []string{"Authorization: Bearer " + token, "Godwit-Namespace: " + namespace}
	pick := load.Random(c.Keys, seed)
	return &benchConn{
		conn:   conn,
		reads:  benchKind{source: load.HTTPRequest("GET", "/", pick, "?urlencoded=true", headers, nil)},
		writes: benchKind{source: load.HTTPRequest("PUT", "/", pick, "?urlencoded=true", headers, load.RandomValues(c.ValueBytes, seed))},
		share:  float64(c.Reads) / float64(c.Reads+c.Writes),
		random: rand.New(rand.NewPCG(seed, 2)),
	}
}

// run sends one request after another until ctx ends.
func (b *benchConn) run(ctx context.Context) error {
	var request, buf []byte
	buf = make([]byte, 64<<10)
	for ctx.Err() == nil {
		kind := &b.writes
		if b.random.Float64() < b.share {
			kind = &b.reads
		}
		request = kind.source.Next(request[:0])
		sent := time.Now()
		if err := b.ask(kind, request, buf, sent); err != nil {
			return err
		}
		kind.latency.Record(time.Since(sent))
		if !kind.reply.OK() {
			kind.failed++
		}
	}
	return nil
}

func (b *benchConn) ask(kind *benchKind, request, buf []byte, now time.Time) error {
	_ = b.conn.SetDeadline(now.Add(dialTimeout)) // an error shows below
	if _, err := b.conn.Write(request); err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	for {
		n, err := b.conn.Read(buf)
		if err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		took, done, err := kind.reply.Feed(buf[:n])
		switch {
		case err != nil:
			return fmt.Errorf("read answer: %w", err)
		case took < n:
			return fmt.Errorf("read answer: %q is too much", bytes.TrimSpace(buf[took:min(n, took+32)]))
		case done:
			return nil
		}
	}
}

func (c *benchCmd) sum(conns []*benchConn, elapsed time.Duration) benchResult {
	count := func(of func(*benchConn) *benchKind) benchCount {
		var all load.Histogram
		var failed int64
		for _, b := range conns {
			all.Merge(&of(b).latency)
			failed += of(b).failed
		}
		return benchCount{
			Requests: all.Count(), Failed: failed, PerSecond: float64(all.Count()) / elapsed.Seconds(),
			P50: toMillis(all.Quantile(0.5)), P99: toMillis(all.Quantile(0.99)), P999: toMillis(all.Quantile(0.999)), Max: toMillis(all.Max()),
		}
	}
	return benchResult{
		Connections: len(conns),
		Seconds:     elapsed.Seconds(),
		Reads:       count(func(b *benchConn) *benchKind { return &b.reads }),
		Writes:      count(func(b *benchConn) *benchKind { return &b.writes }),
	}
}

// bearer is the token as it goes into a header by hand.
func (r *remote) bearer() (string, error) {
	token := r.token()
	if strings.ContainsAny(token, "\r\n") {
		return "", wrongUsage{fmt.Errorf("the token holds a line break")}
	}
	return token, nil
}

//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit/bench/load"
)

const (
	mebibyte   = 1 << 20
	largeValue = 25 * mebibyte
)

// streamMemory measures a new node's memory while every client streams a value
// of the largest size: all of them up, all down, then half and half.
func streamMemory(ctx context.Context, l *lab) ([]row, error) {
	n, err := l.startNode(ctx, "godwit-memory")
	if err != nil {
		return nil, err
	}
	defer func() { _ = n.stop() }()
	id, err := n.createNamespace(ctx, "values")
	if err != nil {
		return nil, err
	}
	rows := []row{}
	for _, phase := range []struct {
		name string
		up   func(client int) bool
	}{
		{"64 up", func(int) bool { return true }},
		{"64 down", func(int) bool { return false }},
		{"32 up, 32 down", func(client int) bool { return client%2 == 0 }},
	} {
		most, took, err := n.stream(ctx, id, phase.up)
		if err != nil {
			return nil, fmt.Errorf("stream %s: %w", phase.name, err)
		}
		rows = append(rows, row{
			Name: "resident, " + phase.name, Unit: "MiB", Value: most / mebibyte,
			Note: fmt.Sprintf("%s MiB/s", number(clients*largeValue/mebibyte/took.Seconds())),
		})
	}
	peak, err := n.memory("VmHWM")
	if err != nil {
		return nil, err
	}
	return append(rows, row{Name: "resident, most ever", Unit: "MiB", Value: peak / mebibyte, Target: 300, AtMost: true}), nil
}

// stream has every client put or get its own large value, at once, and returns
// the most memory that the node had meanwhile, in bytes.
func (n *node) stream(ctx context.Context, id string, up func(client int) bool) (most float64, took time.Duration, err error) {
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	var left atomic.Int64
	left.Store(clients)
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	for i := range clients {
		group.Go(func() error {
			defer left.Add(-1)
			return n.streamOne(ctx, transport, id, i, up(i))
		})
	}
	for left.Load() > 0 {
		now, err := n.memory("VmRSS")
		if err != nil {
			break // what ended the node shows in the clients' errors
		}
		most = max(most, now)
		time.Sleep(10 * time.Millisecond)
	}
	return most, time.Since(began), group.Wait()
}

func (n *node) streamOne(ctx context.Context, transport *http.Transport, id string, client int, up bool) error {
	url := "http://" + n.binding + "/" + string(load.AppendKey(nil, int64(client))) + "?urlencoded=true"
	method, body := http.MethodGet, io.Reader(nil)
	if up {
		method, body = http.MethodPut, &pattern{left: largeValue}
	}
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	if up {
		req.ContentLength = largeValue
	}
	req.Header.Set("Authorization", "Bearer "+rootToken)
	req.Header.Set("Godwit-Namespace", id)
	res, err := transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.Copy(io.Discard, res.Body)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if res.StatusCode != http.StatusOK || !up && got != largeValue {
		return fmt.Errorf("%s answered %s with %d bytes", method, res.Status, got)
	}
	return nil
}

// pattern is a body that costs nothing to make.
type pattern struct{ left int64 }

func (p *pattern) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(b)), p.left))
	for i := range n {
		b[i] = byte(i)
	}
	p.left -= int64(n)
	return n, nil
}

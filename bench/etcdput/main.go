// Command etcdput puts keys into etcd through etcd's own client, over gRPC, and
// prints what it measured as JSON. It is a module of its own, so that the
// client's dependencies are none of godwit's.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// options are the command's flags.
type options struct {
	addr     string
	clients  int
	keys     int64
	size     int
	warmup   time.Duration
	duration time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.addr, "addr", "127.0.0.1:2379", "etcd's client addresses: clients take them in turn")
	flag.IntVar(&o.clients, "clients", 64, "clients, each with a connection and one put in flight")
	flag.Int64Var(&o.keys, "keys", 1_000_000, "keys to put, at random")
	flag.IntVar(&o.size, "size", 288, "bytes of a value")
	flag.DurationVar(&o.warmup, "warmup", 500*time.Millisecond, "time before anything counts")
	flag.DurationVar(&o.duration, "duration", 3*time.Second, "time that counts")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "etcdput:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	var puts atomic.Int64
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	addrs := strings.Split(o.addr, ",")
	for i := range o.clients {
		client, err := clientv3.New(clientv3.Config{
			Endpoints:   []string{addrs[i%len(addrs)]},
			DialTimeout: 5 * time.Second,
			Logger:      zap.NewNop(), // it reports the puts cut off at the end
		})
		if err != nil {
			return fmt.Errorf("connect to %s: %w", o.addr, err)
		}
		defer client.Close()
		group.Go(func() error { return put(ctx, client, o, &puts) })
	}
	elapsed, counted := measure(ctx, o, &puts)
	cancel()
	if err := group.Wait(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"requests": float64(counted), "seconds": elapsed.Seconds(),
	})
}

// measure returns how long the window was and how many puts it held.
func measure(ctx context.Context, o options, puts *atomic.Int64) (elapsed time.Duration, counted int64) {
	sleep(ctx, o.warmup)
	from := time.Now()
	before := puts.Load()
	sleep(ctx, o.duration)
	return time.Since(from), puts.Load() - before
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// put puts random keys until ctx ends.
func put(ctx context.Context, client *clientv3.Client, o options, puts *atomic.Int64) error {
	value := strings.Repeat("v", o.size)
	for ctx.Err() == nil {
		key := fmt.Sprintf("k%09d", rand.Int64N(o.keys))
		if _, err := client.Put(ctx, key, value); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("put: %w", err)
		}
		puts.Add(1)
	}
	return nil
}

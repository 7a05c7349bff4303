// Command nginx keeps the routes of an nginx as they are in a namespace of godwit: a key is
// a host, its value the name of an upstream in nginx.conf, and a key maintenance/HOST takes
// the host from its visitors for as long as it stands. A watch tells of changes; nginx reads
// each from a file, without a dropped request, and needs neither this program nor godwit to
// answer.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit/client"
)

const (
	pause   = time.Second     // at least, from one reload to the next
	tryNext = 5 * time.Second // after an update that nginx, or godwit, has not taken
)

func main() {
	file := flag.String("file", "/etc/nginx/routes/routes.map", "file that nginx.conf includes in a map")
	namespace := flag.String("namespace", "routes", "title of the namespace")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: nginx [flags] [command that nginx is run with: nginx -p ... -c ...]")
		flag.PrintDefaults()
	}
	flag.Parse()
	command := flag.Args()
	if len(command) == 0 {
		command = []string{"nginx"}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *namespace, &nginx{command: command, file: *file})
	stop()
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "nginx:", err)
		os.Exit(1)
	}
}

// run keeps the routes until ctx ends or the namespace cannot be watched. nginx goes on
// with those it has.
func run(ctx context.Context, namespace string, n *nginx) error {
	c, err := client.New(os.Getenv("GODWIT_URL"), os.Getenv("GODWIT_TOKEN"))
	if err != nil {
		return err
	}
	defer c.Close()
	kv, changed := c.KV(namespace), make(chan struct{}, 1)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return watch(ctx, kv, changed) })
	g.Go(func() error { return keep(ctx, kv, n, changed) })
	return g.Wait()
}

// watch tells changed when a watch begins, from when on nothing is missed, and of each
// change. Many in a row are told once.
func watch(ctx context.Context, kv *client.KV, changed chan<- struct{}) error {
	for {
		for _, err := range kv.Watch(ctx, client.WatchOptions{}) {
			if err != nil && !errors.Is(err, client.ErrReset) { // then a new watch begins
				return fmt.Errorf("watch routes: %w", err)
			}
			tell(changed)
		}
	}
}

func tell(changed chan<- struct{}) {
	select {
	case changed <- struct{}{}:
	default: // it is told already
	}
}

// keep lists the routes and gives them to nginx after each change. What fails is tried
// again: nginx may not run yet, or its configuration be wrong elsewhere.
func keep(ctx context.Context, kv *client.KV, n *nginx, changed chan struct{}) error {
	for {
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
		wait := pause
		if err := update(ctx, kv, n); err != nil {
			slog.Warn("nginx keeps the routes it has", "error", err)
			wait = tryNext
			tell(changed)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func update(ctx context.Context, kv *client.KV, n *nginx) error {
	r, err := list(ctx, kv)
	if err != nil {
		return err
	}
	return n.take(ctx, r.text())
}

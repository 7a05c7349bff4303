// Command flags serves a page whose features are flags in a namespace of godwit. It asks
// nobody for them while it answers: a watch keeps them in memory, and what is changed
// shows milliseconds later, without a restart.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit/client"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address of the page")
	namespace := flag.String("namespace", "flags", "title of the namespace")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *listen, *namespace)
	stop()
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "flags:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends or the watch does.
func run(ctx context.Context, listen, namespace string) error {
	c, err := client.New(os.Getenv("GODWIT_URL"), os.Getenv("GODWIT_TOKEN"))
	if err != nil {
		return err
	}
	defer c.Close()
	f := newFlags()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return f.follow(ctx, c.KV(namespace)) })
	server := &http.Server{Addr: listen, Handler: page(f), ReadHeaderTimeout: readHeaderTimeout}
	g.Go(func() error {
		<-ctx.Done()
		return server.Shutdown(context.WithoutCancel(ctx))
	})
	g.Go(func() error {
		select {
		case <-f.complete:
			return server.ListenAndServe()
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return g.Wait()
}

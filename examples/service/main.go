// Command service answers from a replica: a copy of a namespace inside its own process. A
// read is a function call, and goes on while every node is away; a write goes upstream,
// and is here once it is answered.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/godwitkv/godwit/replica"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address of the service")
	namespace := flag.String("namespace", "birds", "title of the namespace")
	dir := flag.String("data", "service-data", "directory that keeps the copy over restarts")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *listen, *namespace, *dir)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "service:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends or the replica cannot go on.
func run(ctx context.Context, listen, namespace, dir string) error {
	r, err := replica.Open(ctx, replica.Config{
		Upstreams:  strings.Split(os.Getenv("GODWIT_URL"), ","),
		Token:      os.Getenv("GODWIT_REPLICATE_TOKEN"), // permission replicate
		WriteToken: os.Getenv("GODWIT_TOKEN"),           // permission write
		Namespaces: []string{namespace},
		Dir:        dir,
	})
	if err != nil {
		return fmt.Errorf("open replica: %w", err)
	}
	defer func() { _ = r.Close() }()
	if err := r.Ready(ctx); err != nil { // the first copy is complete
		return fmt.Errorf("wait for the copy: %w", err)
	}
	ns, err := r.Namespace(ctx, namespace)
	if err != nil {
		return fmt.Errorf("find namespace: %w", err)
	}
	server := &http.Server{Addr: listen, Handler: handler(r, ns), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case err := <-r.Failed():
		_ = server.Close()
		return fmt.Errorf("replica: %w", err)
	case <-ctx.Done():
		return server.Shutdown(context.WithoutCancel(ctx))
	}
}

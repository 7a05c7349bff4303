// Command caddy keeps a Caddy's redirects as they are in a namespace of godwit: a key is a
// host, its value where to. A watch tells of changes; Caddy takes each over without a
// dropped request. So a redirect is at every location as soon as the write is.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/godwitkv/godwit/client"
)

func main() {
	admin := flag.String("admin", "127.0.0.1:2019", "address of Caddy's admin endpoint")
	listen := flag.String("listen", "127.0.0.1:8080", "address that Caddy is to listen on")
	namespace := flag.String("namespace", "redirects", "title of the namespace")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *namespace, caddy{admin: *admin, listen: *listen})
	stop()
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "caddy:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, namespace string, caddy caddy) error {
	c, err := client.New(os.Getenv("GODWIT_URL"), os.Getenv("GODWIT_TOKEN"))
	if err != nil {
		return err
	}
	defer c.Close()
	return follow(ctx, c.KV(namespace), caddy)
}

// follow tells Caddy what the namespace holds: when the watch begins, from when on nothing
// is missed, and after each change.
func follow(ctx context.Context, kv *client.KV, c caddy) error {
	for {
		for _, err := range kv.Watch(ctx, client.WatchOptions{}) {
			if errors.Is(err, client.ErrReset) { // it ends this watch, and the next begins with a listing
				break
			}
			if err != nil {
				return fmt.Errorf("watch redirects: %w", err)
			}
			if err := c.update(ctx, kv); err != nil {
				return err
			}
		}
	}
}

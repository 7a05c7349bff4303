// Command cluster runs a central store of three members on this machine, each a
// process of its own, and tells what to type next. What they hold stays in --data
// and is there at the next start. It runs until it is interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit/examples/process"
)

func main() { os.Exit(exitCode()) }

// exitCode runs the command line: 0 where all went well, 2 where it is wrong.
func exitCode() int {
	godwit := flag.String("godwit", "bin/godwit", "the godwit binary")
	data := flag.String("data", "godwit-cluster", "directory of the members' data")
	token := flag.String("root-token", "cluster-demonstration-root-token", "root token of all members")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "cluster: unexpected argument: see --help")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *godwit, *data, *token); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		return 1
	}
	return 0
}

const (
	members   = 3
	firstPort = 8787 // of the first member's API; its binding port and cluster port follow
	portStep  = 10
)

func address(i, port int) string {
	return fmt.Sprintf("127.0.0.1:%d", firstPort+portStep*i+port)
}

func run(ctx context.Context, godwit, data, token string) error {
	godwit, err := filepath.Abs(godwit)
	if err != nil {
		return err
	}
	nodes := newMembers(data, token)
	fmt.Println("Starting three members. The first start takes some ten seconds: they elect a leader ...")
	defer func() {
		var stopping errgroup.Group
		for _, n := range nodes {
			stopping.Go(func() error { n.Stop(); return nil })
		}
		_ = stopping.Wait()
	}()
	starting, all := errgroup.WithContext(ctx)
	for _, n := range nodes {
		starting.Go(func() error { return n.Start(all, godwit) })
	}
	if err := starting.Wait(); err != nil {
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err // the logs stay, to be looked at
	}
	tell(nodes, token)
	<-ctx.Done()
	fmt.Println("\nStopping.")
	return nil
}

// newMembers are the members, none of which runs yet.
func newMembers(data, token string) (nodes []*process.Node) {
	peers := make([]string, members)
	for i := range peers {
		peers[i] = fmt.Sprintf("n%d=%s", i+1, address(i, 2))
	}
	for i := range members {
		dir := filepath.Join(data, fmt.Sprintf("n%d", i+1))
		nodes = append(nodes, &process.Node{Dir: dir, Args: []string{
			"--data", filepath.Join(dir, "data"), "--listen", address(i, 0), "--binding-listen", address(i, 1),
			"--cluster", "demo", "--node", fmt.Sprintf("n%d", i+1), "--cluster-listen", address(i, 2),
			"--cluster-peers", strings.Join(peers, ","), "--root-token", token, "--location", fmt.Sprintf("n%d", i+1),
		}})
	}
	return nodes
}

// tell shows what there is, and what can be done with it.
func tell(nodes []*process.Node, token string) {
	var urls []string
	fmt.Println()
	for i, n := range nodes {
		urls = append(urls, "http://"+n.API)
		fmt.Printf("n%d  API http://%s  binding http://%s  process %d\n", i+1, n.API, n.Binding, n.PID())
	}
	fmt.Printf(`
In another terminal:

  export GODWIT_TOKEN=%s
  export GODWIT_URL=%s
  godwit namespace create birds
  godwit put birds godwit 'Limosa lapponica'
  godwit get birds godwit --url %s; echo
  godwit status --tree

An edge takes all of them as upstreams:

  godwit serve --data ./edge --listen 127.0.0.1:9787 --binding-listen 127.0.0.1:9788 \
    --upstream %s --upstream-token %s

Kill one (kill -9 %d) and go on writing at another. Ctrl-C ends all.
`, token, urls[0], urls[2], strings.Join(urls, ","), token, nodes[1].PID())
}

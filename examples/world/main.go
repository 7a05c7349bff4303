// Command world shows propagation as it is between cities: a centre, two relays
// and six edges, each a process of its own on this machine, with the delays of
// the real network between them. It writes in Frankfurt and draws how long each
// write takes to every node; later it kills the centre and shows that every read
// goes on; then it starts the centre again.
//
// It runs until it is interrupted, or for as long as --for says.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() { os.Exit(exitCode()) }

// exitCode runs the command line: 0 where all went well, 2 where it is wrong.
func exitCode() int {
	godwit := flag.String("godwit", "bin/godwit", "the godwit binary")
	span := flag.Duration("for", 0, "end after this time (default: when interrupted)")
	rate := flag.Float64("rate", 10, "writes a second")
	flag.Parse()
	if flag.NArg() > 0 || !(*rate > 0 && *rate <= maxRate) || *span < 0 {
		fmt.Fprintf(os.Stderr, "world: unexpected argument, --for below 0, or --rate not above 0 and up to %d: see --help\n", maxRate)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *span > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *span)
		defer cancel()
	}
	if err := run(ctx, *godwit, time.Duration(float64(time.Second) / *rate)); err != nil {
		fmt.Fprintln(os.Stderr, "world:", err)
		return 1
	}
	return 0
}

// maxRate is of writes a second.
const maxRate = 1000

func run(ctx context.Context, godwit string, every time.Duration) (err error) {
	godwit, err = filepath.Abs(godwit)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "godwit-world-")
	if err != nil {
		return err
	}
	fmt.Println("Starting nine nodes: a centre, two relays and six edges ...")
	w, err := start(ctx, godwit, dir)
	if err != nil {
		return err // the logs stay, to be looked at
	}
	defer func() { err = errors.Join(err, w.stop(), os.RemoveAll(dir)) }()
	fmt.Printf("The tree: godwit status --tree --url http://%s --token %s\n\n", w.nodes[0].API, rootToken)
	s, err := newShow(ctx, w, &table{w: os.Stdout, terminal: term.IsTerminal(int(os.Stdout.Fd()))})
	if err != nil {
		return err
	}
	return s.run(ctx, every)
}

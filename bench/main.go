//go:build linux

// Command bench measures godwit beside what people would use instead: nginx,
// Redis, etcd, NATS and miniflare's local KV, in one run and on the same core, by
// turns. It prints a table of ratios, and with --json the same as JSON.
//
// Servers run on one core and the load on another, so that neither takes from
// the other. What is compared for reads is requests per CPU-second of the
// server, all its processes counted, which does not depend on how fast the load
// is; for durable writes, which wait for a disk, it is requests per second.
//
// It starts godwit as a user would and knows it by its command line and its
// wire. Of its packages it imports the feed's client alone, to be hundreds of
// followers at once.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

// options are the command's flags.
type options struct {
	godwit   string         // the binary; "": built from this repository
	dir      string         // where servers keep their data; "": a temporary directory
	only     *regexp.Regexp // the scenarios to run
	json     string         // a file for the rows as JSON; "": none
	markdown bool           // print the table as Markdown
	rounds   int            // how often each contestant has its turn
	window   time.Duration  // of one turn
	warmup   time.Duration  // before one turn
	keys     int64          // of the large namespace
	large    bool           // run the scenarios of bench-large instead
	list     bool           // name the scenarios
	pprof    string         // pprof address for the godwit under test; "": none
	serverOn int            // cores
	loadOn   int
}

func main() {
	os.Exit(exitCode(os.Args[1:]))
}

// exitCode runs the command line: 0 where all went well, 2 where it is wrong.
func exitCode(args []string) int {
	if serve := ceilingOf(args); serve != nil {
		fmt.Fprintln(os.Stderr, "bench:", serve(args[1]))
		return 1
	}
	if do := asideOf(args); do != nil {
		fmt.Fprintln(os.Stderr, "bench:", do(args[1]))
		return 1
	}
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func parse(args []string) (options, error) {
	var o options
	only := ""
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.godwit, "godwit", "", "the godwit binary to measure (default: build ./cmd/godwit)")
	f.StringVar(&o.dir, "dir", "", "directory on a real disk for the servers' data (default: a temporary one)")
	f.StringVar(&only, "only", "", "run only the scenarios whose name matches this regular expression")
	f.StringVar(&o.json, "json", "", "also write the rows to this file as JSON")
	f.BoolVar(&o.markdown, "markdown", false, "print the table as Markdown")
	f.IntVar(&o.rounds, "rounds", 3, "turns of each contestant")
	f.DurationVar(&o.window, "window", 3*time.Second, "length of a turn")
	f.DurationVar(&o.warmup, "warmup", 500*time.Millisecond, "time before a turn that does not count")
	f.Int64Var(&o.keys, "keys", 1_000_000, "keys of the large namespace")
	f.BoolVar(&o.large, "large", false, "run the scenarios with 10 million keys instead")
	f.BoolVar(&o.list, "list", false, "list the scenarios and end")
	f.StringVar(&o.pprof, "pprof", "", "have the godwit under test, of a tree its centre, serve its profile at this address")
	f.IntVar(&o.serverOn, "server-cpu", 0, "core of the servers")
	f.IntVar(&o.loadOn, "load-cpu", 1, "core of the load")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 || o.rounds < 1 || o.window <= 0 || o.keys < hotKeys {
		return o, fmt.Errorf("see --help: unexpected argument, or a flag out of range")
	}
	var err error
	if o.only, err = regexp.Compile(only); err != nil {
		return o, fmt.Errorf("read --only: %w", err)
	}
	return o, nil
}

// run runs the chosen scenarios and prints their rows. A scenario that breaks
// is reported and does not keep the others from running.
func run(ctx context.Context, o options) error {
	if o.list {
		for _, s := range scenarios(o) {
			fmt.Printf("%-14s %s\n", s.name, s.about)
		}
		return nil
	}
	l, err := newLab(ctx, o)
	if err != nil {
		return err
	}
	defer l.close()
	var all []row
	var broken error
	for _, s := range scenarios(o) {
		if !o.only.MatchString(s.name) || ctx.Err() != nil {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: %s: %s\n", s.name, s.about)
		rows, err := s.run(ctx, l)
		if err != nil {
			err = fmt.Errorf("run %s: %w", s.name, err)
			fmt.Fprintln(os.Stderr, "bench:", err)
			broken = errors.Join(broken, err)
		}
		for i := range rows {
			rows[i].Scenario = s.name
		}
		all = append(all, rows...)
	}
	printTable(os.Stdout, all, o.markdown)
	if o.json != "" {
		broken = errors.Join(broken, writeJSON(o.json, all))
	}
	return errors.Join(broken, ctx.Err())
}

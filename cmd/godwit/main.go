// Command godwit runs a godwit node and talks to one: Workers KV that anyone can
// run. There is one file for each command, and no logic in any.
//
// A command may import the public client, internal/node to run a node,
// internal/store to check one that is not running, internal/backup to copy one,
// internal/transfer to move keys, and internal/doctor and internal/top to look at a
// deployment; nothing else of a node's inside.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	p := program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	os.Exit(p.run(context.Background(), os.Args[1:]))
}

// untilSignal is ctx until someone asks the process to stop; who asks twice ends
// it at once. Commands that have nothing to finish do without: a signal ends
// them as it ends any program.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// untilHangup is ctx until the terminal is closed, unless nohup keeps the process from
// that.
func untilHangup(ctx context.Context) (context.Context, context.CancelFunc) {
	if signal.Ignored(syscall.SIGHUP) {
		return context.WithCancel(ctx)
	}
	return signal.NotifyContext(ctx, syscall.SIGHUP)
}

package worker

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/godwitkv/godwit/internal/pause"
	"github.com/godwitkv/godwit/internal/worker/bundle"
)

// A task is what a Worker has left to ctx.waitUntil when it answered. Nobody can see from
// here when it ends, so it is given a time.
const (
	// taskTimeout is for how long tasks go on after the last answer of a generation that
	// was replaced: for as long as Cloudflare lets them.
	taskTimeout = 30 * time.Second
	// taskGrace is the same where somebody waits.
	taskGrace = 2 * time.Second
	// maxRetired is how many generations that were replaced may live for their tasks alone.
	maxRetired = 2
)

// waitUntil is in the code of every Worker that leaves tasks: a name of the platform is
// not made shorter.
const waitUntil = "waitUntil"

// leavesTasks tells whether a Worker may leave some.
func leavesTasks(built *bundle.Result) bool {
	return slices.ContainsFunc(built.Modules, func(m bundle.Module) bool { return bytes.Contains(m.Data, []byte(waitUntil)) })
}

// retire ends a generation that takes no more requests, once those in flight have ended
// and their tasks have had their time.
func (r *Runner) retire(g *generation) {
	g.cancel() // a process that dies has no successor
	ctx, hurry := context.WithCancel(r.ended)
	if r.retired = append(r.retired, hurry); len(r.retired) > maxRetired {
		r.retired[0]()
		r.retired = r.retired[1:]
	}
	r.life.Go(func() error {
		defer hurry()
		if g.drain(r.ended, drainTimeout) {
			g.linger(ctx, taskTimeout)
		}
		g.linger(context.Background(), taskGrace)
		g.close()
		return nil
	})
}

// linger waits until the tasks have had most of time since the last answer, or until ctx
// ends.
func (g *generation) linger(ctx context.Context, most time.Duration) {
	g.mu.Lock()
	answered := g.answered
	g.mu.Unlock()
	if g.tasks && !answered.IsZero() {
		pause.For(ctx, time.Until(answered.Add(most)))
	}
}

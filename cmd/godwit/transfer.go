package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/transfer"
)

// transferring is what the commands have in common that move many keys.
type transferring struct {
	Concurrency int  `env:"-" help:"Requests that write, at once (${default})." default:"4" placeholder:"N"`
	Quiet       bool `env:"-" short:"q" help:"No word on standard error but of what goes wrong."`
	DryRun      bool `env:"-" help:"Read and check everything, change nothing, and say what would be done."`
}

// openCheckpoint is the checkpoint in a file, and the place to go on behind. Without a
// file there is none.
func openCheckpoint(file string, ends transfer.Ends) (*transfer.Checkpoint, transfer.Mark, error) {
	if file == "" {
		return nil, transfer.Mark{}, nil
	}
	return transfer.OpenCheckpoint(file, ends)
}

// makeNamespace makes the namespace to write to, and returns its id.
func makeNamespace(ctx context.Context, cl *client.Client, title string, checkpoint *transfer.Checkpoint) (string, error) {
	id, err := transfer.EnsureNamespace(ctx, cl, title)
	if err == nil && checkpoint != nil {
		checkpoint.Made(id)
	}
	return id, err
}

// run writes what is in a namespace to a target, and notes in a checkpoint how far it
// has come; nil: in none.
func (t *transferring) run(ctx context.Context, p *program, what string, checkpoint *transfer.Checkpoint, source *transfer.Server, target transfer.Target, o transfer.Options, total int64) error {
	counts := o.Progress
	o.Concurrency = t.Concurrency
	if checkpoint != nil {
		o.OnMark = checkpoint.Note
	}
	say := p.say(what, t.Quiet, counts, total, counts.Keys.Load)
	err := transfer.Run(ctx, source, target, o)
	say.close(err)
	if checkpoint == nil {
		return err
	}
	return noted(checkpoint, err)
}

// noted ends a transfer that has a checkpoint, and says of what went wrong how to go on.
func noted(checkpoint *transfer.Checkpoint, err error) error {
	told := stopped(err, func(transfer.Mark) string { return "run it again with the same --checkpoint to go on" })
	if errors.Is(err, transfer.ErrNotTheSame) {
		told = err
	}
	return errors.Join(told, checkpoint.Close(err == nil))
}

// saying tells on standard error how far a transfer is: a bar for a person, else a line
// now and then.
type saying struct {
	what   string
	counts *transfer.Progress
	bar    *progress
	done   func() int64 // of the bar's total
	lines  bool
	began  time.Time
	p      *program
	end    chan struct{}
	group  sync.WaitGroup
}

// How often a word is said.
const (
	lineEvery = 5 * time.Second
)

// say begins to tell of a transfer. total and done, if they are known, are in whatever
// is counted.
func (p *program) say(what string, quiet bool, counts *transfer.Progress, total int64, done func() int64) *saying {
	s := &saying{what: what, counts: counts, done: done, began: time.Now(), p: p, end: make(chan struct{})}
	if quiet {
		return s
	}
	every := lineEvery
	if isTerminal(p.stderr) {
		s.bar, every = p.progress(what, total), drawEvery
	} else {
		s.lines = true
	}
	s.group.Go(func() { s.run(every) })
	return s
}

func (s *saying) run(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-s.end:
			return
		case <-tick.C:
			s.tick()
		}
	}
}

func (s *saying) tick() {
	if s.bar != nil {
		s.bar.add(s.done() - s.bar.done)
		return
	}
	fmt.Fprintf(s.p.stderr, "%s: %s\n", s.what, s.soFar())
}

// soFar is what was done, and how fast.
func (s *saying) soFar() string {
	took := max(time.Since(s.began).Seconds(), 0.001)
	keys, bytes := s.counts.Keys.Load(), s.counts.Bytes.Load()
	text := fmt.Sprintf("%d keys, %s in %.1f s, %.0f keys/s, %s/s", keys, countBytes(bytes), took,
		float64(keys)/took, countBytes(int64(float64(bytes)/took)))
	if n := s.counts.Expired.Load(); n > 0 {
		text += fmt.Sprintf(", %d expired left out", n)
	}
	if n := s.counts.Skipped.Load(); n > 0 {
		text += fmt.Sprintf(", %d skipped", n)
	}
	return text
}

// close ends it, with a last word if all went well.
func (s *saying) close(err error) {
	close(s.end)
	s.group.Wait()
	if s.bar != nil {
		s.bar.end()
	}
	if err == nil && (s.bar != nil || s.lines) {
		fmt.Fprintf(s.p.stderr, "%s: done: %s\n", s.what, s.soFar())
	}
}

// would says what would be written.
func (p *program) would(counts *transfer.Progress) string {
	text := fmt.Sprintf("would write %d keys, %s", counts.Keys.Load(), countBytes(counts.Bytes.Load()))
	if n := counts.Expired.Load(); n > 0 {
		text += fmt.Sprintf(", leave out %d that have expired", n)
	}
	if n := counts.Skipped.Load(); n > 0 {
		text += fmt.Sprintf(", skip %d", n)
	}
	return text
}

// stopped says how far a transfer has come that went wrong.
func stopped(err error, how func(done transfer.Mark) string) error {
	var s *transfer.StoppedError
	if !errors.As(err, &s) {
		return err
	}
	return fmt.Errorf("%w; %s", s.Err, how(s.Done))
}

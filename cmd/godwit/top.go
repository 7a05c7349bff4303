package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/godwitkv/godwit/internal/pause"
	"github.com/godwitkv/godwit/internal/top"
)

// topCmd shows what a node does, again and again.
type topCmd struct {
	remote
	Every duration `env:"-" help:"Time between two looks (${default})." default:"2s" placeholder:"D"`
	Once  bool     `env:"-" help:"Show it once, of the time between two looks; so it is where standard output is no terminal."`
	JSON  bool     `name:"json" help:"Show it once, as JSON."`
}

const minTopEvery = 100 * time.Millisecond

// Run shows it until it is told to stop.
func (c *topCmd) Run(ctx context.Context, p *program) error {
	if time.Duration(c.Every) < minTopEvery || time.Duration(c.Every) > time.Hour {
		return wrongUsage{fmt.Errorf("--every: %v is not between %v and 1h", time.Duration(c.Every), minTopEvery)}
	}
	cl, err := c.client()
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	w := top.New(top.Config{URL: c.URL, Client: cl, HTTP: http.DefaultClient, Now: time.Now})
	if c.Once || c.JSON || !isTerminal(p.stdout) {
		return c.once(ctx, p, w)
	}
	s, err := openScreen(p)
	if err != nil {
		return err
	}
	err = c.live(ctx, s, w)
	return errors.Join(err, s.close())
}

// once looks twice and shows what came in between.
func (c *topCmd) once(ctx context.Context, p *program, w *top.Watch) error {
	f := w.Look(ctx)
	if f.Err == nil {
		if !pause.For(ctx, time.Duration(c.Every)) {
			return nil
		}
		f = w.Look(ctx)
	}
	if f.Err != nil {
		return f.Err
	}
	if c.JSON {
		return p.writeJSON(f)
	}
	if _, err := fmt.Fprintln(p.stdout, strings.Join(f.Lines(), "\n")); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// live draws frames until ctx ends or a key asks for it. It looks beside reading keys,
// so that a node which does not answer holds nobody up.
func (c *topCmd) live(ctx context.Context, s *screen, w *top.Watch) error {
	ctx, cancel := context.WithCancel(ctx)
	frames := make(chan *top.Frame)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.look(ctx, w, frames)
	}()
	defer func() { cancel(); <-done }()
	for ctx.Err() == nil {
		select {
		case f := <-frames:
			if err := s.draw(f.Lines()); err != nil {
				return err
			}
		default:
		}
		quit, err := s.quit()
		if err != nil || quit {
			return err
		}
	}
	return nil
}

// look looks until ctx ends.
func (c *topCmd) look(ctx context.Context, w *top.Watch, frames chan<- *top.Frame) {
	tick := time.NewTicker(time.Duration(c.Every))
	defer tick.Stop()
	for {
		select {
		case frames <- w.Look(ctx):
		case <-ctx.Done():
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

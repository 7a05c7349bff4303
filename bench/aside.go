//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/godwitkv/godwit/bench/load"
)

// What this program does in a process of its own, at idle priority on the core of the
// load, while something is measured.
const (
	asideSpin = "aside-spin" // nothing, for ever
	asideWalk = "aside-walk" // receive all entries of a node, over and over
)

// asideOf returns what a command line asks to do aside, nil for any other.
func asideOf(args []string) func(api string) error {
	switch {
	case len(args) == 2 && args[0] == asideSpin:
		return spin
	case len(args) == 2 && args[0] == asideWalk:
		return receive
	}
	return nil
}

func spin(string) error {
	for turns := uint64(0); ; turns++ {
	}
}

// receive throws away what a node that becomes a copy would take in.
func receive(api string) error {
	for {
		req, err := http.NewRequest(http.MethodGet, "http://"+api+"/godwit/v1/feed/walk", nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+rootToken)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("walk: %s", res.Status)
		}
	}
}

// readsBeside measures reads for a window, while something is done aside.
func (t *tree) readsBeside(ctx context.Context, what string, reads load.Stream) (measure, error) {
	self, err := os.Executable()
	if err != nil {
		return measure{}, fmt.Errorf("find this program: %w", err)
	}
	p, err := start(t.lab.loadOn, t.lab.dir, t.name+"-"+what, nil, "chrt", "--idle", "0", self, what, t.centre.api)
	if err != nil {
		return measure{}, err
	}
	m, err := t.readsUntil(ctx, reads, nil)
	select {
	case <-p.done:
		return m, errors.Join(err, fmt.Errorf("%s ended early: see %s", what, p.log))
	default:
	}
	_ = p.kill() // it does not end by itself
	return m, err
}

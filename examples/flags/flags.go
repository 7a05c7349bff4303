package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/godwitkv/godwit/client"
)

// flags are the keys of a namespace whose value is "on".
type flags struct {
	complete chan struct{} // closed once all are known

	mu  sync.RWMutex
	set map[string]bool
}

func newFlags() *flags { return &flags{complete: make(chan struct{}), set: make(map[string]bool)} }

func (f *flags) on(name string) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.set[name]
}

func (f *flags) put(name string, on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.set[name] = on
}

// follow keeps the flags as they are in the namespace until ctx ends. A connection that
// breaks is made again by the client, and goes on where it was.
func (f *flags) follow(ctx context.Context, kv *client.KV) error {
	for {
		err := f.watch(ctx, kv)
		if !errors.Is(err, client.ErrReset) { // then what was missed is not known: list anew
			return err
		}
	}
}

// watch lists once it is sure to miss nothing, and applies what comes.
func (f *flags) watch(ctx context.Context, kv *client.KV) error {
	listed := false
	for e, err := range kv.Watch(ctx, client.WatchOptions{Values: true}) {
		switch {
		case err != nil:
			return fmt.Errorf("watch flags: %w", err)
		case e.Kind == client.EventReady && !listed:
			if err := f.list(ctx, kv); err != nil {
				return fmt.Errorf("list flags: %w", err)
			}
			listed = true
		case e.Kind == client.EventPut:
			f.put(e.Key, string(e.Value) == "on")
		case e.Kind == client.EventDelete, e.Kind == client.EventExpire:
			f.put(e.Key, false)
		}
	}
	return ctx.Err()
}

func (f *flags) list(ctx context.Context, kv *client.KV) error {
	set := make(map[string]bool)
	for k, err := range kv.Scan(ctx, client.ScanOptions{Values: true}) {
		if err != nil {
			return err
		}
		set[k.Name] = string(k.Value) == "on"
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.set = set
	select {
	case <-f.complete:
	default:
		close(f.complete)
	}
	return nil
}

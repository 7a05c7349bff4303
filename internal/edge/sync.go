package edge

import (
	"context"
	"time"
)

// syncEvery is how much of what was applied a crash may take back: it comes again
// from upstream.
const syncEvery = time.Second

// syncLoop makes what was applied durable.
func (e *Edge) syncLoop(ctx context.Context) error {
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return e.sync()
		case <-tick.C:
		}
		if err := e.sync(); err != nil {
			return err
		}
	}
}

func (e *Edge) sync() error {
	if !e.unsynced.Swap(false) {
		return nil
	}
	if err := e.store.Sync(); err != nil {
		return fatal("sync", err)
	}
	return nil
}

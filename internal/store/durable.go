package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/godwitkv/godwit"
)

// durable is the revision up to which a crash loses nothing, and who waits for
// it to grow. Commits become visible to reads before they are synced; a read
// that saw one waits here, so that nobody is told what a crash may take back.
type durable struct {
	rev     atomic.Uint64
	waiting atomic.Int64
	mu      sync.Mutex
	grown   chan struct{}         // closed when rev grows and someone waits
	failed  atomic.Pointer[error] // why rev grows no more
}

// failure tells that a sync failed, and how: what memory holds may not be true.
func (d *durable) failure() error {
	if cause := d.failed.Load(); cause != nil {
		return fmt.Errorf("the disk failed: %w", *cause)
	}
	return nil
}

func (d *durable) revision() godwit.Revision { return godwit.Revision(d.rev.Load()) }

// advance never goes back, also where several commits are waited for at once.
func (d *durable) advance(r godwit.Revision) {
	for was := d.rev.Load(); was < uint64(r); was = d.rev.Load() {
		if d.rev.CompareAndSwap(was, uint64(r)) {
			break
		}
	}
	d.tell()
}

// rewind takes back what the log's owner has lost.
func (d *durable) rewind(r godwit.Revision) { d.rev.Store(uint64(r)) }

// fail ends the waiting for what will not become durable.
func (d *durable) fail(cause error) {
	d.failed.CompareAndSwap(nil, &cause)
	d.tell()
}

func (d *durable) tell() {
	if d.waiting.Load() == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.grown != nil {
		close(d.grown)
		d.grown = nil
	}
}

// wait returns when r is durable, or with failure or the context's error.
func (d *durable) wait(ctx context.Context, r godwit.Revision) error {
	if d.revision() >= r {
		return nil
	}
	d.waiting.Add(1)
	defer d.waiting.Add(-1)
	for {
		d.mu.Lock()
		if d.grown == nil {
			d.grown = make(chan struct{})
		}
		grown := d.grown
		d.mu.Unlock()
		if d.revision() >= r {
			return nil
		}
		if err := d.failure(); err != nil {
			return err
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

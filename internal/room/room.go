// Package room shares out what a node has only so much of among the requests that want
// it, so that nobody who may do little keeps everyone else out. Of the module it imports
// the domain alone.
package room

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// Room is so much of something. Each owner has half of it at most; an owner without a
// name may have all.
type Room struct {
	all  *semaphore.Weighted
	each int64

	mu     sync.Mutex
	shares map[string]*share // by owner
}

// share is what one owner may have.
type share struct {
	free  *semaphore.Weighted
	users int // parts
}

// New returns a room of a size, half of which, but no less than 1, an owner may have.
func New(size int64) *Room {
	return &Room{all: semaphore.NewWeighted(size), each: max(size/2, 1), shares: make(map[string]*share)}
}

// Part is what one request has of a room. It is for one goroutine.
type Part struct {
	room *Room
	who  string
	own  *share // nil: the owner has no name
	held int64
}

// Enter returns an empty part; call Leave when it is needed no more.
func (r *Room) Enter(who string) *Part {
	p := &Part{room: r, who: who}
	if who == "" {
		return p
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p.own = r.shares[who]
	if p.own == nil {
		p.own = &share{free: semaphore.NewWeighted(r.each)}
		r.shares[who] = p.own
	}
	p.own.users++
	return p
}

// EnterWith returns a part of n, for which it waits no longer than patience. Error: ctx's, or
// that of patience.
func (r *Room) EnterWith(ctx context.Context, who string, n int64, patience time.Duration) (*Part, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p := r.Enter(who)
	if err := p.Take(ctx, n); err != nil {
		p.Leave()
		return nil, err
	}
	return p, nil
}

// Take waits until the part may be larger by n, which is no more than half of the room.
// Error: ctx's.
func (p *Part) Take(ctx context.Context, n int64) error {
	// First of what is the owner's own: who waits for that stands in nobody's way.
	if p.own != nil {
		if err := p.own.free.Acquire(ctx, n); err != nil {
			return err
		}
	}
	if err := p.room.all.Acquire(ctx, n); err != nil {
		p.giveOwn(n)
		return err
	}
	p.held += n
	return nil
}

// TryTake makes the part larger by n, if it may be so now.
func (p *Part) TryTake(n int64) bool {
	if p.own != nil && !p.own.free.TryAcquire(n) {
		return false
	}
	if !p.room.all.TryAcquire(n) {
		p.giveOwn(n)
		return false
	}
	p.held += n
	return true
}

func (p *Part) giveOwn(n int64) {
	if p.own != nil {
		p.own.free.Release(n)
	}
}

// Leave gives everything back.
func (p *Part) Leave() {
	p.room.all.Release(p.held)
	p.giveOwn(p.held)
	p.held = 0
	if p.own == nil {
		return
	}
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	if p.own.users--; p.own.users == 0 {
		delete(p.room.shares, p.who)
	}
	p.own = nil
}

// Owners is how many have a part.
func (r *Room) Owners() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.shares)
}

package cloudflare

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/godwitkv/godwit"
)

const (
	// bulkRoom is how many bytes of bulk bodies are held in memory at once.
	// wrangler sends five bodies of 100 MB side by side, and all of a body is
	// read and validated before any of it is written.
	bulkRoom = 64 << 20
	roomStep = 1 << 20
	roomWait = 2 * time.Minute
	// mostOver is how many may take more than there is, each of another owner.
	mostOver = 2
)

// rooms share a bounded memory among requests that need they do not know how
// much of it. One that finds none left stops reading its body until others have
// finished; lest all of them wait for each other, one of each owner's at a time may
// take more than there is, and so finishes. An owner with a name, a token that is
// limited to namespaces, has half of the steps at most. All others are one owner: at
// most bulkRoom and one whole body are held, and one more of a limited token.
type rooms struct {
	mu      sync.Mutex
	size    int // in steps
	free    int
	over    int               // rooms that may take more
	owners  map[string]*owner // of rooms
	waiting []*waiter         // the first to wait first
}

// owner is what the rooms of one owner have together.
type owner struct {
	rooms, steps int
	over         bool // one of them may take more
}

// waiter is a room that waits for a step, and what is closed when it has it.
type waiter struct {
	room  *share
	given chan struct{}
}

func newRooms(bytes int64) *rooms {
	n := int(bytes / roomStep)
	return &rooms{size: n, free: n, owners: make(map[string]*owner)}
}

// share is one request's share.
type share struct {
	rooms *rooms
	ctx   context.Context
	who   string
	own   *owner
	used  int
	steps int  // held
	over  bool // it may take more than there is
}

// enter returns an empty share; call leave when nothing is held any more. who is ""
// but for a token that is limited to namespaces.
func (r *rooms) enter(ctx context.Context, who string) *share {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.owners[who] == nil {
		r.owners[who] = &owner{}
	}
	r.owners[who].rooms++
	return &share{rooms: r, ctx: ctx, who: who, own: r.owners[who]}
}

// held tells whether the share has anything that others may wait for.
func (r *share) held() bool { return r.steps > 0 || r.over }

// grow makes room for more bytes. The first step is free, so that small requests
// never wait. Error: CodeUnavailable.
func (r *share) grow(bytes int) error {
	r.used += bytes
	for !r.over && r.used > (r.steps+1)*roomStep {
		if err := r.step(); err != nil {
			return err
		}
	}
	return nil
}

func (r *share) step() error {
	w := &waiter{r, make(chan struct{})}
	r.rooms.wait(w)
	timeout := time.NewTimer(roomWait)
	defer timeout.Stop()
	select {
	case <-w.given:
		return nil
	case <-timeout.C:
	case <-r.ctx.Done():
	}
	if r.rooms.forget(w) {
		return nil
	}
	return godwit.Errorf(godwit.CodeUnavailable, "Service temporarily unavailable: too many bulk writes are under way.")
}

func (r *rooms) wait(w *waiter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = append(r.waiting, w)
	r.serve()
}

// forget has one wait no longer, and tells whether it was given what it waited for.
func (r *rooms) forget(w *waiter) (given bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-w.given:
		return true
	default:
	}
	r.waiting = slices.DeleteFunc(r.waiting, func(one *waiter) bool { return one == w })
	return false
}

// serve gives those that wait what there is. It needs mu held.
func (r *rooms) serve() {
	r.waiting = slices.DeleteFunc(r.waiting, func(w *waiter) bool {
		given := r.give(w.room)
		if given {
			close(w.given)
		}
		return given
	})
}

// give needs mu held.
func (r *rooms) give(to *share) bool {
	switch {
	case r.free > 0 && (to.who == "" || to.own.steps < max(r.size/2, 1)):
		r.free--
		to.own.steps++
		to.steps++
	case r.over < mostOver && !to.own.over:
		r.over++
		to.own.over, to.over = true, true
	default:
		return false
	}
	return true
}

// leave gives the share back.
func (r *share) leave() {
	r.rooms.mu.Lock()
	defer r.rooms.mu.Unlock()
	r.rooms.free += r.steps
	r.own.steps -= r.steps
	if r.over {
		r.rooms.over--
		r.own.over = false
	}
	if r.own.rooms--; r.own.rooms == 0 {
		delete(r.rooms.owners, r.who)
	}
	r.steps, r.over = 0, false
	r.rooms.serve()
}

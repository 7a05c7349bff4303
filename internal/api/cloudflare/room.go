package cloudflare

import (
	"context"
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
)

// rooms share a bounded memory among requests that need they do not know how
// much of it. One that finds none left stops reading its body until others have
// finished; lest all of them wait for each other, one at a time may take more
// than there is, and so finishes. At most bulkRoom and one whole body are held.
type rooms struct {
	free chan struct{} // a token for each roomStep
	over chan struct{} // the token of the one that may take more
}

func newRooms(bytes int64) *rooms {
	r := &rooms{free: make(chan struct{}, bytes/roomStep), over: make(chan struct{}, 1)}
	for range cap(r.free) {
		r.free <- struct{}{}
	}
	r.over <- struct{}{}
	return r
}

// room is one request's share.
type room struct {
	rooms *rooms
	ctx   context.Context
	used  int
	steps int  // tokens held
	over  bool // holds the token to take more
}

// enter returns an empty share; call leave when nothing is held any more.
func (r *rooms) enter(ctx context.Context) *room { return &room{rooms: r, ctx: ctx} }

// grow makes room for more bytes. The first step is free, so that small requests
// never wait. Error: CodeUnavailable.
func (r *room) grow(bytes int) error {
	r.used += bytes
	for !r.over && r.used > (r.steps+1)*roomStep {
		if err := r.step(); err != nil {
			return err
		}
	}
	return nil
}

func (r *room) step() error {
	select {
	case <-r.rooms.free:
		r.steps++
		return nil
	default:
	}
	timeout := time.NewTimer(roomWait)
	defer timeout.Stop()
	select {
	case <-r.rooms.free:
		r.steps++
		return nil
	case <-r.rooms.over:
		r.over = true
		return nil
	case <-timeout.C:
	case <-r.ctx.Done():
	}
	return godwit.Errorf(godwit.CodeUnavailable, "Service temporarily unavailable: too many bulk writes are under way.")
}

// leave gives the share back.
func (r *room) leave() {
	for ; r.steps > 0; r.steps-- {
		r.rooms.free <- struct{}{}
	}
	if r.over {
		r.rooms.over <- struct{}{}
		r.over = false
	}
}

package jetstream

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/state"
)

// repeatEvery is how often a problem that goes on is logged again.
const repeatEvery = time.Minute

// board is what a member writes down for whoever asks how it is.
type board struct {
	log *slog.Logger

	room  atomic.Bool                  // there is none on the disk: nothing is applied
	brims atomic.Pointer[godwit.Error] // the stream holds as much as it may: why writes are refused

	mu       sync.Mutex
	trouble  string        // why the stream is not followed; "": it is
	logged   time.Time     // when that was logged last
	down     *godwit.Error // why no writes are taken
	skew     time.Duration // of this machine's clock against the cluster's, where that is too much
	verdicts [state.TooLate + 1]int64
	errands
}

// problem notes why the stream is not followed.
func (b *board) problem(err error) {
	if err == nil {
		return
	}
	b.mu.Lock()
	again := b.trouble != err.Error() || time.Since(b.logged) >= repeatEvery
	if again {
		b.trouble, b.logged = err.Error(), time.Now()
	}
	b.mu.Unlock()
	if again {
		b.log.Warn("not following the cluster's log", logError, err.Error())
	}
}

// following notes that all is well.
func (b *board) following() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trouble = ""
}

// writes notes whether writes are taken, and why not.
func (b *board) writes(down *godwit.Error) {
	b.mu.Lock()
	was := b.down
	b.down = down
	b.mu.Unlock()
	switch {
	case down == nil:
		b.log.Info("writes are taken")
	case was != down:
		b.log.Warn("writes are refused", logReason, down.Error())
	}
}

// full notes whether there is too little room to apply anything.
func (b *board) full(is bool) {
	if b.room.Swap(is) != is {
		if is {
			b.log.Warn("the disk is full: nothing is applied until there is room")
		} else {
			b.log.Info("there is room on the disk: applying goes on")
		}
	}
}

func (b *board) isFull() bool { return b.room.Load() }

// clock notes by how much this machine's clock was ahead of the cluster's, as it was up to
// took ago.
func (b *board) clock(ahead, took time.Duration) {
	skew := time.Duration(0)
	if ahead > state.MaxAhead || ahead < -state.MaxAhead-took {
		skew = ahead
	}
	b.mu.Lock()
	was := b.skew
	b.skew = skew
	b.mu.Unlock()
	if (was == 0) != (skew == 0) {
		b.log.Warn("this machine's clock against the cluster's", "ahead", skew)
	}
}

func (b *board) verdict(v state.Verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.verdicts[v]++
}

// clockIsOff tells whether this machine's clock is too far from the stream's.
func (b *board) clockIsOff() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.skew != 0
}

// against says on which side of another clock one with this skew is.
func against(skew time.Duration) string {
	if skew < 0 {
		return "behind"
	}
	return "ahead of"
}

// Problem says why the member is not as it should be, "" if it is.
func (m *Member) Problem() string {
	b := &m.board
	brims := b.brims.Load()
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.room.Load():
		return "the disk is full: nothing is applied until there is room"
	case b.skew != 0:
		return fmt.Sprintf("this machine's clock is %v %s the cluster's", b.skew.Abs().Round(time.Second), against(b.skew))
	case b.trouble != "":
		return b.trouble
	case brims != nil:
		return brims.Message
	case b.down != nil:
		return b.down.Error()
	}
	if why := b.errands.problem(); why != "" {
		return why
	}
	if m.serving.Load() && (!m.counted.Load() || m.uncounted.Load()) {
		return "the cluster's log does not count on this member yet"
	}
	return ""
}

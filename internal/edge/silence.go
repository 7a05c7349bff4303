package edge

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/godwitkv/godwit/internal/feed"
)

// silence ends a session whose upstream says nothing for too long while this
// node listens. Bytes of a frame that is still coming in are no silence.
type silence struct {
	cancel    context.CancelCauseFunc
	stop      chan struct{}
	done      chan struct{}
	listening atomic.Bool
	stream    atomic.Pointer[feed.Stream]
}

const (
	silent     = 2500 * time.Millisecond
	silentTick = 250 * time.Millisecond
)

// newSilence counts from now on.
func newSilence(cancel context.CancelCauseFunc) *silence {
	s := &silence{cancel: cancel, stop: make(chan struct{}), done: make(chan struct{})}
	s.listening.Store(true)
	go s.run()
	return s
}

func (s *silence) watch(st *feed.Stream) { s.stream.Store(st) }
func (s *silence) listen()               { s.listening.Store(true) }
func (s *silence) pause()                { s.listening.Store(false) }

func (s *silence) end() {
	close(s.stop)
	<-s.done
}

func (s *silence) run() {
	defer close(s.done)
	tick := time.NewTicker(silentTick)
	defer tick.Stop()
	received, since := int64(-1), time.Now()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		n := int64(-1)
		if st := s.stream.Load(); st != nil {
			n = st.Received()
		}
		if n != received || !s.listening.Load() {
			received, since = n, time.Now()
			continue
		}
		if time.Since(since) >= silent {
			s.cancel(errSilent)
			return
		}
	}
}

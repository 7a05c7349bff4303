package edge

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/godwitkv/godwit/internal/feed"
)

// silence ends a session whose upstream says nothing for too long while this
// node listens. Bytes of a frame that is still coming in are no silence. Requests
// are given up before that, so that who waits for one is told soon: if the upstream
// goes on after all, only they have suffered.
type silence struct {
	cancel    context.CancelCauseFunc
	quiet     func(bool) // told that the upstream says nothing, and that it does again
	stop      chan struct{}
	done      chan struct{}
	listening atomic.Bool
	stream    atomic.Pointer[feed.Stream]
}

const (
	quiet      = 1600 * time.Millisecond // a heartbeat comes each second
	silent     = 2500 * time.Millisecond
	silentTick = 100 * time.Millisecond
)

// newSilence counts from now on.
func newSilence(cancel context.CancelCauseFunc, quiet func(bool)) *silence {
	s := &silence{cancel: cancel, quiet: quiet, stop: make(chan struct{}), done: make(chan struct{})}
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
	received, since, isQuiet := int64(-1), time.Now(), false
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
			if isQuiet {
				isQuiet = false
				s.quiet(false)
			}
			continue
		}
		if !isQuiet && time.Since(since) >= quiet {
			isQuiet = true
			s.quiet(true)
		}
		if time.Since(since) >= silent {
			s.cancel(errSilent)
			return
		}
	}
}

package jetstream

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/state"
)

// cutOff is a stream whose leader keeps what it is sent, answers nothing, and says
// whether it has a quorum.
type cutOff struct {
	deaf
	sends  atomic.Int64
	quorum atomic.Bool
}

func (s *cutOff) Send([]byte, func(error)) { s.sends.Add(1) }

func (s *cutOff) State(context.Context) (State, error) {
	if !s.quorum.Load() {
		return State{}, errors.New("there is no quorum")
	}
	return State{}, nil
}

// TestCutOffLeaderIsSentLittle: to a leader without a quorum next to nothing is sent, which
// it would have to lose again, and soon after there is one writes are taken.
func TestCutOffLeaderIsSentLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(cutOff)
		p := newProposer(s, time.Now, func(*godwit.Error) {})
		defer p.packer.close()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var work errgroup.Group
		work.Go(func() error { return p.run(ctx) })
		work.Go(func() error { return p.lookOut(ctx) })
		p.begin()
		time.Sleep(giveUp + stepEvery)
		first := s.sends.Load()
		if !errors.Is(p.refusal(), errNoQuorum) || first == 0 {
			t.Fatalf("refused with %v after %d messages", p.refusal(), first)
		}
		time.Sleep(3 * blindProbe)
		if n := s.sends.Load() - first; n > 3 {
			t.Errorf("%d more messages in %v", n, 3*blindProbe)
		}

		s.quorum.Store(true)
		before := s.sends.Load()
		time.Sleep(2 * giveUp)
		if s.sends.Load() == before {
			t.Fatal("nothing is sent to a stream that has a quorum again")
		}
		p.mu.Lock()
		b := &state.Numbered{Proposer: p.id, Number: p.number}
		p.mu.Unlock()
		p.arrived(b, state.Taken, nil)
		if err := p.refusal(); err != nil {
			t.Errorf("refused with %v though a batch was taken", err)
		}
		stop()
		if err := work.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// Package streamtest is a stream in memory that misbehaves as a replicated one
// may: it loses its leader, loses messages, appends them late or twice, and does
// not tell what became of them. It is for tests and for the simulation; nothing
// else may import it.
package streamtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/godwitkv/godwit/internal/central/jetstream"
)

// ErrLost tells that what became of a message is not known.
var ErrLost = errors.New("no answer from the stream's leader")

// Faults are how often, of 1, something happens to a message that is sent.
type Faults struct {
	Lose  float64 // it is not appended, and its sender is not told
	Late  float64 // it is appended after a while
	Twice float64 // it is appended again after a while
	Mute  float64 // it is appended, and its sender is told that this is not known
}

// Log is the stream itself, of which each member has a Stream.
type Log struct {
	now func() time.Time
	id  string

	mu       sync.Mutex
	rng      *rand.Rand
	faults   Faults
	latency  time.Duration
	messages []jetstream.Message // from sequence first on
	first    uint64
	last     uint64
	bytes    int64
	leading  bool
	grown    chan struct{}
	work     sync.WaitGroup
}

// NewLog returns an empty stream. Time is taken from now.
func NewLog(seed uint64, now func() time.Time) *Log {
	return &Log{
		now: now, id: "stream", rng: rand.New(rand.NewPCG(seed, 1)), first: 1, leading: true,
		latency: time.Millisecond, grown: make(chan struct{}),
	}
}

// SetFaults sets what happens to messages from now on.
func (l *Log) SetFaults(f Faults) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = f
}

// SetLeader says whether the stream has a leader, and so appends at all.
func (l *Log) SetLeader(is bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leading = is
	l.tell()
}

// Wait returns once nothing that was sent is on its way any more.
func (l *Log) Wait() { l.work.Wait() }

// Messages are all that the stream still holds.
func (l *Log) Messages() []jetstream.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.messages)
}

// Append appends a message as any member would, without faults.
func (l *Log) Append(data []byte) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.append(data)
}

// append needs l.mu held.
func (l *Log) append(data []byte) uint64 {
	l.last++
	l.messages = append(l.messages, jetstream.Message{Sequence: l.last, Time: l.now().UnixMilli(), Data: slices.Clone(data)})
	l.bytes += int64(len(data))
	l.tell()
	return l.last
}

// tell needs l.mu held.
func (l *Log) tell() {
	close(l.grown)
	l.grown = make(chan struct{})
}

// Stream is one member's way to the log.
type Stream struct {
	log *Log

	mu    sync.Mutex
	cut   bool
	tail  chan struct{} // closed once what was sent before has been handed over
	moved chan struct{} // closed when cut changes
}

var _ jetstream.Stream = (*Stream)(nil)

// Stream returns a way to the log.
func (l *Log) Stream() *Stream {
	done := make(chan struct{})
	close(done)
	return &Stream{log: l, tail: done, moved: make(chan struct{})}
}

// Cut says whether the member is cut off from the log.
func (s *Stream) Cut(is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = is
	close(s.moved)
	s.moved = make(chan struct{})
}

func (s *Stream) isCut() (bool, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cut, s.moved
}

// MaxMessage implements jetstream.Stream.
func (s *Stream) MaxMessage() int { return 8 << 20 }

// Send implements jetstream.Stream. Messages are appended in order after the
// log's latency; those that faults befall are not.
func (s *Stream) Send(msg []byte, done func(error)) {
	fate := s.log.fate()
	s.mu.Lock()
	before, after := s.tail, make(chan struct{})
	s.tail = after
	s.mu.Unlock()
	s.log.work.Go(func() {
		time.Sleep(fate.latency)
		<-before
		err := s.deliver(msg, fate)
		close(after)
		done(err)
	})
}

type fate struct {
	lose, late, twice, mute bool
	latency, delay          time.Duration
}

func (l *Log) fate() fate {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.faults
	hit := func(p float64) bool { return p > 0 && l.rng.Float64() < p }
	return fate{
		lose: hit(f.Lose), late: hit(f.Late), twice: hit(f.Twice), mute: hit(f.Mute),
		latency: l.latency, delay: time.Duration(1+l.rng.IntN(3000)) * time.Millisecond,
	}
}

func (s *Stream) deliver(msg []byte, f fate) error {
	l := s.log
	cut, _ := s.isCut()
	l.mu.Lock()
	defer l.mu.Unlock()
	if cut || !l.leading || f.lose {
		return ErrLost
	}
	if f.late || f.twice {
		later := slices.Clone(msg)
		l.work.Go(func() {
			time.Sleep(f.delay)
			l.Append(later)
		})
	}
	if f.late {
		return ErrLost
	}
	l.append(msg)
	if f.mute {
		return ErrLost
	}
	return nil
}

// Begin implements jetstream.Stream.
func (s *Stream) Begin(_ context.Context, msg []byte) error {
	cut, _ := s.isCut()
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case cut || !l.leading:
		return ErrLost
	case l.last > 0:
		return jetstream.ErrNotEmpty
	}
	l.append(msg)
	return nil
}

// Read implements jetstream.Stream.
func (s *Stream) Read(ctx context.Context, from uint64, fn func(jetstream.Message) error) error {
	for next := from; ; {
		cut, moved := s.isCut()
		m, grown, err := s.log.at(next)
		if err != nil {
			return err
		}
		if m == nil || cut {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-grown:
			case <-moved:
			}
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := fn(*m); err != nil {
			return err
		}
		next = m.Sequence + 1
	}
}

// at returns the message with a sequence, nil if it has not come yet.
func (l *Log) at(sequence uint64) (*jetstream.Message, <-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case sequence < l.first:
		return nil, nil, jetstream.ErrTrimmed
	case sequence > l.last:
		return nil, l.grown, nil
	}
	m := l.messages[sequence-l.first]
	m.Data = slices.Clone(m.Data)
	return &m, l.grown, nil
}

// State implements jetstream.Stream.
func (s *Stream) State(context.Context) (jetstream.State, error) {
	cut, _ := s.isCut()
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if cut || !l.leading {
		return jetstream.State{}, ErrLost
	}
	st := jetstream.State{ID: l.id, Last: l.last, Bytes: l.bytes, Leader: "leader"}
	if l.last > 0 {
		st.First = l.first
	}
	return st, nil
}

// Trim implements jetstream.Stream.
func (s *Stream) Trim(_ context.Context, first uint64) error {
	cut, _ := s.isCut()
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if cut || !l.leading {
		return ErrLost
	}
	for l.first < min(first, l.last+1) {
		l.bytes -= int64(len(l.messages[0].Data))
		l.messages = l.messages[1:]
		l.first++
	}
	return nil
}

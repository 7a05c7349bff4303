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

// giveUp is for how long a sender waits at the most for what is not told.
const giveUp = 3 * time.Second

// Faults are how often, of 1, something happens to a message that is sent.
type Faults struct {
	Lose   float64 // it is not appended, and its sender is told that this is not known
	Late   float64 // it is appended after a while
	Twice  float64 // it is appended again after a while
	Mute   float64 // it is appended, and its sender is told that this is not known
	Silent float64 // what is not known is told after a while
}

// Log is the stream itself, of which each member has a Stream.
type Log struct {
	now func() time.Time
	id  string

	mu       sync.Mutex
	rng      *rand.Rand
	faults   Faults
	latency  time.Duration
	messages []entry // from sequence first on
	first    uint64
	last     uint64
	bytes    int64
	most     int64
	leading  bool
	grown    chan struct{}
	work     sync.WaitGroup
}

// entry is a message, and when it was appended.
type entry struct {
	jetstream.Message
	at time.Time
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

// SetMost says how many bytes the stream may hold. It is told, and not kept to.
func (l *Log) SetMost(bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.most = bytes
}

// SetClock makes now the log's clock, as another leader does.
func (l *Log) SetClock(now func() time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = now
}

// SetLeader says whether the stream has a leader, and so appends at all.
func (l *Log) SetLeader(is bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leading = is
	l.tell()
}

// SetLatency sets how long it takes until a message is appended.
func (l *Log) SetLatency(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latency = d
}

// Wait returns once nothing that was sent is on its way any more.
func (l *Log) Wait() { l.work.Wait() }

// Messages are all that the stream still holds.
func (l *Log) Messages() []jetstream.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]jetstream.Message, 0, len(l.messages))
	for _, e := range l.messages {
		all = append(all, e.Message)
	}
	return all
}

// Lose takes the last n messages out, as a cluster does whose quorum has lost them.
func (l *Log) Lose(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ; n > 0 && len(l.messages) > 0; n-- {
		last := len(l.messages) - 1
		l.bytes -= int64(len(l.messages[last].Data))
		l.messages = l.messages[:last]
		l.last--
	}
	l.tell()
}

// Bytes are how many the stream holds.
func (l *Log) Bytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes
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
	l.messages = append(l.messages, entry{
		jetstream.Message{Sequence: l.last, Time: l.now().UnixMilli(), Data: slices.Clone(data)}, time.Now(),
	})
	l.bytes += int64(len(data))
	l.tell()
	return l.last
}

// appendLate appends a message that was on its way for long, if there is a leader.
func (l *Log) appendLate(data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leading {
		l.append(data)
	}
}

// tell needs l.mu held.
func (l *Log) tell() {
	close(l.grown)
	l.grown = make(chan struct{})
}

// Latency is how long what takes between a member and the log.
type Latency struct {
	Send time.Duration // a message, beside the log's own latency
	Back time.Duration // the answer
	Read time.Duration // a message of the log, until the member has it
}

// Stream is one member's way to the log.
type Stream struct {
	log *Log

	mu      sync.Mutex
	latency Latency
	cut     bool
	dead    bool
	tail    chan struct{} // closed once what was sent before has been handed over
	moved   chan struct{} // closed when cut, dead or a latency changes
}

var _ jetstream.Stream = (*Stream)(nil)

// Stream returns a way to the log.
func (l *Log) Stream() *Stream {
	done := make(chan struct{})
	close(done)
	return &Stream{log: l, tail: done, moved: make(chan struct{})}
}

// Cut says whether the member is cut off from the log.
func (s *Stream) Cut(is bool) { s.change(func() { s.cut = is }) }

// Kill ends the member's process: nothing is sent or read by this way any more.
// What is under way may arrive.
func (s *Stream) Kill() { s.change(func() { s.dead = true }) }

// SetLatency sets how long what takes from now on.
func (s *Stream) SetLatency(t Latency) { s.change(func() { s.latency = t }) }

func (s *Stream) change(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
	close(s.moved)
	s.moved = make(chan struct{})
}

// way is how a stream is at a moment.
type way struct {
	open, dead bool
	latency    Latency
	moved      <-chan struct{} // closed when that changes
}

func (s *Stream) way() way {
	s.mu.Lock()
	defer s.mu.Unlock()
	return way{!s.cut && !s.dead, s.dead, s.latency, s.moved}
}

// reach asks the log's leader something that takes no time there. Error: ErrLost,
// or the context's.
func (s *Stream) reach(ctx context.Context, fn func(l *Log) error) error {
	w := s.way()
	if trip := w.latency.Send + w.latency.Back; trip > 0 {
		if err := pause(ctx, trip, nil); err != nil {
			return err
		}
		w = s.way()
	}
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if !w.open || !l.leading {
		return ErrLost
	}
	return fn(l)
}

// pause waits for d, or until moved is closed, or until ctx ends: that is the error.
func pause(ctx context.Context, d time.Duration, moved <-chan struct{}) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-moved:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// MaxMessage implements jetstream.Stream.
func (s *Stream) MaxMessage() int { return 8 << 20 }

// Send implements jetstream.Stream. Messages are appended in order after the
// latencies; those that faults befall are not.
func (s *Stream) Send(msg []byte, done func(error)) {
	fate := s.log.fate()
	s.mu.Lock()
	fate.latency += s.latency.Send
	fate.unsent = s.dead
	before, after := s.tail, make(chan struct{})
	s.tail = after
	s.mu.Unlock()
	s.log.work.Go(func() {
		time.Sleep(fate.latency)
		<-before
		err := s.deliver(msg, fate)
		close(after)
		if err == nil {
			time.Sleep(s.way().latency.Back)
		} else if fate.silent {
			time.Sleep(fate.delay)
		}
		done(err)
	})
}

// fate is what becomes of a message.
type fate struct {
	lose, late, twice, mute bool
	unsent                  bool // its sender was dead already
	outlive                 bool // it arrives though its sender dies meanwhile
	silent                  bool // that it is lost is told after a while
	latency, delay          time.Duration
}

func (l *Log) fate() fate {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.faults
	hit := func(p float64) bool { return p > 0 && l.rng.Float64() < p }
	return fate{
		lose: hit(f.Lose), late: hit(f.Late), twice: hit(f.Twice), mute: hit(f.Mute),
		outlive: hit(0.5), silent: hit(f.Silent),
		latency: l.latency, delay: time.Millisecond + time.Duration(l.rng.Int64N(int64(giveUp))),
	}
}

func (s *Stream) deliver(msg []byte, f fate) error {
	l := s.log
	w := s.way()
	l.mu.Lock()
	defer l.mu.Unlock()
	arrives := w.open || w.dead && f.outlive
	if f.unsent || !arrives || !l.leading || f.lose {
		return ErrLost
	}
	if f.late || f.twice {
		later := slices.Clone(msg)
		l.work.Go(func() {
			time.Sleep(f.delay)
			l.appendLate(later)
		})
	}
	if f.late {
		return ErrLost
	}
	l.append(msg)
	if f.mute || !w.open {
		return ErrLost
	}
	return nil
}

// Begin implements jetstream.Stream.
func (s *Stream) Begin(ctx context.Context, msg []byte) error {
	return s.reach(ctx, func(l *Log) error {
		if l.last > 0 {
			return jetstream.ErrNotEmpty
		}
		l.append(msg)
		return nil
	})
}

// Read implements jetstream.Stream.
func (s *Stream) Read(ctx context.Context, from uint64, fn func(jetstream.Message) error) error {
	for next := from; ; {
		w := s.way()
		m, grown, err := s.log.at(next)
		switch {
		case err != nil && w.open:
			return err
		case m == nil || !w.open:
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-grown:
			case <-w.moved:
			}
			continue
		}
		if wait := time.Until(m.at.Add(w.latency.Read)); wait > 0 {
			if err := pause(ctx, wait, w.moved); err != nil {
				return err
			}
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := fn(m.Message); err != nil {
			return err
		}
		next = m.Sequence + 1
	}
}

// at returns the message with a sequence, nil if it has not come yet.
func (l *Log) at(sequence uint64) (*entry, <-chan struct{}, error) {
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
func (s *Stream) State(ctx context.Context) (st jetstream.State, err error) {
	err = s.reach(ctx, func(l *Log) error {
		st = jetstream.State{ID: l.id, Last: l.last, Bytes: l.bytes, Most: l.most, Leader: "leader"}
		if l.last > 0 {
			st.First = l.first
			if len(l.messages) > 0 {
				st.FirstTime = l.messages[0].at
			}
		}
		return nil
	})
	return st, err
}

// Trim implements jetstream.Stream.
func (s *Stream) Trim(ctx context.Context, first uint64) error {
	return s.reach(ctx, func(l *Log) error {
		for l.first < min(first, l.last+1) {
			l.bytes -= int64(len(l.messages[0].Data))
			l.messages = l.messages[1:]
			l.first++
		}
		return nil
	})
}

package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/pause"
)

// How a reader waits.
const (
	// idle is how long nothing may be told before the reader asks by itself: what
	// a leader stored and had no time to tell is found so.
	idle = 250 * time.Millisecond
	// recheck is how often a reader that hears nothing makes sure that it is not
	// beside the stream.
	recheck = 5 * time.Second
	// lag is how long a replica may take to have what the leader has told.
	lag = time.Second
	// askLeader is how long a reader waits for a leader that may not be there: what
	// its replica gets meanwhile must not wait with it.
	askLeader = 500 * time.Millisecond
	// retry is the first and the longest pause between questions to a replica
	// that is behind.
	retryFirst, retryMost = 2 * time.Millisecond, 50 * time.Millisecond
)

// Bounds of what the connection keeps for a reader that is slower than the stream.
// What does not fit is dropped, and fetched.
const (
	tailMessages = 16 << 10
	tailBytes    = 64 << 20
)

// Read implements jetstream.Stream.
//
// Two ways together are exact. The leader tells each message that it stored, with
// its sequence, to all who listen (the stream's republish): once for all members,
// within the time of a hop, but with no promise to arrive. And each replica gives
// out what it holds, from a sequence on, with or without a leader (direct get).
// What comes in order is delivered; whatever is missing, at the start, after a
// gap, after silence, is fetched. So there is no consumer in the server, whose
// creation needs a leader of the cluster's metadata, and which is lost with the
// server that has it: a member that loses the leader still reads all that its own
// server has stored, and hears the next leader's first message at once.
func (s *Stream) Read(ctx context.Context, from uint64, fn func(jetstream.Message) error) error {
	if err := s.Wait(ctx); err != nil {
		return err
	}
	r, err := s.newReader(max(from, 1), fn)
	if err != nil {
		return err
	}
	defer r.close()
	defer context.AfterFunc(ctx, r.close)() // ends a wait for the tail
	defer context.AfterFunc(s.root, r.close)()
	err = r.run(ctx)
	switch {
	case ctx.Err() != nil && errors.Is(err, natsgo.ErrBadSubscription):
		return ctx.Err()
	case s.root.Err() != nil:
		return errStopped
	}
	return err
}

// reader delivers the messages of a stream from one sequence on.
type reader struct {
	stream *Stream
	fn     func(jetstream.Message) error
	id     string // of the stream
	next   uint64 // sequence of the next message to deliver
	tail   *natsgo.Subscription
	batch  batch
}

func (s *Stream) newReader(from uint64, fn func(jetstream.Message) error) (*reader, error) {
	s.mu.Lock()
	r := &reader{stream: s, fn: fn, id: s.id, next: from}
	s.mu.Unlock()
	var err error
	if r.tail, err = s.conn.nc.SubscribeSync(tailSubject(s.cfg.Cluster)); err != nil {
		return nil, fmt.Errorf("subscribe to the stream: %w", err)
	}
	if err := r.tail.SetPendingLimits(tailMessages, tailBytes); err != nil {
		return nil, fmt.Errorf("subscribe to the stream: %w", err)
	}
	if err := r.batch.open(s); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *reader) close() {
	_ = r.tail.Unsubscribe() // or the connection is gone, and it with it
	r.batch.close()
}

// run delivers until fn fails or the subscription ends.
func (r *reader) run(ctx context.Context) error {
	checked := time.Time{}
	for {
		if err := r.catchUp(ctx, 0); err != nil {
			return err
		}
		if time.Since(checked) > recheck {
			checked = time.Now()
			if err := r.check(ctx); err != nil {
				return err
			}
		}
		if err := r.follow(ctx); !errors.Is(err, natsgo.ErrTimeout) {
			return err
		}
	}
}

// follow delivers what is told, until nothing is for a while: natsgo.ErrTimeout.
func (r *reader) follow(ctx context.Context) error {
	for {
		m, err := r.tail.NextMsg(idle)
		if errors.Is(err, natsgo.ErrSlowConsumer) { // some were dropped: a gap follows
			continue
		}
		if err != nil {
			return err
		}
		msg, err := decode(m)
		if err != nil {
			return err
		}
		if msg.Sequence > r.next {
			if err := r.catchUp(ctx, msg.Sequence); err != nil {
				return err
			}
		}
		if msg.Sequence == r.next {
			if err := r.deliver(msg); err != nil {
				return err
			}
		}
	}
}

func (r *reader) deliver(msg jetstream.Message) error {
	r.next = msg.Sequence + 1
	return r.fn(msg)
}

// catchUp fetches and delivers what a replica holds from next on, up to the message
// before until, which was told; 0: as much as it holds. A replica may not have yet
// what the leader told, so it is asked again; at last the leader is.
func (r *reader) catchUp(ctx context.Context, until uint64) error {
	wait, began := retryFirst, time.Now()
	for {
		before := r.next
		more, err := r.fetch(ctx)
		if err != nil {
			return err
		}
		switch {
		case until == 0 && !more, until > 0 && r.next >= until:
			return nil
		case r.next > before:
			wait, began = retryFirst, time.Now()
			continue
		case time.Since(began) > lag:
			if err := r.check(ctx); err != nil {
				return err
			}
			if err := r.fetchFromLeader(ctx); err != nil {
				return err
			}
		}
		if !pause.For(ctx, wait) {
			return ctx.Err()
		}
		wait = min(2*wait, retryMost)
	}
}

// fetch delivers one batch of a replica. It tells whether the replica holds more.
// An error of the way there is none: it holds nothing then, for now.
func (r *reader) fetch(ctx context.Context) (more bool, err error) {
	msgs, more, err := r.batch.get(ctx, r.next)
	if err != nil {
		return false, err
	}
	for _, msg := range msgs {
		if msg.Sequence < r.next {
			continue
		}
		if msg.Sequence > r.next { // trimmed, or missing here alone
			if err := r.check(ctx); err != nil {
				return false, err
			}
			return true, r.fetchFromLeader(ctx)
		}
		if err := r.deliver(msg); err != nil {
			return false, err
		}
	}
	return more, nil
}

// fetchFromLeader delivers the next message as the leader has it, if it can be
// reached.
func (r *reader) fetchFromLeader(ctx context.Context) error {
	var answer struct {
		Message struct {
			Sequence uint64    `json:"seq"`
			Data     []byte    `json:"data"`
			Time     time.Time `json:"time"`
		} `json:"message"`
	}
	s := r.stream
	asked, cancel := context.WithTimeout(ctx, askLeader)
	defer cancel()
	err := s.conn.api(asked, "$JS.API.STREAM.MSG.GET."+streamName(s.cfg.Cluster), object{"seq": r.next}, &answer)
	if err != nil || answer.Message.Sequence != r.next {
		return ctx.Err() // later
	}
	return r.deliver(jetstream.Message{Sequence: r.next, Time: answer.Message.Time.UnixMilli(), Data: answer.Message.Data})
}

// check asks the leader, if there is one, whether the next message is still to come
// or there, and whether the stream is the same.
func (r *reader) check(ctx context.Context) error {
	asked, cancel := context.WithTimeout(ctx, askLeader)
	defer cancel()
	state, err := r.stream.State(asked)
	switch {
	case err != nil:
		return ctx.Err() // nothing is known, which is no reason to stop
	case state.ID != r.id:
		return jetstream.ErrReplaced
	case r.next < state.First:
		return jetstream.ErrTrimmed
	}
	return nil
}

// decode reads what NATS says of a message in headers. Whoever gets the message
// owns its bytes.
func decode(m *natsgo.Msg) (jetstream.Message, error) {
	sequence, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
	if err != nil || sequence == 0 {
		return jetstream.Message{}, fmt.Errorf("read the sequence of a message: %w", errors.Join(err, errNoSequence))
	}
	at, err := time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp"))
	if err != nil {
		return jetstream.Message{}, fmt.Errorf("read the time of a message: %w", err)
	}
	return jetstream.Message{Sequence: sequence, Time: at.UnixMilli(), Data: m.Data}, nil
}

var errNoSequence = errors.New("it has none")

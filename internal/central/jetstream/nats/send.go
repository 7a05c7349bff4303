package nats

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/godwitkv/godwit/internal/central/jetstream"
)

// sender publishes messages in the order in which they come, and learns from the
// answers what became of them.
//
// The client library's own asynchronous publishing sends a message again when
// nobody leads the stream, after others that came later, and so changes the order.
// Here each message is sent once.
type sender struct {
	conn    *Conn
	subject string
	inbox   string // prefix of where answers go
	answers *natsgo.Subscription

	order sync.Mutex // held while a message is given to the connection

	mu      sync.Mutex
	next    uint64
	waiting map[uint64]*sent
	oldest  []*sent // in the order sent; answered ones are skipped
	closed  bool
}

// sent is a message without an answer yet.
type sent struct {
	key  uint64
	done func(error) // nil once it was called
	due  time.Time
}

func newSender(conn *Conn, subject string) (*sender, error) {
	s := &sender{conn: conn, subject: subject, inbox: natsgo.NewInbox() + ".", waiting: make(map[uint64]*sent)}
	var err error
	if s.answers, err = conn.nc.Subscribe(s.inbox+"*", s.answered); err != nil {
		return nil, fmt.Errorf("subscribe to answers: %w", err)
	}
	if err := s.answers.SetPendingLimits(-1, -1); err != nil { // as many as were sent
		return nil, fmt.Errorf("subscribe to answers: %w", err)
	}
	return s, nil
}

func (s *sender) send(msg []byte, done func(error)) {
	s.order.Lock()
	m, err := s.expect(done)
	if err == nil {
		err = s.conn.nc.PublishRequest(s.subject, s.inbox+strconv.FormatUint(m.key, 36), msg)
	}
	s.order.Unlock()
	switch {
	case err == nil:
	case m == nil:
		done(err)
	case errors.Is(err, natsgo.ErrMaxPayload):
		s.finish(m.key, jetstream.ErrTooLarge)
	default:
		s.finish(m.key, fmt.Errorf("%w: %w", errBroken, err))
	}
}

// expect makes room for an answer.
func (s *sender) expect(done func(error)) (*sent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errStopped
	}
	s.next++
	m := &sent{key: s.next, done: done, due: time.Now().Add(s.conn.cfg.Timeout)}
	s.waiting[m.key] = m
	s.oldest = append(s.oldest, m)
	return m, nil
}

// finish tells what became of a message, if that was not told yet.
func (s *sender) finish(key uint64, err error) {
	s.mu.Lock()
	m, ok := s.waiting[key]
	var done func(error)
	if ok {
		delete(s.waiting, key)
		done, m.done = m.done, nil
	}
	s.mu.Unlock()
	if ok {
		done(err)
	}
}

// answered takes an answer of the stream.
func (s *sender) answered(answer *natsgo.Msg) {
	key, err := strconv.ParseUint(strings.TrimPrefix(answer.Subject, s.inbox), 36, 64)
	if err != nil {
		return // none of ours
	}
	s.finish(key, acknowledged(answer))
}

// store publishes one message and waits for the answer.
func (c *Conn) store(ctx context.Context, m *natsgo.Msg) error {
	answer, err := c.nc.RequestMsgWithContext(ctx, m)
	switch {
	case errors.Is(err, natsgo.ErrNoResponders):
		return errNoLeader
	case err != nil:
		return err
	}
	return acknowledged(answer)
}

var failedPart = []byte(`"error"`)

// acknowledged returns nil if an answer says that the message was stored.
func acknowledged(answer *natsgo.Msg) error {
	if len(answer.Data) == 0 {
		if answer.Header.Get("Status") == "503" {
			return errNoLeader
		}
		return errNoAck
	}
	if !bytes.Contains(answer.Data, failedPart) && bytes.Contains(answer.Data, []byte(`"seq":`)) {
		return nil // as nearly all: decoding would cost more than all the rest
	}
	var ack struct {
		Error    *apiError `json:"error"`
		Sequence uint64    `json:"seq"`
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	switch {
	case ack.Error == nil && ack.Sequence > 0:
		return nil
	case ack.Error == nil:
		return errNoAck
	case ack.Error.Code == codeTooLong:
		return jetstream.ErrTooLarge
	case ack.Error.Code == codeFull && strings.Contains(ack.Error.Description, "maximum bytes"):
		return jetstream.ErrFull
	}
	return ack.Error
}

var errNoAck = errors.New("the answer to a message is not that of a stream")

// fail ends all that waits: the connection broke, so no answer will come.
func (s *sender) fail() { s.failAll(errBroken) }

func (s *sender) failAll(err error) {
	s.mu.Lock()
	lost := s.oldest
	s.oldest = nil
	clear(s.waiting)
	s.mu.Unlock()
	s.tell(lost, err)
}

// tell calls what was taken out of waiting, in the order sent.
func (s *sender) tell(lost []*sent, err error) {
	for _, m := range lost {
		s.mu.Lock()
		done := m.done
		m.done = nil
		s.mu.Unlock()
		if done != nil {
			done(err)
		}
	}
}

// expireEvery is how exactly timeouts are kept.
const expireEvery = 50 * time.Millisecond

// hasten leaves what waits no more time than lateAnswers: the stream has a new
// leader, and what the old one did not answer it never will. Without this, one
// message that an old leader dropped as it stepped down would hold up its sender
// for the whole timeout.
func (s *sender) hasten() {
	due := time.Now().Add(lateAnswers)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.oldest {
		if m.due.After(due) {
			m.due = due
		}
	}
}

// lateAnswers is how long answers of a leader may come after news of the next.
const lateAnswers = 150 * time.Millisecond

// expireLoop gives up what got no answer in time, until ctx ends.
func (s *sender) expireLoop(ctx context.Context) {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			s.tell(s.expired(now), errStalled)
		case <-ctx.Done():
			return
		}
	}
}

// expired takes out what is overdue, and forgets what was answered.
func (s *sender) expired(now time.Time) (lost []*sent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, m := range s.oldest {
		if m.done != nil {
			if m.due.After(now) {
				break
			}
			delete(s.waiting, m.key)
			lost = append(lost, m)
		}
		n++
	}
	s.oldest = s.oldest[n:]
	if len(s.oldest) == 0 {
		s.oldest = nil
	}
	return lost
}

func (s *sender) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	_ = s.answers.Unsubscribe() // or the connection is gone, and it with it
	s.failAll(errStopped)
}

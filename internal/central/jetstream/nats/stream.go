package nats

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit/internal/central/jetstream"
)

// StreamConfig says which stream, and how to make it. Conn and Cluster are
// required.
type StreamConfig struct {
	Conn     *Conn
	Cluster  string
	Replicas int   // default: 3
	MaxBytes int64 // of a stream that is made, less where NATS has no room; default: DefaultMaxBytes
	Logger   *slog.Logger
}

// How often the stream is looked at: until it is there, and then.
const (
	lookUntil = 200 * time.Millisecond
	lookThen  = 15 * time.Second
	// lookTimeout is short: a question that comes before the servers know each
	// other is lost.
	lookTimeout = 2 * time.Second
)

// Stream is a cluster's stream in NATS.
type Stream struct {
	cfg    StreamConfig
	conn   *Conn
	sender *sender

	root    context.Context
	cancel  context.CancelFunc
	workers errgroup.Group
	unhook  func()
	elected *natsgo.Subscription

	mu      sync.Mutex
	id      string // "" until the stream was found to be as it must be
	problem error
	changed chan struct{} // closed when id or problem changes
}

var _ jetstream.Stream = (*Stream)(nil)

// OpenStream opens the stream, and makes it if there is none. It does not wait for
// that: see Wait. Until then all methods fail, and Read waits.
func OpenStream(ctx context.Context, cfg StreamConfig) (*Stream, error) {
	if cfg.Replicas == 0 {
		cfg.Replicas = 3
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	sender, err := newSender(cfg.Conn, logSubject(cfg.Cluster))
	if err != nil {
		return nil, err
	}
	s := &Stream{cfg: cfg, conn: cfg.Conn, sender: sender, problem: errLooking, changed: make(chan struct{})}
	s.root, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.elected, err = cfg.Conn.nc.Subscribe(electedSubject(cfg.Cluster), func(*natsgo.Msg) { sender.hasten() })
	if err != nil {
		return nil, fmt.Errorf("subscribe to elections: %w", err)
	}
	s.unhook = cfg.Conn.onBreak(sender.fail)
	s.workers.Go(s.look)
	s.workers.Go(func() error { sender.expireLoop(s.root); return nil })
	return s, nil
}

var errLooking = errors.New("the stream was not reached yet")

// Close ends what goes on; whatever was sent and not acknowledged fails.
func (s *Stream) Close() error {
	s.unhook()
	s.cancel()
	_ = s.elected.Unsubscribe() // or the connection is gone, and it with it
	s.sender.close()
	return s.workers.Wait()
}

// Wait returns once the stream is there and as it must be. Error: *RefusedError if
// somebody has to put something right first, or why it is not there yet when ctx
// ended.
func (s *Stream) Wait(ctx context.Context) error {
	for {
		s.mu.Lock()
		id, problem, changed := s.id, s.problem, s.changed
		s.mu.Unlock()
		var refused *RefusedError
		switch {
		case id != "":
			return nil
		case errors.As(problem, &refused):
			return refused
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("open stream: %w (%w)", problem, ctx.Err())
		case <-s.root.Done():
			return errStopped
		}
	}
}

// Problem is what was last found to be wrong with the stream, nil if nothing.
func (s *Stream) Problem() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}

// usable returns why the stream is not to be used; a stream that was once as it
// must be stays in use.
func (s *Stream) usable() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.id != "" {
		return nil
	}
	return s.problem
}

// look finds or makes the stream, and looks again now and then whether it still is
// as it must be.
func (s *Stream) look() error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.root.Done():
			return nil
		}
		ctx, cancel := context.WithTimeout(s.root, lookTimeout)
		id, err := s.find(ctx)
		cancel()
		s.found(id, err)
		again := lookThen
		if s.usable() != nil {
			again = lookUntil
		}
		timer.Reset(again)
	}
}

func (s *Stream) found(id string, err error) {
	if s.root.Err() != nil {
		return
	}
	s.mu.Lock()
	known, before := s.id, s.problem
	if err == nil && known != "" && known != id {
		err = errReplaced
	}
	if err == nil {
		s.id = id
	}
	s.problem = err
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	s.report(before, err)
}

// report tells what is new.
func (s *Stream) report(before, err error) {
	log := s.cfg.Logger.With(logStream, streamName(s.cfg.Cluster))
	var refused *RefusedError
	switch {
	case err == nil && before != nil:
		level := slog.LevelInfo
		if s.conn.cfg.Server == nil { // what others run is worth a word
			level = slog.LevelWarn
		}
		log.Log(context.Background(), level, "stream found", "durability", s.Durability())
	case err == nil || before != nil && before.Error() == err.Error():
	case errors.As(err, &refused), errors.Is(err, errReplaced):
		log.Warn("stream not as it must be", logError, err.Error())
	default:
		log.Debug("stream not reached", logError, err.Error())
	}
}

var errReplaced = fmt.Errorf("%w: it was deleted and made again while this member ran", jetstream.ErrReplaced)

// info is what NATS tells of a stream.
type info struct {
	Config  object    `json:"config"`
	Created time.Time `json:"created"`
	State   struct {
		Bytes     int64     `json:"bytes"`
		First     uint64    `json:"first_seq"`
		FirstTime time.Time `json:"first_ts"`
		Last      uint64    `json:"last_seq"`
	} `json:"state"`
	Cluster *clusterInfo `json:"cluster"`
}

type clusterInfo struct {
	Leader   string `json:"leader"`
	Replicas []struct {
		Name    string        `json:"name"`
		Current bool          `json:"current"`
		Offline bool          `json:"offline"`
		Active  time.Duration `json:"active"`
		Lag     uint64        `json:"lag"`
		Pending bool          `json:"pending"` // it is to be one, or not to be one any more
	} `json:"replicas"`
	Desired *struct{} `json:"desired"` // while the stream is moved to other servers
}

// lostAfter is how long a follower may say nothing, which says something every
// second, until the leader cannot count on it.
const lostAfter = 5 * time.Second

// led returns why there is no leader. Without one, each replica answers for itself;
// one that has lost its followers goes on to lead for ten seconds, and more. So does one
// whose followers have yet to get what they lack: until then they take nothing new.
func (c *clusterInfo) led() error {
	if c == nil { // a single server
		return nil
	}
	if c.Leader == "" {
		return errNoLeader
	}
	heard := 1
	for _, r := range c.Replicas {
		if r.Current && !r.Offline && r.Active < lostAfter {
			heard++
		}
	}
	if heard <= (1+len(c.Replicas))/2 {
		return errNoQuorum
	}
	return nil
}

// most is how many bytes the stream may hold.
func (i *info) most() int64 {
	most, _ := i.Config["max_bytes"].(float64)
	return int64(most)
}

// id is of this very stream. A restored copy of one has the same metadata, but
// another time of creation.
func (i *info) id() string {
	metadata, _ := i.Config["metadata"].(object)
	id, _ := metadata[idKey].(string)
	if id == "" {
		return ""
	}
	return fmt.Sprintf("%s-%x", id, i.Created.UnixNano())
}

// find returns the id of the stream, which it makes if there is none and never was
// one.
func (s *Stream) find(ctx context.Context) (string, error) {
	if err := s.conn.checkServer(); err != nil && s.conn.connection() == nil {
		return "", err
	}
	i, err := s.info(ctx)
	if hasCode(err, codeNotFound) && s.usable() != nil {
		i, err = s.create(ctx)
	}
	if err != nil {
		return "", err
	}
	different := differences(i.Config, wanted(&s.cfg, ""))
	if i.id() == "" {
		different = append(different, "its metadata has no "+idKey)
	}
	if len(different) > 0 {
		return "", differentError(streamName(s.cfg.Cluster), different)
	}
	return i.id(), nil
}

func (s *Stream) info(ctx context.Context) (*info, error) {
	i := new(info)
	return i, s.conn.api(ctx, "$JS.API.STREAM.INFO."+streamName(s.cfg.Cluster), nil, i)
}

// create makes the stream, unless another member was faster. Where NATS has no room
// for so much, it may hold the half of it, and so on.
func (s *Stream) create(ctx context.Context) (*info, error) {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	cfg := s.cfg
	for {
		i := new(info)
		err := s.conn.api(ctx, "$JS.API.STREAM.CREATE."+streamName(cfg.Cluster), wanted(&cfg, hex.EncodeToString(id[:])), i)
		switch {
		case hasCode(err, codeExists):
			return s.info(ctx)
		case hasCode(err, codeReplicas):
			return nil, &RefusedError{fmt.Sprintf("NATS has not the %d servers with JetStream that the stream's replicas need: %v", cfg.Replicas, err)}
		case !noRoom(err):
			return i, err
		case cfg.MaxBytes/2 < leastMaxBytes:
			return nil, &RefusedError{fmt.Sprintf("NATS has no room for a stream of %d MiB, which is the least that godwit needs: %v", cfg.MaxBytes>>20, err)}
		}
		cfg.MaxBytes /= 2
	}
}

// State implements jetstream.Stream.
func (s *Stream) State(ctx context.Context) (jetstream.State, error) {
	if err := s.usable(); err != nil {
		return jetstream.State{}, err
	}
	i, err := s.info(ctx)
	if err == nil {
		err = i.Cluster.led()
	}
	if err != nil {
		return jetstream.State{}, fmt.Errorf("ask for the stream's state: %w", err)
	}
	state := jetstream.State{
		ID: i.id(), First: i.State.First, Last: i.State.Last, Bytes: i.State.Bytes, Created: i.Created,
		FirstTime: i.State.FirstTime, Most: i.most(),
		Leader: s.conn.nc.ConnectedServerName(), Uncounted: !s.counts(i),
	}
	if i.Cluster != nil {
		state.Leader = i.Cluster.Leader
	}
	if state.Last == 0 {
		state.First = 0
	}
	return state, nil
}

// Begin implements jetstream.Stream.
func (s *Stream) Begin(ctx context.Context, msg []byte) error {
	if err := s.usable(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.conn.cfg.Timeout)
	defer cancel()
	m := natsgo.NewMsg(logSubject(s.cfg.Cluster))
	m.Header.Set("Nats-Expected-Last-Sequence", "0")
	m.Data = msg
	err := s.conn.store(ctx, m)
	if hasCode(err, codeWrongLast, codeConflict) {
		return s.notEmpty(ctx)
	}
	if err != nil {
		return fmt.Errorf("begin stream: %w", err)
	}
	return nil
}

// notEmpty tells a stream that has begun from one whose first message is on its way,
// and may get lost.
func (s *Stream) notEmpty(ctx context.Context) error {
	state, err := s.State(ctx)
	if err == nil && state.Last > 0 {
		return jetstream.ErrNotEmpty
	}
	return fmt.Errorf("begin stream: another member is about to: %w", errors.Join(err, errConflict))
}

// Send implements jetstream.Stream.
func (s *Stream) Send(msg []byte, done func(error)) {
	if err := s.usable(); err != nil {
		done(err)
		return
	}
	s.sender.send(msg, done)
}

// MaxMessage implements jetstream.Stream.
func (s *Stream) MaxMessage() int { return s.conn.MaxMessage() }

// Trim implements jetstream.Stream.
func (s *Stream) Trim(ctx context.Context, first uint64) error {
	if err := s.usable(); err != nil {
		return err
	}
	request := object{"seq": first}
	if err := s.conn.api(ctx, "$JS.API.STREAM.PURGE."+streamName(s.cfg.Cluster), request, nil); err != nil {
		return fmt.Errorf("trim stream: %w", err)
	}
	return nil
}

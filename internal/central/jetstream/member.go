package jetstream

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/pause"
	"github.com/godwitkv/godwit/internal/planted"
	"github.com/godwitkv/godwit/internal/steady"
	"github.com/godwitkv/godwit/internal/store"
)

// Config is what a member needs. Store, Stream, Registry, Self and Now are
// required.
type Config struct {
	Store    *store.Store // opened with Follower: its log is the stream
	Stream   Stream
	Registry Registry
	Self     MemberInfo // its Formats are Config's
	Now      func() time.Time

	// Join makes the store a copy of a peer's, exact at a message's end, and returns
	// at which one. The store holds that place then, durably. See Joiner. nil: a
	// member that needs it fails. JoinProgress tells how far it is; nil: nobody does.
	Join         func(ctx context.Context, peers []MemberInfo) (Place, error)
	JoinProgress func() string

	// Formats is the highest format of messages that this member says to read, and
	// reads. 0: LastFormat.
	Formats int

	// TrimWindow is how many bytes of messages the stream keeps at the least, for
	// members that were away to find their place. 0: 64 MiB. Of a stream that may hold
	// little it is an eighth of that, and TrimCap the half.
	TrimWindow int64

	// TrimCap is how many bytes of messages the stream holds before members that
	// are absent are not waited for; if then fewer than two hold what is in it,
	// writes are refused. At least twice the window. 0: 4 GiB.
	TrimCap int64

	// CompareEvery is how often members compare their stores; less often where that
	// takes them long. 0: an hour; below 0: never.
	CompareEvery time.Duration

	// Serving is told once the store has caught up with the cluster, each time the
	// member starts; the member is not ready before, but for one that starts without
	// its cluster. Its error is logged, and it is told again.
	Serving func(ctx context.Context) error

	// MayHold is asked once a batch, or a copy of a peer, is in, and tells why this
	// member must not go on to hold what the log's namespaces do. nil: it may.
	MayHold func() error

	// Yield has another of the stream's servers lead it, if this machine's does: the
	// leader's clock is the log's, and this machine's is wrong. nil: nobody is told.
	Yield func()

	// Fenced is told that a later generation has taken the log over, and that nothing
	// is written here any more.
	Fenced func(by uint64)

	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

func (c *Config) setDefaults() {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	if c.MayHold == nil {
		c.MayHold = func() error { return nil }
	}
	if c.Yield == nil {
		c.Yield = func() {}
	}
	if c.Formats == 0 {
		c.Formats = LastFormat
	}
	if c.TrimWindow == 0 {
		c.TrimWindow = defaultTrimWindow
	}
	if c.TrimCap == 0 {
		c.TrimCap = defaultTrimCap
	}
	if c.CompareEvery == 0 {
		c.CompareEvery = defaultCompareEvery
	}
	c.TrimCap = max(c.TrimCap, 2*c.TrimWindow)
	c.Self.Formats = c.Formats
}

// Log keys.
const (
	logError    = "error"
	logEpoch    = "epoch"
	logFirst    = "first"
	logReason   = "reason"
	logRevision = "revision"
	logSequence = "sequence"
)

// Member is one of the nodes that share a log. To the packages above it is a
// godwit.Reader, a godwit.Log and a godwit.Uploader, as any node is.
type Member struct {
	cfg      Config
	store    *store.Store
	log      *slog.Logger
	proposer *proposer
	chunks   *assembler
	fresh    freshness
	board    board
	met      *metrics

	registered atomic.Bool
	stranger   atomic.Bool // its name is another's
	roster     roster
	extent     extent
	window     window
	comparison comparison
	trimmedAt  time.Time // upkeep's own
	padding    padding   // likewise
	formatSent time.Time // upkeep's own
	yielded    time.Time // beat's own

	steady *steady.Clock               // this machine's
	told   atomic.Pointer[membersTime] // what members said last

	applying  sync.Mutex // held to change the store, and place
	place     Place      // up to where the stream is applied
	noted     uint64     // the sequence that the store's note says
	stuck     uint64     // the message for which there was no room; 0: none
	applied   atomic.Uint64
	messages  atomic.Int64 // applied since the start
	flushed   atomic.Uint64
	serving   atomic.Bool // reads are answered
	settled   atomic.Bool // Config.Serving is not waited for any more
	counted   atomic.Bool // the log counts on this member, or that is not waited for any more
	uncounted atomic.Bool // it does not, as far as was heard last
	joining   atomic.Bool // the store becomes a copy of a peer's

	caught   sync.Once
	caughtUp chan struct{} // closed once the member has caught up since it started

	ctx    context.Context // of the member's own work
	cancel context.CancelFunc
	work   errgroup.Group
	failed chan error
}

var (
	_ godwit.Reader   = (*Member)(nil)
	_ godwit.Log      = (*Member)(nil)
	_ godwit.Uploader = (*Member)(nil)
)

// Open starts to follow the stream, and returns at once, whether the stream can be
// reached or not. Errors: those of the store, which may be one that was found to
// differ from the others', or ErrFormat.
func Open(ctx context.Context, cfg Config) (*Member, error) {
	cfg.setDefaults()
	m := &Member{cfg: cfg, store: cfg.Store, log: cfg.Logger, caughtUp: make(chan struct{}), failed: make(chan error, 1)}
	m.fresh.start = time.Now()
	m.board.log = cfg.Logger
	m.steady = steady.New(cfg.Now, steady.Doubt)
	m.proposer = newProposer(cfg.Stream, m.batchTime, m.board.writes)
	m.chunks = newAssembler(cfg.Store)
	var err error
	if m.place, err = readPlace(cfg.Store); err != nil {
		return nil, err
	}
	if err := errors.Join(diverged(cfg.Store, cfg.Self.Name), m.useFormat(m.place.Format)); err != nil {
		return nil, err
	}
	m.noted = m.place.Sequence
	m.applied.Store(m.place.Sequence)
	m.window.size, m.comparison.since = cfg.TrimWindow, time.Now()
	m.met = newMetrics(m)
	m.endWrites()
	m.ctx, m.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if planted.EarlyMember && m.place.Sequence > 0 {
		m.hear(time.Now(), 0)
	}
	for _, work := range []func(context.Context) error{
		m.proposer.run, m.proposer.lookOut, m.run, m.flushLoop, m.standAlone, m.settleIn, m.register, m.countIn, m.listen, m.beat, m.upkeep,
	} {
		m.work.Go(func() error {
			if err := work(m.ctx); err != nil && m.ctx.Err() == nil {
				m.fail(err)
			}
			return nil
		})
	}
	return m, nil
}

// fail ends the member's own work.
func (m *Member) fail(err error) {
	select {
	case m.failed <- err:
	default: // it has failed already
	}
	m.cancel()
	m.serving.Store(false)
}

// Failed delivers an error once the member cannot go on: its disk failed, the log
// has a message that it cannot read, or its store differs from the others'.
func (m *Member) Failed() <-chan error { return m.failed }

// Close stops following. The store stays open.
func (m *Member) Close() error {
	m.cancel()
	_ = m.work.Wait() // its errors went to Failed
	m.met.unregister()
	m.proposer.packer.close()
	err := m.flush() // with the chunks that are needed again
	m.chunks.close()
	return err
}

// Ready tells whether the member is one to send clients to: reads are served, what
// every cluster has is known here, the log counts on it, and its clock is right.
func (m *Member) Ready() bool {
	return m.serving.Load() && m.settled.Load() && m.counted.Load() && !m.board.clockIsOff() && !m.stranger.Load()
}

// Pauses after what went wrong.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = time.Second
)

// run follows the stream until ctx ends, or the member can go on no longer.
func (m *Member) run(ctx context.Context) error {
	wait := firstPause
	for ctx.Err() == nil {
		since := time.Now()
		err := m.follow(ctx)
		if f := (*fatalError)(nil); errors.As(err, &f) {
			return err
		}
		if ctx.Err() != nil {
			break
		}
		m.board.problem(err)
		if time.Since(since) > lastPause {
			wait = firstPause
		}
		pause.For(ctx, wait)
		wait = min(2*wait, lastPause)
	}
	return nil
}

// follow applies the stream from where the store is.
func (m *Member) follow(ctx context.Context) error {
	st, err := m.cfg.Stream.State(ctx)
	if err != nil {
		return err
	}
	if st.Last == 0 {
		return m.found(ctx)
	}
	from, why := m.resume(st)
	if why == nil {
		m.log.Info("following the cluster's log", logSequence, from, logRevision, uint64(m.store.Revision()))
		m.board.following()
		m.proposer.begin()
		why = m.read(ctx, from)
	}
	if errors.Is(why, ErrTrimmed) || errors.Is(why, errForeign) {
		return m.join(ctx, why)
	}
	return why
}

// fatalError ends the member.
type fatalError struct{ err error }

func fatal(err error) error { return &fatalError{err} }

func (e *fatalError) Error() string { return e.err.Error() }
func (e *fatalError) Unwrap() error { return e.err }

// settleIn tells Config.Serving once the member has caught up, until that succeeds.
func (m *Member) settleIn(ctx context.Context) error {
	if m.cfg.Serving == nil {
		m.settled.Store(true)
		return nil
	}
	select {
	case <-m.caughtUp:
	case <-ctx.Done():
	}
	for ctx.Err() == nil {
		err := m.cfg.Serving(ctx)
		if err == nil {
			m.settled.Store(true)
			m.board.following() // what was in the way is not any more
			break
		}
		m.board.problem(err)
		pause.For(ctx, lastPause)
	}
	return nil
}

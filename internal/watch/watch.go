// Package watch tells of changes under a prefix as they happen, from any
// revision on: what stands now of each change, in order.
//
// It owns the hub that hands on what the store commits and what expires, and how
// an event looks. It must not import an API, a log or an edge.
//
// Nobody queues events for anyone. The hub keeps a ring of what was changed
// lately in each namespace that is watched, within one bound for all of them, and
// each watch reads it at its own pace. A watch that is older than the ring, or
// that has fallen out of it, is told in rounds what the store holds now of what
// has changed since, until the ring holds the rest. A reader that never reads
// thus costs what it is being told just now, and nothing more.
//
// A watch may be told twice of a change after it was resumed or has been in
// rounds, but it never misses one: whoever applies the events to a map has what
// the store has whenever a Ready comes.
package watch

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// MaxValue is the longest value that an event carries.
const MaxValue = 64 << 10

const (
	defaultRing = 32 << 20
	maxRounds   = 4 // that read the store at once
	// late is by how much an expiry may be told after its second before the hub
	// takes note of it.
	late = 30 * time.Second
)

// Config is what a Hub needs. Store is required.
type Config struct {
	Store    *store.Store
	Follower bool                  // the log is upstream: a position ahead of the store may yet come
	RingSize int                   // bytes of changes kept, for all watches; default 32 MiB
	Now      func() time.Time      // corrected clock, which expiries go by; default: time.Now
	Logger   *slog.Logger          // default: none
	Metrics  prometheus.Registerer // default: none
}

func (c *Config) setDefaults() {
	if c.RingSize <= 0 {
		c.RingSize = defaultRing
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
}

// Hub serves watches. Its methods may be called from many goroutines.
type Hub struct {
	cfg     Config
	metrics *metrics
	rounds  chan struct{} // holds one for each round that reads the store
	closed  chan struct{} // closed by Close

	mu      sync.Mutex
	topics  map[godwit.NamespaceID]*topic
	rev     godwit.Revision // up to which Committed has told
	time    int64           // the log's at that revision, unix milliseconds; 0: not known
	mixed   bool            // between Mixed and Exact
	states  uint64          // counts what Mixed and Exact tell
	life    uint64          // counts the times that all watches must begin anew
	pending []store.Expired // of entries that Committed has yet to tell of
	latest  int64           // latest second of an expiry that Expired was told of
	behind  span            // when expiries were told late
}

// New returns a hub. Whoever makes it hands it what the store commits and what
// expires from then on.
func New(cfg Config) *Hub {
	cfg.setDefaults()
	return &Hub{
		cfg: cfg, metrics: newMetrics(cfg), topics: make(map[godwit.NamespaceID]*topic),
		rounds: make(chan struct{}, maxRounds), closed: make(chan struct{}), rev: cfg.Store.Revision(),
	}
}

// Close ends all watches.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.closed:
	default:
		close(h.closed)
		h.metrics.registered.Unregister()
	}
}

// Done is closed by Close.
func (h *Hub) Done() <-chan struct{} { return h.closed }

// Request is what to watch.
type Request struct {
	Namespace godwit.NamespaceID
	Prefix    string
	After     string // ID of the last event seen; "": from now on
	Values    bool   // with the values of puts, up to MaxValue
}

// Kind is what happened.
type Kind string

// The kinds.
const (
	Put       Kind = "put"
	Deleted   Kind = "delete"
	Expired   Kind = "expire"
	Ready     Kind = "ready"     // all up to ID has been told
	Reset     Kind = "reset"     // the position is too old: read all anew, then go on from ID
	Heartbeat Kind = "heartbeat" // nothing happened
)

// Event is one change, or a word about the watch. Whoever gets one must not
// change it.
type Event struct {
	Kind       Kind
	ID         string // resumes behind this event
	Key        string
	Revision   godwit.Revision // of the change, or of the entry that expired
	Expiration int64           // of a put or an expiry, unix seconds; 0: never
	Metadata   []byte          // of a put; nil: none
	Size       int64           // of a put's value
	Value      []byte          // of a put; nil: it was not asked for, is too long or is not here
	More       bool            // another event follows at once
}

// heartbeatEvery is after how long without an event a Heartbeat is told, and
// idleReady after how long a Ready, so that the ID to resume from does not grow
// old.
const (
	heartbeatEvery = 15 * time.Second
	idleReady      = 10 * time.Minute
)

// errStopped ends a watch whose reader wants no more.
var errStopped = errors.New("no more events are wanted")

// Watch yields events until ctx ends, the hub closes or the namespace is
// deleted. It starts with a Ready, or with what has changed since q.After. Within
// one call the revisions of IDs do not go back, but after a Reset. Errors:
// CodeInvalidRequest for an ID that is none; CodeKeyTooLong; ErrNamespaceNotFound,
// once all before the deletion has been told; CodeUnavailable.
func (h *Hub) Watch(ctx context.Context, q Request) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		w, err := h.open(ctx, q, yield)
		if err == nil {
			err = w.run()
			w.close()
		}
		if err != nil && !errors.Is(err, errStopped) && ctx.Err() == nil {
			yield(Event{}, err)
		}
	}
}

package feed

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/room"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/trace"
)

// Prefix starts the path of every request that one node makes of another.
const Prefix = "/godwit/v1/feed"

// ServerConfig is what a Server needs. All fields but Shared, Exact, Age, Carries,
// Self, Place, Outranked, Requests and the bounds are required.
type ServerConfig struct {
	Store    *store.Store
	Reader   godwit.Reader // answers the reads that followers pass on
	Log      godwit.Log    // takes the writes that followers pass on
	Uploader godwit.Uploader
	Catalog  func() *catalog.Catalog // nil as long as the node starts
	Limits   godwit.Limits

	Owner   bool                 // the node owns the log
	Shared  bool                 // it does so together with others, and may lag behind them
	Exact   func() bool          // the store is an exact prefix of the log; nil: always
	Age     func() time.Duration // for how long the node may have missed a write; nil: 0
	Carries func() Filter        // what the node itself carries; nil: all
	Self    func() NodeInfo      // for the tree
	// Requests is how many requests the node has answered so far, those of its
	// followers left out: walks leave them the processor. nil: there are none.
	Requests func() uint64

	// Outranked is told that a follower has followed a later generation of the log,
	// which this node owned: it is to take no more writes. nil: nobody
	// is told.
	Outranked func(generation uint64)

	// Place is where in a shared log a state of the store stands, as its members
	// write it. Error: the state is of no use to another member. nil: no state is
	// handed over.
	Place func(*store.View) ([]byte, error)

	MaxFollowers  int // streams at once; default 1024
	MaxReconciles int // walks at once; default 4
	RingBytes     int // of recent batches; default 64 MiB

	Now func() time.Time
	// Sure is the time that followers are told, and go by; zero: nothing is. nil: Now.
	Sure    func() time.Time
	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

func (c *ServerConfig) setDefaults() {
	if c.Outranked == nil {
		c.Outranked = func(uint64) {}
	}
	if c.Sure == nil {
		c.Sure = c.Now
	}
	if c.MaxFollowers <= 0 {
		c.MaxFollowers = 1024
	}
	if c.MaxReconciles <= 0 {
		c.MaxReconciles = 4
	}
	if c.RingBytes <= 0 {
		c.RingBytes = 64 << 20
	}
}

// clock is the time that a follower is told, unix milliseconds; 0: nothing.
func (s *Server) clock() int64 { return max(s.cfg.Sure().UnixMilli(), 0) }

// maxLimitedFollowers is how many streams there are at once of one token that is limited
// to namespaces.
const maxLimitedFollowers = 64

// Keys of the log.
const (
	logError      = "error"
	logGeneration = "generation"
	logLasted     = "lasted"
	logReason     = "reason"
	logToken      = "token"
	logWalk       = "walk"
)

// Server serves followers.
type Server struct {
	cfg     ServerConfig
	ring    *ring
	walks   *room.Room // turns to be copied to
	paces   paces
	metrics *serverMetrics
	serves  map[string]map[string]endpoint

	proposals *room.Room // bytes of requests that propose

	mu        sync.Mutex
	streams   map[*outgoing]struct{} // admitted
	followers map[uint64]*follower   // by session
	walkers   map[uint64]*follower   // the same of those that are being copied to
	told      toldBytes              // by followers and walkers
	suspended bool
	suspends  int  // how often that was
	fenced    *End // why no stream is taken any more; nil: they are
	closed    bool
	gone      chan struct{} // closed once closed is set and the streams are over
}

// NewServer returns a server. Whoever makes it hands it all that the store
// commits from then on.
func NewServer(cfg ServerConfig) *Server {
	cfg.setDefaults()
	m := newServerMetrics()
	s := &Server{
		cfg: cfg, ring: newRing(cfg.RingBytes, cfg.Store.Revision(), newBounds(cfg.Catalog), m.encoded),
		proposals: room.New(maxProposalsBytes),
		walks:     room.New(int64(cfg.MaxReconciles)), metrics: m, serves: endpoints(),
		streams: make(map[*outgoing]struct{}), followers: make(map[uint64]*follower),
		walkers: make(map[uint64]*follower), told: toldBytes{tokens: make(map[string]int)}, gone: make(chan struct{}),
	}
	s.paces.requests = cfg.Requests
	m.register(s)
	return s
}

// Committed takes what the store has committed, in order. It is quick, and keeps
// nothing of c.
func (s *Server) Committed(c *store.Committed) {
	s.paces.own.Add(1)
	s.ring.add(c)
}

// endpoint answers a request. An error comes before anything is answered.
type endpoint func(*Server, http.ResponseWriter, *http.Request, *catalog.Principal) error

// endpoints are all there are: by what stands behind Prefix, and by method.
func endpoints() map[string]map[string]endpoint {
	const get, post = http.MethodGet, http.MethodPost
	return map[string]map[string]endpoint{
		"":        {get: (*Server).serveFeed},
		"/walk":   {get: (*Server).serveWalk, post: (*Server).servePlaces},
		"/state":  {get: (*Server).serveState},
		"/report": {post: (*Server).serveReport},

		"/entries":  {post: (*Server).serveEntries},
		"/list":     {get: (*Server).serveList},
		"/value":    {get: (*Server).serveValue},
		"/propose":  {post: (*Server).servePropose},
		"/barrier":  {post: (*Server).serveBarrier},
		"/identify": {post: (*Server).serveIdentify},
	}
}

// ServeHTTP serves a request whose path starts with Prefix, for whom its
// credential stands, which its context carries. It asks catalog.Authorize itself.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request, p *catalog.Principal) {
	methods, ok := s.serves[strings.TrimPrefix(r.URL.Path, Prefix)]
	if !ok {
		writeReply(w, reply{http.StatusNotFound, "not_found"}, "There is nothing at this path.")
		return
	}
	serve, ok := methods[r.Method]
	if !ok {
		allow := strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
		w.Header().Set("Allow", allow)
		writeReply(w, reply{http.StatusMethodNotAllowed, "method_not_allowed"}, "This path takes "+allow+".")
		return
	}
	switch at := strings.TrimPrefix(r.URL.Path, Prefix); at {
	case "", "/walk", "/report": // a copy under way makes these itself
	default:
		trace.Describe(r.Context(), "feed", at[1:])
		s.paces.own.Add(1)
	}
	r, err := withHops(r)
	if err == nil {
		err = serve(s, w, r, p)
	}
	if err != nil {
		if code := godwit.CodeOf(err); (code == godwit.CodeInternal || code == godwit.CodeDamaged) && r.Context().Err() == nil {
			s.cfg.Logger.Error("request of a node failed", slog.String(logError, err.Error()))
		}
		writeError(w, err)
	}
}

// admit takes a stream in, or says why not.
func (s *Server) admit(o *outgoing, f *follower) *End {
	exact := s.exact()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return errClosing
	case s.fenced != nil:
		return s.fenced
	case s.suspended || !exact:
		return errSuspended
	case !f.walks && (len(s.followers) >= s.cfg.MaxFollowers || s.followersOf(f.principal.Limited()) >= maxLimitedFollowers):
		return s.elsewhere(f)
	}
	s.streams[o] = struct{}{}
	if f.walks {
		s.walkers[o.session] = f
	} else {
		s.followers[o.session] = f
	}
	return nil
}

// followersOf is how many follow with a token that is limited to namespaces. The caller
// holds s.mu.
func (s *Server) followersOf(limited string) (n int) {
	if limited == "" {
		return 0
	}
	for _, f := range s.followers {
		if f.principal.Token.ID == limited {
			n++
		}
	}
	return n
}

func (s *Server) dismiss(o *outgoing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, o)
	for _, f := range []*follower{s.followers[o.session], s.walkers[o.session]} {
		if f != nil {
			s.forget(f)
		}
	}
	delete(s.followers, o.session)
	delete(s.walkers, o.session)
	s.ifGone()
}

// ifGone needs s.mu held.
func (s *Server) ifGone() {
	if s.closed && len(s.streams) == 0 {
		close(s.gone)
	}
}

// errClosing ends streams when the server closes.
var errClosing = &End{EndClosing, "this node stops"}

// Suspend ends all streams (EndSuspended) and takes no new ones until Resume:
// the store is not an exact copy for now.
func (s *Server) Suspend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.suspended = true
	s.suspends++
	s.endAll(errSuspended)
}

// Resume takes streams again. Followers go on from their positions.
func (s *Server) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.suspended = false
}

// suspensions is how often the server was suspended; below 0: it is now.
func (s *Server) suspensions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.suspended {
		return -1
	}
	return s.suspends
}

// endAll needs s.mu held.
func (s *Server) endAll(why *End) {
	for o := range s.streams {
		o.cancel(why)
	}
}

// Close ends all streams with EndClosing and returns once they are gone, or ctx
// is.
func (s *Server) Close(ctx context.Context) error {
	s.close()
	select {
	case <-s.gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	s.endAll(errClosing)
	s.ifGone()
	s.metrics.unregister()
}

func (s *Server) exact() bool { return s.cfg.Exact == nil || s.cfg.Exact() }

func (s *Server) age() time.Duration {
	if s.cfg.Age == nil {
		return 0
	}
	return s.cfg.Age()
}

func (s *Server) account() string { return s.cfg.Catalog().Account() }

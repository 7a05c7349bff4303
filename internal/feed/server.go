package feed

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/store"
)

// Prefix starts the path of every request that one node makes of another.
const Prefix = "/godwit/v1/feed"

// ServerConfig is what a Server needs. All fields but Exact, Age, Carries, Self
// and the bounds are required.
type ServerConfig struct {
	Store    *store.Store
	Reader   godwit.Reader // answers the reads that followers pass on
	Log      godwit.Log    // takes the writes that followers pass on
	Uploader godwit.Uploader
	Catalog  func() *catalog.Catalog
	Limits   godwit.Limits

	Owner   bool                 // the node owns the log
	Exact   func() bool          // the store is an exact prefix of the log; nil: always
	Age     func() time.Duration // for how long the node may have missed a write; nil: 0
	Carries func() Filter        // what the node itself carries; nil: all
	Self    func() NodeInfo      // for the tree

	MaxFollowers  int // streams at once; default 1024
	MaxReconciles int // walks at once; default 4
	RingBytes     int // of recent batches; default 64 MiB

	Now     func() time.Time
	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

// Server serves followers.
type Server struct {
	cfg ServerConfig
}

// NewServer returns a server. Whoever makes it hands it all that the store
// commits from then on.
func NewServer(cfg ServerConfig) *Server { panic("later") }

// Committed takes what the store has committed, in order. It is quick, and keeps
// nothing of c.
func (s *Server) Committed(c *store.Committed) { panic("later") }

// ServeHTTP serves a request whose path starts with Prefix, for whom its
// credential stands. It asks catalog.Authorize itself.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request, p *catalog.Principal) {
	panic("later")
}

// Followers are those that follow this node now, and those behind them.
func (s *Server) Followers() []Node { panic("later") }

// Suspend ends all streams (EndSuspended) and takes no new ones until Resume:
// the store is not an exact copy for now.
func (s *Server) Suspend() { panic("later") }

// Resume takes streams again. Followers go on from their positions.
func (s *Server) Resume() { panic("later") }

// Close ends all streams with EndClosing and returns once they are gone, or ctx
// is.
func (s *Server) Close(ctx context.Context) error { panic("later") }

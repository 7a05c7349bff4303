package node

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/binding"
	"github.com/godwitkv/godwit/internal/api/cloudflare"
	"github.com/godwitkv/godwit/internal/api/native"
	"github.com/godwitkv/godwit/internal/dashboard"
)

const (
	headerTimeout  = 10 * time.Second
	idleTimeout    = 5 * time.Minute
	maxHeaderBytes = 64 << 10
	cloudflarePath = "/client/v4/"
)

// newServers makes the servers of all ports.
func (n *Node) newServers() {
	n.api = n.httpServer(n.counted(closingOld(unlessStreamed(usualPatience(), n.traced(n.dispatch())))))
	n.binding = binding.New(binding.Config{
		Service: n.service, Logger: n.cfg.Logger, Metrics: n.cfg.Metrics, MaxValueBytes: n.cfg.Limits.MaxValueBytes, Tracer: n.traces.Tracer(),
	})
	if n.listen.pprof != nil {
		n.pprof = n.httpServer(profiler())
	}
}

func (n *Node) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(n.cfg.Logger.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return n.root },
		// As every path is served as it stands, "OPTIONS *" is one like others.
		DisableGeneralOptionsHandler: true,
	}
}

// counted keeps the count of requests.
func (n *Node) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.requests.enter()
		defer n.requests.leave()
		h.ServeHTTP(w, r)
	})
}

// closingOld has a request over HTTP/1.0 be the last of its connection. net/http passes
// over a Transfer-Encoding there and hides it, so what follows the head may be a body
// instead of the next request.
func closingOld(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !r.ProtoAtLeast(1, 1) {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, r)
	})
}

// dispatch goes by the path as it came. A ServeMux would clean it first, and
// send the client of a key like "a//b" to another key.
func (n *Node) dispatch() http.Handler {
	var passOn func(http.ResponseWriter, *http.Request) error
	var passUncarried func(http.ResponseWriter, *http.Request, godwit.NamespaceID) (bool, error)
	if n.cfg.edge() {
		passOn, passUncarried = n.passOn, n.passUncarried
	}
	rest := cloudflare.New(cloudflare.Config{
		Service: n.service, Logger: n.cfg.Logger, Metrics: n.cfg.Metrics, Now: n.now, PassOn: passOn,
	})
	own := native.New(native.Config{
		Service: n.service, Feed: n.feed, Status: n.status, Tree: n.tree, Size: n.store.NamespaceStats, HistorySize: n.store.HistoryStats,
		RotateRoot: n.rotateRootToken, Cluster: n.cluster, RemoveMember: n.removeMember, PassOn: passOn, Watch: n.hub, PassUncarried: passUncarried, Logger: n.cfg.Logger,
		StartScrub: n.startScrub,
	})
	apis := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(rawPath(r), cloudflarePath) {
			rest.ServeHTTP(w, r)
		} else {
			own.ServeHTTP(w, r)
		}
	})
	n.dashboard = n.newDashboard(apis)
	exact := map[string]http.Handler{
		"/":        n.dashboard,
		"/healthz": http.HandlerFunc(n.healthz),
		"/readyz":  http.HandlerFunc(n.readyz),
		"/metrics": promhttp.HandlerFor(n.cfg.Metrics, promhttp.HandlerOpts{}),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := rawPath(r)
		switch {
		case strings.HasPrefix(path, cloudflarePath), strings.HasPrefix(path, native.Prefix):
			apis.ServeHTTP(w, r)
		case strings.HasPrefix(path+"/", dashboard.Prefix):
			n.dashboard.ServeHTTP(w, r)
		case exact[path] != nil:
			readOnly(exact[path], w, r)
		default:
			http.Error(w, "There is nothing at this path.", http.StatusNotFound)
		}
	})
}

// rawPath is the path as it stood in the request line.
func rawPath(r *http.Request) string {
	path, _ := api.SplitTarget(r.RequestURI)
	return path
}

func readOnly(h http.Handler, w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "This path takes GET and HEAD.", http.StatusMethodNotAllowed)
		return
	}
	h.ServeHTTP(w, r)
}

// healthz tells that the process is alive.
func (n *Node) healthz(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") }

// readyz tells whether reads are served: until the node stops, and at an edge
// from when its first copy is complete.
func (n *Node) readyz(w http.ResponseWriter, _ *http.Request) {
	switch {
	case n.draining.Load():
		plain(w, http.StatusServiceUnavailable, "stopping\n")
	case !n.isReady():
		plain(w, http.StatusServiceUnavailable, n.unready()+"\n")
	default:
		plain(w, http.StatusOK, "ok\n")
	}
}

// unready says why reads are not served.
func (n *Node) unready() string {
	m := n.member.Load()
	switch {
	case m == nil:
		return "first copy is not complete"
	case m.Problem() != "":
		return m.Problem()
	}
	return "this member has yet to catch up with the cluster"
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the client is gone
}

// rotateRootToken makes another root token. It is in the file before it is in
// force: a crash in between leaves one that works.
func (n *Node) rotateRootToken(context.Context) (string, error) {
	n.rotating.Lock()
	defer n.rotating.Unlock()
	if n.rootByFlag {
		return "", godwit.Errorf(godwit.CodeInvalidRequest, "The root token was given by --root-token: change it there, and restart.")
	}
	token := newRootToken()
	if err := writeSecret(RootTokenFile(n.cfg.Dir), token+"\n"); err != nil {
		return "", err
	}
	n.catalog.Load().SetRootToken(token)
	n.cfg.Logger.Info("root token replaced")
	return token, nil
}

// profiler serves Go's profiler, without touching the default mux, and without
// the command line, which may hold the root token.
func profiler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

package dashboard

import (
	"context"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/analytics"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/audit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// Prefix starts every path of the dashboard but "/".
const Prefix = "/dashboard/"

// Log keys.
const (
	logMethod = "method"
	logPath   = "path"
	logError  = "error"
)

// Service is what the pages need of package api; *api.Service is one.
type Service interface {
	Authenticate(ctx context.Context, remote netip.Addr, secret []byte) (*catalog.Principal, error)
	AdmitToken(p *catalog.Principal) error
	AdmitNamespace(ns *godwit.Namespace) error
	Catalog() *catalog.Catalog
	ReadOptions(ns *godwit.Namespace, r api.Read) (godwit.ReadOptions, error)
	Get(ctx context.Context, ns *godwit.Namespace, key []byte, opts godwit.ReadOptions) (*godwit.Entry, godwit.Served, error)
	OpenValue(ctx context.Context, ns *godwit.Namespace, e *godwit.Entry) (io.ReadCloser, error)
	List(ctx context.Context, ns *godwit.Namespace, q godwit.ListQuery, opts godwit.ReadOptions) (*godwit.Page, error)
	Put(ctx context.Context, ns *godwit.Namespace, p api.Put) (godwit.Result, error)
	Delete(ctx context.Context, ns *godwit.Namespace, d api.Delete) (godwit.Result, error)
	BulkDelete(ctx context.Context, ns *godwit.Namespace, keys []string, requestID string) (godwit.Result, error)
	Activity() api.Activity
	Notables() []analytics.Notable
	Audit() *audit.Log
}

var _ Service = (*api.Service)(nil)

// Config is what a Dashboard needs. All fields but Carried are required.
type Config struct {
	Service Service

	// API serves /client/v4/ and /godwit/v1/ of this node.
	API http.Handler

	// Key returns 32 secret bytes that stay the same for as long as sessions are to
	// last. It is asked once, when a session is first needed.
	Key func() []byte

	// Carried tells whether this node has a namespace's keys itself. nil: it has all.
	Carried func(godwit.NamespaceID) bool

	Now    func() time.Time
	Logger *slog.Logger
}

// Dashboard serves the pages. Its methods may be called from many goroutines.
type Dashboard struct {
	cfg      Config
	seal     func() *sealer
	pages    func() map[string]*template.Template
	assets   func() *assets
	origin   *http.CrossOriginProtection
	attempts *attempts
	samples  *samples
	jobs     jobs
	mux      *http.ServeMux
}

// New returns a Dashboard. What it shows of the past is gathered by Run.
func New(cfg Config) *Dashboard {
	d := &Dashboard{
		cfg:      cfg,
		seal:     sync.OnceValue(func() *sealer { return newSealer(cfg.Key(), cfg.Now) }),
		assets:   sync.OnceValue(loadAssets),
		origin:   http.NewCrossOriginProtection(),
		attempts: newAttempts(cfg.Now),
		samples:  newSamples(),
		jobs:     newJobs(),
	}
	d.pages = sync.OnceValue(func() map[string]*template.Template { return parsePages(d.assets()) })
	d.mux = d.routes()
	return d
}

// Streams tells whether the answer to a request, by its raw path, goes on for as
// long as its client likes, and sees to slow clients itself.
func Streams(r *http.Request, path string) bool {
	return r.Method == http.MethodGet && path == liveEventsPath
}

// ServeHTTP implements [http.Handler].
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secureHeaders(w.Header())
	d.mux.ServeHTTP(w, r)
}

// policy is what a page may load and do: what this node serves, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func secureHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// action carries out what a request asks for, for who is signed in. An error is
// shown as a page.
type action func(d *Dashboard, c *call) error

// routes are all pages and actions there are.
func (d *Dashboard) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", d.front)
	mux.HandleFunc("POST /dashboard/sign-in", d.signIn)
	mux.HandleFunc("POST /dashboard/sign-out", d.signOut)
	mux.HandleFunc("GET /dashboard/assets/{name}", d.serveAsset)
	for pattern, do := range map[string]action{
		"GET /dashboard/pulse":               (*Dashboard).pulse,
		"GET /dashboard/namespaces":          (*Dashboard).namespaces,
		"POST /dashboard/namespaces":         (*Dashboard).createNamespace,
		"GET /dashboard/namespace":           (*Dashboard).aboutNamespace,
		"POST /dashboard/namespace/rename":   (*Dashboard).renameNamespace,
		"POST /dashboard/namespace/settings": (*Dashboard).setNamespace,
		"POST /dashboard/namespace/delete":   (*Dashboard).deleteNamespace,
		"GET /dashboard/keys":                (*Dashboard).keys,
		"POST /dashboard/keys/delete":        (*Dashboard).deleteKeys,
		"GET /dashboard/key":                 (*Dashboard).key,
		"GET /dashboard/key/new":             (*Dashboard).newKey,
		"POST " + savePath:                   (*Dashboard).saveKey,
		"POST " + uploadPath:                 (*Dashboard).upload,
		"POST /dashboard/key/delete":         (*Dashboard).deleteKey,
		"GET /dashboard/value":               (*Dashboard).download,
		"GET /dashboard/preview":             (*Dashboard).preview,
		"GET /dashboard/versions":            (*Dashboard).versions,
		"GET /dashboard/version":             (*Dashboard).version,
		"GET /dashboard/version/value":       (*Dashboard).downloadVersion,
		"GET /dashboard/version/preview":     (*Dashboard).previewVersion,
		"POST /dashboard/version/restore":    (*Dashboard).restoreVersion,
		"POST /dashboard/undelete":           (*Dashboard).undelete,
		"GET /dashboard/map":                 (*Dashboard).worldMap,
		"GET /dashboard/map/nodes":           (*Dashboard).mapNodes,
		"GET /dashboard/node":                (*Dashboard).node,
		"GET /dashboard/node/about":          (*Dashboard).nodeAnew,
		"GET /dashboard/console":             (*Dashboard).console,
		"POST /dashboard/console":            (*Dashboard).runCommand,
		"GET /dashboard/access":              (*Dashboard).access,
		"GET /dashboard/requests":            (*Dashboard).requests,
		"GET /dashboard/audit":               (*Dashboard).auditLog,
		"GET /dashboard/data":                (*Dashboard).data,
		"GET /dashboard/export":              (*Dashboard).export,
		"POST " + importPath:                 (*Dashboard).importLines,
		"GET " + progressPath:                (*Dashboard).progress,
		"GET /dashboard/overview":            (*Dashboard).overview,
		"GET /dashboard/overview/nodes":      (*Dashboard).overviewNodes,
		"GET /dashboard/live":                (*Dashboard).live,
		"GET " + liveEventsPath:              (*Dashboard).liveEvents,
		"GET /dashboard/tokens":              (*Dashboard).tokens,
		"POST /dashboard/tokens":             (*Dashboard).createToken,
		"POST /dashboard/tokens/revoke":      (*Dashboard).revokeToken,
		"GET " + samplesPath:                 (*Dashboard).overviewSamples,
		"GET /dashboard/{$}":                 (*Dashboard).start,
		"/dashboard/":                        (*Dashboard).nothing,
	} {
		mux.HandleFunc(pattern, d.signedIn(do))
	}
	return mux
}

// start leads to the first page.
func (*Dashboard) start(c *call) error { return c.seeOther(Prefix + "namespaces") }

// nothing answers a path that there is not.
func (*Dashboard) nothing(*call) error {
	return &problem{status: http.StatusNotFound, title: "Nothing here", text: "There is no page at this address."}
}

// remote is the caller's address, invalid if it has none.
func remote(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// secure tells whether the browser speaks TLS, to this node or to what stands in
// front of it. Who lies about it keeps its own cookie from coming back.
func secure(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

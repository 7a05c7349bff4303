package native

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/analytics"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/audit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/room"
	"github.com/godwitkv/godwit/internal/trace"
	"github.com/godwitkv/godwit/internal/watch"
)

// Prefix starts every path of this API.
const Prefix = "/godwit/v1/"

// Service is what the API needs of package api; *api.Service is one.
type Service interface {
	Authenticate(ctx context.Context, remote netip.Addr, secret []byte) (*catalog.Principal, error)
	AdmitToken(p *catalog.Principal) error
	AdmitNamespace(ns *godwit.Namespace) error
	Audit() *audit.Log
	Catalog() *catalog.Catalog
	Revision() godwit.Revision
	Transact(ctx context.Context, ns *godwit.Namespace, t api.Transact) (godwit.Result, error)
	ReadOptions(ns *godwit.Namespace, r api.Read) (godwit.ReadOptions, error)
	Get(ctx context.Context, ns *godwit.Namespace, key []byte, opts godwit.ReadOptions) (*godwit.Entry, godwit.Served, error)
	List(ctx context.Context, ns *godwit.Namespace, q godwit.ListQuery, opts godwit.ReadOptions) (*godwit.Page, error)
	Copy(ctx context.Context, q api.Copy) (api.Copied, error)
	CountTransaction(ns *godwit.Namespace, start time.Time, keys int, err error)
	Analytics(ns *godwit.Namespace) (api.Analytics, error)
	OpenValue(ctx context.Context, ns *godwit.Namespace, e *godwit.Entry) (io.ReadCloser, error)
	Versions(ctx context.Context, ns *godwit.Namespace, key string, before godwit.Revision, limit int) (*godwit.VersionPage, error)
	Version(ctx context.Context, ns *godwit.Namespace, key string, r godwit.Revision) (*godwit.Version, error)
	VersionAt(ctx context.Context, ns *godwit.Namespace, key string, at godwit.Moment) (*godwit.Version, error)
	Ended(one analytics.Notable)
	Undelete(ctx context.Context, ns *godwit.Namespace, key, requestID string) (api.Undeleted, error)
	Restore(ctx context.Context, ns *godwit.Namespace, q api.Restore) (*api.Restored, error)
}

// Feed answers what nodes ask of each other; *feed.Server is one.
type Feed interface {
	ServeHTTP(w http.ResponseWriter, r *http.Request, p *catalog.Principal)
}

// Watcher tells of changes; *watch.Hub is one.
type Watcher interface {
	Watch(ctx context.Context, q watch.Request) iter.Seq2[watch.Event, error]
}

// Config is what a Handler needs. All fields but those that may be nil are
// required.
type Config struct {
	Service Service
	Feed    Feed
	Watch   Watcher

	// Status is the node's own account of itself. host is the Host header of
	// the request, for addresses that the node was not told.
	Status func(host string) Status

	// Size counts the keys of a namespace and the bytes of their names, metadata
	// and values.
	Size func(godwit.NamespaceID) (keys, bytes int64)

	// HistorySize counts the earlier versions that a namespace keeps, and the bytes of
	// their keys, metadata and values. nil: none are kept here.
	HistorySize func(godwit.NamespaceID) (versions, bytes int64)

	// Tree is the node with all that follow it; whole: the one at the root of its
	// tree, if that answers. ctx carries the credential of who asks.
	Tree func(ctx context.Context, whole bool) feed.Node

	// Cluster is what the node shares its log with, nil if with nobody.
	// RemoveMember forgets a member that is gone.
	Cluster      func() *Cluster
	RemoveMember func(ctx context.Context, name string) error

	// StartScrub begins to read all that is on this node's disk, and returns how that
	// stands.
	StartScrub func() Scrub

	// RotateRoot puts another root token in force and returns it. Errors are
	// *godwit.Error where the node has no way to keep a new one.
	RotateRoot func(context.Context) (string, error)

	// PassOn has a request of administration answered where it is decided. An
	// error means that nothing was answered. nil: it is decided here.
	PassOn func(w http.ResponseWriter, r *http.Request) error

	// PassUncarried has a GET answered by a node that carries the namespace, if
	// this one does not, and tells whether it has. An error means that nothing
	// was answered. nil: all are carried here.
	PassUncarried func(w http.ResponseWriter, r *http.Request, ns godwit.NamespaceID) (passed bool, err error)

	Logger *slog.Logger
}

// Handler serves the API. It goes by the raw request path, so that nothing
// cleans or redirects it.
type Handler struct {
	cfg          Config
	watches      watches
	transactions *room.Room // the memory that bodies of transactions take
	pages        *room.Room // the memory that pages of keys take
}

var (
	_ http.Handler = (*Handler)(nil)
	_ Service      = (*api.Service)(nil)
)

// New returns a Handler.
func New(cfg Config) *Handler {
	return &Handler{cfg: cfg, transactions: room.New(transactionsMemory), pages: room.New(pagesMemory)}
}

// request is one request on its way through an endpoint.
type request struct {
	*http.Request
	principal *catalog.Principal
	w         http.ResponseWriter
	path      string          // as the routes have it
	argument  string          // what stands in the path for "*"
	key       string          // what stands for a second one
	third     string          // and for a third one
	created   bool            // the endpoint sets it to answer 201
	revision  godwit.Revision // the endpoint sets it to what it wrote, or was decided at
	served    *godwit.Served  // the endpoint says with it how a read was answered
	answered  bool            // the endpoint has answered by itself
	announce  func() error    // has a strict audit log know of it; see recorded

	// What the endpoint tells the audit log.
	ns     *godwit.Namespace
	count  int64  // of keys
	title  string // of the namespace to be
	target string // the token, prefix or member that it is about
}

// endpoint carries a request out and returns what to answer as JSON.
type endpoint func(*Handler, *request) (any, error)

// stream carries a request out and writes the answer itself, for as long as it
// takes. An error is answered for it, if nothing was written yet.
type stream func(*Handler, http.ResponseWriter, *request) error

// route is a path, relative to Prefix, and what each method does to it.
type route struct {
	path    string // segments; "*" stands for any one
	methods map[string]endpoint
	watch   stream   // GET, in place of an endpoint
	passOn  []string // methods that are administration: see Config.PassOn
	public  bool     // takes no token
	audited audits   // what the audit log calls what it does
}

// audits names what methods do.
type audits map[string]string

// routes are all there are, but for those of the feed.
func routes() []route {
	const get, post = http.MethodGet, http.MethodPost
	return []route{
		{path: "openapi.yaml", methods: map[string]endpoint{get: (*Handler).describe}, public: true},
		{path: "status", methods: map[string]endpoint{get: (*Handler).status}},
		{path: "scrub", methods: map[string]endpoint{post: (*Handler).startScrub}, audited: audits{post: "scrub_start"}},
		{path: "cluster", methods: map[string]endpoint{get: (*Handler).clusterStatus}, passOn: []string{get}},
		{
			path:    "cluster/members/*",
			methods: map[string]endpoint{http.MethodDelete: (*Handler).removeMember},
			passOn:  []string{http.MethodDelete},
			audited: audits{http.MethodDelete: "member_remove"},
		},
		{
			path:    "tokens",
			methods: map[string]endpoint{get: (*Handler).listTokens, post: (*Handler).createToken},
			passOn:  []string{get, post},
			audited: audits{post: "token_create"},
		},
		{
			path:    "tokens/*",
			methods: map[string]endpoint{http.MethodDelete: (*Handler).revokeToken},
			passOn:  []string{http.MethodDelete},
			audited: audits{http.MethodDelete: "token_revoke"},
		},
		{
			path:    "root-token/rotate",
			methods: map[string]endpoint{post: (*Handler).rotateRoot},
			passOn:  []string{post},
			audited: audits{post: "root_token_rotate"},
		},
		{
			path:    "namespaces",
			methods: map[string]endpoint{get: (*Handler).listNamespaces, post: (*Handler).createNamespace},
			passOn:  []string{post},
			audited: audits{post: namespaceCreate},
		},
		{
			path: "namespaces/*",
			methods: map[string]endpoint{
				get: (*Handler).getNamespace, http.MethodPatch: (*Handler).renameNamespace, http.MethodDelete: (*Handler).deleteNamespace,
			},
			passOn:  []string{http.MethodPatch, http.MethodDelete},
			audited: audits{http.MethodPatch: "namespace_rename", http.MethodDelete: "namespace_delete"},
		},
		{
			path:    "namespaces/*/settings",
			methods: map[string]endpoint{get: (*Handler).namespaceSettings, http.MethodPatch: (*Handler).patchSettings},
			passOn:  []string{http.MethodPatch},
			audited: audits{http.MethodPatch: "namespace_set"},
		},
		{
			path:    "namespaces/*/clear",
			methods: map[string]endpoint{post: (*Handler).clearKeys},
			passOn:  []string{post},
			audited: audits{post: "namespace_clear"},
		},
		{path: "namespaces/*/transactions", methods: map[string]endpoint{post: (*Handler).transact}, audited: audits{post: "transact"}},
		{path: "namespaces/*/analytics", methods: map[string]endpoint{get: (*Handler).analytics}},
		{
			path:    "namespaces/*/copy",
			methods: map[string]endpoint{post: (*Handler).copyKeys},
			passOn:  []string{post},
			audited: audits{post: "namespace_copy"},
		},
		{path: "namespaces/*/watch", watch: (*Handler).watch},
		{path: "namespaces/*/count", methods: map[string]endpoint{get: (*Handler).countKeys}},
		{path: "namespaces/*/keys", methods: map[string]endpoint{get: (*Handler).listKeys}},
		{path: "namespaces/*/keys/*", methods: map[string]endpoint{get: (*Handler).keyOf}},
		{path: "namespaces/*/keys/*/versions", methods: map[string]endpoint{get: (*Handler).listVersions}, passOn: []string{get}},
		{path: "namespaces/*/keys/*/versions/*", methods: map[string]endpoint{get: (*Handler).getVersion}, passOn: []string{get}},
		{path: "namespaces/*/keys/*/at/*", methods: map[string]endpoint{get: (*Handler).getAt}, passOn: []string{get}},
		{path: "namespaces/*/keys/*/undelete", methods: map[string]endpoint{post: (*Handler).undelete}, passOn: []string{post}, audited: audits{post: "undelete"}},
		{path: "namespaces/*/restore", methods: map[string]endpoint{post: (*Handler).restore}, passOn: []string{post}, audited: audits{post: "namespace_restore"}},
	}
}

// Streams tells whether the answer to a request, by its raw path, goes on for as
// long as its client likes, and sees to slow clients itself.
func Streams(r *http.Request, path string) bool {
	rest, ok := strings.CutPrefix(path, Prefix)
	if !ok || r.Method != http.MethodGet {
		return false
	}
	if rest == "feed" || rest == "feed/walk" {
		return true
	}
	rt, _, ok := match(rest)
	return ok && rt.watch != nil
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(api.HeaderRevision, h.cfg.Service.Revision().String())
	path, _ := api.SplitTarget(r.RequestURI)
	path = strings.TrimPrefix(path, Prefix)
	rt, args, ok := match(path)
	q := &request{Request: r, w: w, path: rt.path, argument: args[0], key: args[1]}
	if !rt.public {
		p, secret, err := h.authenticate(r)
		if err != nil {
			h.fail(w, q, err)
			return
		}
		q.principal, q.Request = p, r.WithContext(godwit.WithCredential(api.WithLimited(r.Context(), p), secret))
	}
	switch {
	case path == "feed" || strings.HasPrefix(path, "feed/"):
		h.cfg.Feed.ServeHTTP(w, q.Request, q.principal)
		return
	case !ok:
		writeError(w, http.StatusNotFound, "not_found", "There is nothing at this path.")
		return
	}
	q.third = args[2]
	trace.Describe(q.Context(), "native", rt.path)
	if rt.watch == nil { // a watch is as long as its client likes
		told := &told{ResponseWriter: w}
		w, q.w = told, told
		defer h.ended(q, rt.path, told, time.Now())
	}
	if err := h.serve(w, q, &rt); err != nil {
		h.fail(w, q, err)
	}
}

// serve carries out what the request's method does to a path.
func (h *Handler) serve(w http.ResponseWriter, r *request, rt *route) error {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if h.cfg.PassOn != nil && slices.Contains(rt.passOn, method) {
		return h.cfg.PassOn(w, r.Request)
	}
	if err := h.cfg.Service.AdmitToken(r.principal); err != nil {
		return err
	}
	if rt.watch != nil && method == http.MethodGet {
		return rt.watch(h, w, r)
	}
	answer, ok := rt.methods[method]
	if !ok {
		w.Header().Set("Allow", allowed(rt))
		writeError(w, http.StatusMethodNotAllowed, "method_not_allowed", "This path takes "+allowed(rt)+".")
		return nil
	}
	body, err := h.recorded(r, rt, answer)
	h.tellState(w.Header(), r)
	if err != nil || r.answered {
		return err
	}
	status := http.StatusOK
	if r.created {
		status = http.StatusCreated
	}
	writeJSON(w, status, body)
	return nil
}

// tellState writes which state the answer is of, and of a read how it was answered.
func (h *Handler) tellState(header http.Header, r *request) {
	revision := max(r.revision, h.cfg.Service.Revision())
	if s := r.served; s != nil {
		revision = s.Revision
		header.Set("CF-Cache-Status", s.Status.String())
	}
	header.Set(api.HeaderRevision, revision.String())
}

// arguments are what stands in a path for each "*".
type arguments [3]string

// match finds the route of a path, relative to Prefix, and its arguments.
func match(path string) (rt route, args arguments, ok bool) {
	segments := strings.Split(path, "/")
	for _, rt := range routes() {
		if args, ok := fits(strings.Split(rt.path, "/"), segments); ok {
			return rt, args, true
		}
	}
	return route{}, arguments{}, false
}

func fits(pattern, segments []string) (args arguments, ok bool) {
	if len(pattern) != len(segments) {
		return args, false
	}
	n := 0
	for i, p := range pattern {
		switch {
		case p == "*" && segments[i] != "":
			args[n] = segments[i]
			n++
		case p != segments[i]:
			return args, false
		}
	}
	return args, true
}

func allowed(rt *route) string {
	methods := slices.Collect(maps.Keys(rt.methods))
	if rt.watch != nil {
		methods = append(methods, http.MethodGet)
	}
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}

// authenticate returns whom the request's bearer token stands for, and the
// token.
func (h *Handler) authenticate(r *http.Request) (p *catalog.Principal, secret string, err error) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || secret == "" {
		return nil, "", godwit.Errorf(godwit.CodeUnauthenticated, "Send a token as \"Authorization: Bearer TOKEN\".")
	}
	remote, _ := netip.ParseAddrPort(r.RemoteAddr)
	p, err = h.cfg.Service.Authenticate(r.Context(), remote.Addr().Unmap(), []byte(secret))
	return p, secret, err
}

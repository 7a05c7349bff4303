package native

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/catalog"
)

// Prefix starts every path of this API.
const Prefix = "/godwit/v1/"

// Service is what the API needs of package api; *api.Service is one.
type Service interface {
	Authenticate(ctx context.Context, remote netip.Addr, secret []byte) (*catalog.Principal, error)
	Catalog() *catalog.Catalog
	Revision() godwit.Revision
}

// Config is what a Handler needs. All fields but RotateRoot are required.
type Config struct {
	Service Service

	// Status is the node's own account of itself. host is the Host header of
	// the request, for addresses that the node was not told.
	Status func(host string) Status

	// Size counts the keys of a namespace and the bytes of their values.
	Size func(godwit.NamespaceID) (keys, bytes int64)

	// RotateRoot puts another root token in force and returns it. Errors are
	// *godwit.Error where the node has no way to keep a new one.
	RotateRoot func(context.Context) (string, error)

	Logger *slog.Logger
}

// Status is a node's account of itself.
type Status struct {
	Role          string `json:"role"`
	Location      string `json:"location"`
	Account       string `json:"account"`
	ClusterID     string `json:"cluster_id"`
	Revision      string `json:"revision"`
	StalenessMS   int64  `json:"staleness_ms"`
	Keys          int64  `json:"keys"`
	Bytes         int64  `json:"bytes"`
	Followers     int    `json:"followers"`
	BindingURL    string `json:"binding_url"`
	DiskFull      bool   `json:"disk_full"`
	Version       string `json:"version"`
	UptimeSeconds int64  `json:"uptime_seconds"`
}

// Handler serves the API. It goes by the raw request path, so that nothing
// cleans or redirects it.
type Handler struct {
	cfg      Config
	settings sync.Mutex // a change of settings is a read and a write
}

var (
	_ http.Handler = (*Handler)(nil)
	_ Service      = (*api.Service)(nil)
)

// New returns a Handler.
func New(cfg Config) *Handler { return &Handler{cfg: cfg} }

// request is one request on its way through an endpoint.
type request struct {
	*http.Request
	principal *catalog.Principal
	argument  string // what stands in the path for "*"
	created   bool   // the endpoint sets it to answer 201
}

// endpoint carries a request out and returns what to answer as JSON.
type endpoint func(*Handler, *request) (any, error)

// route is a path, relative to Prefix, and what each method does to it.
type route struct {
	path    string // segments; "*" stands for any one
	methods map[string]endpoint
}

// routes are all there are.
func routes() []route {
	return []route{
		{"status", map[string]endpoint{http.MethodGet: (*Handler).status}},
		{"tokens", map[string]endpoint{http.MethodGet: (*Handler).listTokens, http.MethodPost: (*Handler).createToken}},
		{"tokens/*", map[string]endpoint{http.MethodDelete: (*Handler).revokeToken}},
		{"root-token/rotate", map[string]endpoint{http.MethodPost: (*Handler).rotateRoot}},
		{"namespaces", map[string]endpoint{http.MethodGet: (*Handler).listNamespaces}},
		{"namespaces/*/settings", map[string]endpoint{http.MethodGet: (*Handler).namespaceSettings, http.MethodPatch: (*Handler).patchSettings}},
	}
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(api.HeaderRevision, h.cfg.Service.Revision().String())
	p, err := h.authenticate(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	path, _, _ := strings.Cut(r.RequestURI, "?")
	rt, arg, ok := match(strings.TrimPrefix(path, Prefix))
	if !ok {
		writeError(w, http.StatusNotFound, "not_found", "There is nothing at this path.")
		return
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	serve, ok := rt.methods[method]
	if !ok {
		w.Header().Set("Allow", allowed(rt))
		writeError(w, http.StatusMethodNotAllowed, "method_not_allowed", "This path takes "+allowed(rt)+".")
		return
	}
	h.answer(w, &request{Request: r, principal: p, argument: arg}, serve)
}

func (h *Handler) answer(w http.ResponseWriter, r *request, serve endpoint) {
	body, err := serve(h, r)
	if err != nil {
		h.fail(w, r.Request, err)
		return
	}
	w.Header().Set(api.HeaderRevision, h.cfg.Service.Revision().String())
	status := http.StatusOK
	if r.created {
		status = http.StatusCreated
	}
	writeJSON(w, status, body)
}

// match finds the route of a path, relative to Prefix, and what stands in it
// for "*".
func match(path string) (rt route, arg string, ok bool) {
	segments := strings.Split(path, "/")
	for _, rt := range routes() {
		if arg, ok := fits(strings.Split(rt.path, "/"), segments); ok {
			return rt, arg, true
		}
	}
	return route{}, "", false
}

func fits(pattern, segments []string) (arg string, ok bool) {
	if len(pattern) != len(segments) {
		return "", false
	}
	for i, p := range pattern {
		switch {
		case p == "*" && segments[i] != "":
			arg = segments[i]
		case p != segments[i]:
			return "", false
		}
	}
	return arg, true
}

func allowed(rt route) string {
	var methods []string
	for m := range rt.methods {
		methods = append(methods, m)
	}
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}

// authenticate returns whom the request's bearer token stands for.
func (h *Handler) authenticate(r *http.Request) (*catalog.Principal, error) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || secret == "" {
		return nil, godwit.Errorf(godwit.CodeUnauthenticated, "Send a token as \"Authorization: Bearer TOKEN\".")
	}
	remote, _ := netip.ParseAddrPort(r.RemoteAddr)
	return h.cfg.Service.Authenticate(r.Context(), remote.Addr().Unmap(), []byte(secret))
}

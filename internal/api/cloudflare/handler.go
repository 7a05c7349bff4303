package cloudflare

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/analytics"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/trace"
)

// Config is what a Handler needs. All fields but PassOn are required.
type Config struct {
	Service *api.Service
	Logger  *slog.Logger
	Metrics prometheus.Registerer
	Now     func() time.Time

	// PassOn has a request of administration answered where it is decided. An
	// error means that nothing was answered. nil: it is decided here.
	PassOn func(w http.ResponseWriter, r *http.Request) error
}

// Handler answers every request below /client/v4/. It must be given requests as
// they came: no ServeMux that cleans paths may stand before it.
type Handler struct {
	service *api.Service
	catalog *catalog.Catalog
	logger  *slog.Logger
	now     func() time.Time
	metrics *metrics
	routes  []route
	rooms   *rooms
	maxBulk int64 // bytes of a bulk body
	passOn  func(http.ResponseWriter, *http.Request) error
}

// New returns a Handler. Metrics are registered once for each Registerer.
func New(cfg Config) *Handler {
	return &Handler{
		service: cfg.Service,
		catalog: cfg.Service.Catalog(),
		logger:  cfg.Logger,
		now:     cfg.Now,
		metrics: newMetrics(cfg.Metrics),
		routes:  newRoutes(),
		rooms:   newRooms(bulkRoom),
		maxBulk: godwit.MaxBulkBytes,
		passOn:  cfg.PassOn,
	}
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := newCall(h, w, r)
	started := h.now()
	defer func() { c.ended(h.now().Sub(started)) }()
	defer c.record()
	defer func() {
		if v := recover(); v != nil {
			h.recovered(c, v)
		}
	}()
	if err := c.serve(); err != nil {
		c.fail(err)
	}
}

// ended counts a request, and has it kept if it was slow or failed.
func (c *call) ended(took time.Duration) {
	c.h.metrics.observe(c.endpoint.name, c.w.status, took)
	if !analytics.IsNotable(c.w.status, took) {
		return
	}
	one := analytics.Notable{
		At: c.h.now(), Took: took, API: "rest", Operation: c.endpoint.name, Status: c.w.status,
		RequestID: c.w.Header().Get(api.HeaderRequestID),
	}
	if c.ns != nil {
		one.Namespace = c.ns.ID
	}
	c.h.service.Ended(one)
}

// recovered turns a panic of ours into a 500, or, once bytes have been sent,
// into a cut connection: half a response must not look whole.
func (h *Handler) recovered(c *call, v any) {
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	h.logger.Error("panic while serving a request", "endpoint", c.endpoint.name, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	if c.w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	p := problemOf(fmt.Errorf("panic: %v", v), "")
	_ = c.sendProblems(p)
}

// serve finds the endpoint, asks who is calling and whether it may, and goes on
// to the endpoint.
func (c *call) serve() error {
	if err := c.identify(); err != nil {
		return err
	}
	if err := checkLength(c.r); err != nil {
		return err
	}
	if err := c.route(); err != nil {
		return err
	}
	if err := c.authenticate(); err != nil {
		return err
	}
	c.body.drain = true
	trace.Describe(c.ctx(), "rest", c.endpoint.name)
	if c.endpoint.need == godwit.PermissionAdmin && c.h.passOn != nil {
		return c.h.passOn(c.w, c.r)
	}
	if err := c.authorize(); err != nil {
		return err
	}
	trace.About(c.ctx(), c.ns)
	if c.endpoint.name != namespaceCreate {
		if err := c.announce(); err != nil {
			return err
		}
	}
	return c.endpoint.serve(c)
}

// route finds the endpoint. Errors: no such path, no such method.
func (c *call) route() error {
	path, ok := strings.CutPrefix(c.target.path, prefix)
	if !ok {
		return errNoRoute
	}
	for i := range c.h.routes {
		r := &c.h.routes[i]
		params, ok := r.pattern.match(path)
		if !ok {
			continue
		}
		c.params = params
		e := r.endpoint(c.r.Method)
		if e == nil {
			c.w.Header().Set("Allow", r.allow())
			return &problem{
				status:  http.StatusMethodNotAllowed,
				code:    codeMethod,
				message: fmt.Sprintf("%.32s not supported for requested URI", c.r.Method),
			}
		}
		c.endpoint = e
		return nil
	}
	return errNoRoute
}

// errNoRoute is told in Cloudflare's two parts, see sendProblems.
var errNoRoute = &problem{status: http.StatusNotFound, code: codeCouldNotRoute}

package cloudflare

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strings"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/catalog"
)

// call is one request on its way through the handler.
type call struct {
	h         *Handler
	w         *response
	r         *http.Request
	body      *body
	target    target
	params    params
	endpoint  *endpoint
	principal *catalog.Principal
	ns        *godwit.Namespace // nil where the path names none
	requestID string            // as the client gave it; "": it did not
	count     int64             // of keys, where the endpoint is told them in its body
	title     string            // of the namespace to be, likewise
}

func newCall(h *Handler, w http.ResponseWriter, r *http.Request) *call {
	return &call{
		h:        h,
		w:        &response{ResponseWriter: w},
		r:        r,
		body:     &body{r: r.Body, length: r.ContentLength, limit: math.MaxInt64},
		target:   parseTarget(r.RequestURI),
		endpoint: noEndpoint,
	}
}

// ctx is the request's context.
func (c *call) ctx() context.Context { return c.r.Context() }

// identify gives the response its headers of godwit's own. Error: a request id
// that is not one.
func (c *call) identify() error {
	header := c.w.Header()
	c.revision(c.h.service.Revision())
	given := c.r.Header.Get(api.HeaderRequestID)
	id, err := c.h.service.RequestID(nil, []byte(given))
	if err != nil {
		return err
	}
	c.requestID = given
	header.Set(api.HeaderRequestID, string(id))
	return nil
}

// revision says how far the answer reaches in the log.
func (c *call) revision(r godwit.Revision) {
	if r != 0 {
		c.w.Header().Set(api.HeaderRevision, r.String())
	}
}

// served tells how a read was answered.
func (c *call) served(s godwit.Served) {
	c.revision(s.Revision)
	c.w.Header().Set("CF-Cache-Status", s.Status.String())
}

// query parses the query; in it, unlike in the path, "+" is a space. A semicolon
// is one, which url.ParseQuery would refuse: browsers and URL leave it as it is.
func (c *call) query() (url.Values, error) {
	q, err := url.ParseQuery(strings.ReplaceAll(c.target.query, ";", "%3B"))
	if err != nil {
		return nil, badRequest(codeInvalidArgument, "could not parse the query string")
	}
	return q, nil
}

// preconditions are the request's If-Match and If-None-Match.
func (c *call) preconditions() api.Preconditions {
	return api.Preconditions{IfMatch: c.tags("If-Match"), IfNoneMatch: c.tags("If-None-Match")}
}

// unconditional refuses conditions, which a write of many keys would pass over.
func (c *call) unconditional() error {
	if c.preconditions() == (api.Preconditions{}) {
		return nil
	}
	return godwit.Errorf(godwit.CodeInvalidRequest, "A bulk write takes no If-Match and no If-None-Match: use a transaction.")
}

// tags returns the list of entity tags that a header gives, in however many lines.
func (c *call) tags(header string) string {
	lines := c.r.Header.Values(header)
	if list := strings.Join(lines, ", "); list != "" || len(lines) == 0 {
		return list
	}
	return api.EmptyTags
}

// readOptions are what the request asks of the copy it reads. cacheTTL is "" or
// the cache_ttl in the query.
func (c *call) readOptions(cacheTTL string) (godwit.ReadOptions, error) {
	return c.h.service.ReadOptions(c.ns, api.Read{
		CacheTTL:    cacheTTL,
		MinRevision: c.r.Header.Get(api.HeaderMinRevision),
		Consistency: c.r.Header.Get(api.HeaderConsistency),
	})
}

// small reads a body that is small by nature, whole.
func (c *call) small(limit int64) ([]byte, error) {
	c.body.limit = limit
	return io.ReadAll(c.body)
}

// fail answers with what a client may know of err, and logs what it may not.
func (c *call) fail(err error) {
	if c.w.status != 0 { // too late: half a response must not look whole
		c.log(slog.LevelError, "a response was cut short", err)
		panic(http.ErrAbortHandler)
	}
	p := problemOf(err, c.endpoint.operation)
	if c.ctx().Err() != nil && errors.Is(err, c.ctx().Err()) {
		p = problemOf(godwit.ErrBusy, "") // nobody is there to read it
	} else if p.isFault() {
		c.log(slog.LevelError, "a request failed", err)
	}
	c.body.finish(c.r)
	if err := c.sendProblems(p); err != nil {
		c.log(slog.LevelError, "a response could not be written", err)
	}
}

func (c *call) log(level slog.Level, message string, err error) {
	c.h.logger.Log(c.ctx(), level, message,
		"endpoint", c.endpoint.name,
		"request_id", c.w.Header().Get(api.HeaderRequestID),
		"error", err)
}

func (c *call) sendProblems(p problem) error {
	errs := []notice{{p.code, p.message}}
	if p.code == codeCouldNotRoute {
		errs = []notice{
			{codeCouldNotRoute, "Could not route to " + shown(c.target.path) + ", perhaps your object identifier is invalid?"},
			{codeNoRoute, "No route for that URI"},
		}
	}
	header := c.w.Header()
	if p.retryable() {
		header.Set("Retry-After", "1")
	}
	if p.code == codeQuota { // the SDKs try again upon any other 429
		header.Set("X-Should-Retry", "false")
	}
	if p.status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", `Bearer realm="godwit"`)
	}
	return c.send(p.status, envelope{Errors: errs})
}

// shown is a path fit to be repeated: below the prefix, and not all of it.
func shown(path string) string {
	const most = 200
	path = strings.TrimPrefix(path, strings.TrimSuffix(prefix, "/"))
	if len(path) > most {
		path = strings.ToValidUTF8(path[:most], "") + "..."
	}
	return path
}

// response remembers whether an answer has begun, and with which status.
type response struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

package binding

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime/debug"
	"strconv"
	"time"
	"unsafe"

	"github.com/valyala/fasthttp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/analytics"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/trace"
)

// Names of headers. Those of requests are as fasthttp normalises them; those
// of replies go out as they are.
var (
	hdrAuthorization = []byte(fasthttp.HeaderAuthorization)
	hdrNamespace     = []byte(api.HeaderNamespace)
	hdrMinRevision   = []byte(api.HeaderMinRevision)
	hdrConsistency   = []byte(api.HeaderConsistency)
	hdrRequestID     = []byte(api.HeaderRequestID)
	hdrIfNoneMatch   = []byte(fasthttp.HeaderIfNoneMatch)
	hdrMetadataIn    = []byte("Cf-Kv-Metadata")

	hdrMetadata    = []byte("CF-KV-Metadata")
	hdrCacheStatus = []byte("CF-Cache-Status")
	hdrExpiration  = []byte("CF-Expiration")
	hdrRevision    = []byte(api.HeaderRevision)
	hdrETag        = []byte("ETag")

	octetStream = []byte("application/octet-stream")
	jsonType    = []byte("application/json")
	textType    = []byte("text/plain; charset=utf-8")
)

// request is a request in progress. Its connection keeps it, with its scratch
// space, for the next one.
type request struct {
	c     *conn
	ctx   *fasthttp.RequestCtx
	in    context.Context // of what is done for it
	span  trace.Span
	op    op
	allow string
	path  []byte // raw, after the first slash
	query []byte // raw
	body  body

	principal *catalog.Principal
	ns        *godwit.Namespace
	id        []byte          // Godwit-Request-Id, of this request and of its reply
	revision  godwit.Revision // of what answered; 0: what this node holds

	key     []byte // scratch space, for the decoded key
	scratch []byte // … for the rest, appended to
}

// start begins the request that ctx holds.
func (r *request) start(ctx *fasthttp.RequestCtx, bound int64) {
	key, scratch := r.key[:0], r.scratch[:0]
	if cap(key) > keepScratchBytes {
		key = nil
	}
	if cap(scratch) > keepScratchBytes {
		scratch = nil
	}
	if scratch == nil {
		scratch = make([]byte, 0, firstScratchBytes)
	}
	*r = request{c: r.c, ctx: ctx, key: key, scratch: scratch}
	r.body.reset(r.c, ctx, bound)
	r.path, r.query = splitTarget(ctx.Request.Header.RequestURI())
	r.op, r.allow = route(ctx.Request.Header.Method(), r.path)
}

// peek returns a request header by its normalised name, empty where not given.
func (r *request) peek(name []byte) []byte { return r.ctx.Request.Header.PeekCanonical(name) }

// view is b as a string that lives as long as the request does: only for
// callees that do not keep it.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// handle answers a request whose head is read.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	c, ok := ctx.Conn().(*conn)
	if !ok {
		panic("a connection that is not ours")
	}
	c.enter(phaseBusy)
	r := &c.req
	r.start(ctx, s.cfg.bodyBound())
	r.in = s.ctx
	if s.cfg.Tracer != nil {
		s.trace(r)
	}
	s.answer(r)
	s.seal(r)
	if s.cfg.Tracer != nil {
		s.traced(r)
	}
	if r.op == opPut || r.op == opDelete {
		s.record(r)
	}
	s.metrics.request(r.op, ctx.Response.StatusCode())
	s.ended(r)
	r.ctx, r.in = nil, nil
}

// ended has a request kept that was slow or failed. It is told of when its answer is
// ready to be sent.
func (s *Server) ended(r *request) {
	status, took := r.ctx.Response.StatusCode(), time.Since(r.ctx.Time())
	if !analytics.IsNotable(status, took) {
		return
	}
	one := analytics.Notable{
		At: r.ctx.Time().Add(took), Took: took, API: "binding", Operation: r.op.String(), Status: status, RequestID: string(r.id),
	}
	if r.ns != nil {
		one.Namespace = r.ns.ID
	}
	s.cfg.Service.Ended(one)
}

// answer carries r out and fills in its reply.
func (s *Server) answer(r *request) {
	defer s.rescue(r)
	if err := s.perform(r); err != nil {
		s.fail(r, err)
	}
}

// rescue turns a panic into a reply: one request's fault must not end the
// process.
func (s *Server) rescue(r *request) {
	if v := recover(); v != nil {
		s.cfg.Logger.Error("panic in a binding request", "op", r.op.String(), "panic", v, "stack", string(debug.Stack()))
		r.ctx.Response.ResetBody()
		s.tell(r, errPanic)
	}
}

// perform carries r out.
func (s *Server) perform(r *request) error {
	head := &r.ctx.Request.Header
	switch {
	case !bytes.HasPrefix(head.Protocol(), []byte("HTTP/1.")):
		return errMalformed
	case len(head.RequestURI()) > maxTargetBytes:
		return errLongTarget
	case ambiguous(head):
		return errFraming
	case r.op == opNone:
		return errMethod
	}
	if err := s.admitRequest(r); err != nil {
		return err
	}
	if r.op != opPut && r.op != opBulkGet {
		if err := r.body.finish(); err != nil {
			return err
		}
	}
	if r.op == opPut || r.op == opDelete {
		if err := s.announce(r); err != nil {
			return err
		}
	}
	switch r.op {
	case opGet:
		return s.get(r)
	case opList:
		return s.list(r)
	case opBulkGet:
		return s.bulkGet(r)
	case opPut:
		return s.put(r)
	default:
		return s.delete(r)
	}
}

// ambiguous tells whether the head gives the body two lengths, or one that
// fasthttp passes over, which smuggles a second request past whoever believes
// the other. A request with two lengths it marks as the connection's last.
// Before HTTP/1.1 a body without a length, which fasthttp takes for none, goes on
// until the connection ends; a method that brings none may do without one.
func ambiguous(h *fasthttp.RequestHeader) bool {
	if !h.ConnectionClose() && (h.IsGet() || h.IsHead()) {
		return false
	}
	var length, encoding bool
	for line := range bytes.Lines(h.RawHeaders()) {
		name, _, _ := bytes.Cut(line, []byte{':'})
		length = length || bytes.EqualFold(name, []byte(fasthttp.HeaderContentLength))
		encoding = encoding || bytes.EqualFold(name, []byte(fasthttp.HeaderTransferEncoding))
	}
	if !h.IsHTTP11() && !length && (h.IsPut() || h.IsPost() || h.IsPatch()) {
		return true
	}
	return encoding && (length || h.ContentLength() != -1)
}

// admitRequest finds out who asks, about which namespace, and whether they may.
func (s *Server) admitRequest(r *request) (err error) {
	secret := bearer(r.peek(hdrAuthorization))
	if r.principal, err = s.cfg.Service.Authenticate(r.in, r.c.remote, secret); err != nil {
		return err
	}
	from := len(r.scratch)
	r.scratch, err = s.cfg.Service.RequestID(r.scratch, r.peek(hdrRequestID))
	if r.id = r.scratch[from:]; err != nil {
		return err
	}
	need := godwit.PermissionRead
	if r.op == opPut || r.op == opDelete {
		need = godwit.PermissionWrite
	}
	if r.ns, err = s.namespace(r, need); err != nil {
		return err
	}
	if err := catalog.Authorize(r.principal, need, r.ns); err != nil {
		return err
	}
	if err := s.cfg.Service.AdmitToken(r.principal); err != nil {
		return err
	}
	return s.cfg.Service.AdmitNamespace(r.ns)
}

// bearer returns the token in an Authorization header, empty where there is
// none.
func bearer(v []byte) []byte {
	const scheme = "Bearer "
	if len(v) <= len(scheme) || !bytes.EqualFold(v[:len(scheme)], []byte(scheme)) {
		return nil
	}
	return bytes.TrimSpace(v[len(scheme):])
}

// namespace returns the one that the request names or, where it names none,
// the only one that its token is for. To whoever could not use it, a namespace
// that does not exist looks as one that does.
func (s *Server) namespace(r *request, need godwit.Permission) (*godwit.Namespace, error) {
	if ref := r.peek(hdrNamespace); len(ref) > 0 {
		ns, err := s.cfg.Service.Catalog().Resolve(r.in, ref)
		if errors.Is(err, godwit.ErrNamespaceNotFound) {
			if refused := catalog.Authorize(r.principal, need, new(godwit.Namespace)); refused != nil {
				return nil, refused
			}
		}
		return ns, err
	}
	if t := r.principal.Token; t != nil && len(t.Namespaces) == 1 {
		return s.cfg.Service.Catalog().Namespace(r.in, t.Namespaces[0])
	}
	return nil, errNoNamespace
}

var errNoNamespace = godwit.Errorf(godwit.CodeInvalidRequest,
	"Missing %s header: it names a namespace by its id or title.", api.HeaderNamespace)

// errQuota stands for all errors of its code.
var errQuota = &godwit.Error{Code: godwit.CodeQuota}

// fail makes err the reply to r. The body is read to its end before: a Worker
// whose body is not taken sees a lost connection in place of the error.
func (s *Server) fail(r *request, err error) {
	if rest := r.body.finish(); rest != nil {
		err = s.bodyProblem(r, rest, err)
		r.ctx.SetConnectionClose()
		r.c.linger = true
	}
	s.tell(r, err)
}

// bodyProblem tells what to say when the body could not be read to its end,
// because of rest, while err was about to be said.
func (s *Server) bodyProblem(r *request, rest, err error) error {
	switch {
	case !errors.Is(rest, errBodyBound) && isTimeout(rest):
		return errTimeout
	case !errors.Is(rest, errBodyBound):
		return errBody
	case errors.Is(err, errBodyBound):
		return godwit.Errorf(godwit.CodeValueTooLarge, "Value length of %d exceeds limit of %d.", r.body.size(), s.cfg.MaxValueBytes)
	}
	return err
}

// tell writes err into the reply: into the reason phrase, for a Worker sees
// nothing else, and into the body for everyone else.
func (s *Server) tell(r *request, err error) {
	status, reason := describe(err)
	resp := &r.ctx.Response
	resp.SetStatusCode(status)
	if status == fasthttp.StatusNotFound {
		return
	}
	from := len(r.scratch)
	r.scratch = appendReason(r.scratch, reason)
	text := r.scratch[from:]
	resp.Header.SetStatusMessage(text)
	resp.Header.SetContentTypeBytes(textType)
	resp.SetBodyRaw(text)
	switch status {
	case fasthttp.StatusUnauthorized:
		resp.Header.Set(fasthttp.HeaderWWWAuthenticate, "Bearer")
	case fasthttp.StatusMethodNotAllowed:
		resp.Header.Set(fasthttp.HeaderAllow, r.allow)
	case fasthttp.StatusServiceUnavailable, fasthttp.StatusTooManyRequests:
		if !errors.Is(err, errQuota) { // which does not pass by itself
			resp.Header.Set(fasthttp.HeaderRetryAfter, "1")
		}
	case fasthttp.StatusInternalServerError:
		s.cfg.Logger.Error("binding request failed", "op", r.op.String(), "err", err)
	}
	var p *problem
	if errors.As(err, &p) && p.fatal {
		resp.SetConnectionClose()
		r.c.linger = true
	}
}

// seal adds what every reply carries. That to a stranger is the connection's last:
// one may wait long for its next request, and there are only so many.
func (s *Server) seal(r *request) {
	h := &r.ctx.Response.Header
	if s.closing.Load() {
		h.SetConnectionClose()
	}
	if r.principal == nil {
		h.SetConnectionClose()
		r.c.linger = true
		return
	}
	if r.revision == 0 {
		r.revision = s.cfg.Service.Revision()
	}
	from := len(r.scratch)
	r.scratch = strconv.AppendUint(r.scratch, uint64(r.revision), 10)
	h.SetCanonical(hdrRevision, r.scratch[from:])
	if len(r.id) > 0 {
		h.SetCanonical(hdrRequestID, r.id)
	}
}

// malformed answers a request whose head could not be read.
func (s *Server) malformed(ctx *fasthttp.RequestCtx, err error) {
	c, ok := ctx.Conn().(*conn)
	if !ok {
		return
	}
	r := &c.req
	*r = request{c: c, ctx: ctx, scratch: make([]byte, 0, firstScratchBytes)}
	r.body.err = io.EOF
	var small *fasthttp.ErrSmallBuffer
	p := errMalformed
	switch {
	case errors.As(err, &small):
		p = errLongHead
		c.takeIn(s.cfg.bodyBound())
	case isTimeout(err):
		p = errTimeout
	}
	s.tell(r, p)
	s.seal(r)
	s.metrics.request(opNone, p.status)
	r.ctx = nil
}

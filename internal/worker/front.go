package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/godwitkv/godwit/internal/trace"
)

const (
	headerTimeout  = 10 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 128 << 10
	// waitForWorker is how long a request waits where no workerd takes it: while one
	// that died is being replaced.
	waitForWorker = 10 * time.Second
	// redial is how long a request waits that reached no workerd: it may be gone without
	// having been noticed yet.
	redial = 5 * time.Millisecond
)

// front holds the address that clients know, and passes requests on to the workerds of
// the newest generation.
type front struct {
	server  *http.Server
	proxy   *httputil.ReverseProxy
	trusted []netip.Prefix
	cf      string // what request.cf says

	mu      sync.Mutex
	current *generation
	changed chan struct{} // closed, and replaced, when there may be someone to ask
}

func newFront(cfg *Config, tracer *trace.Tracer) *front {
	f := &front{trusted: cfg.TrustedProxies, changed: make(chan struct{})}
	cf := map[string]string{"httpProtocol": "HTTP/1.1"}
	if cfg.Location != "" {
		cf["colo"] = cfg.Location
	}
	text, _ := json.Marshal(cf) // strings always can
	f.cf = string(text)
	quiet := log.New(io.Discard, "", 0)
	f.proxy = &httputil.ReverseProxy{
		Rewrite: f.rewrite, Transport: f, FlushInterval: -1, ErrorHandler: f.failed, ErrorLog: quiet,
		BufferPool: newBuffers(), ModifyResponse: announceEnd,
	}
	f.server = &http.Server{
		Handler: trace.Handler(tracer, spanName, f), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: quiet, DisableGeneralOptionsHandler: true,
	}
	return f
}

// spanName is what a trace calls a request to a Worker, whose path is nobody's business.
func spanName(*http.Request) string { return "worker" }

// use sends new requests to a generation, and returns the one before.
func (f *front) use(g *generation) (before *generation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before, f.current = f.current, g
	f.wake()
	return before
}

// wake lets those look again who wait for a workerd. f.mu is held.
func (f *front) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// up tells that a workerd has come back.
func (f *front) up() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wake()
}

// errNobody is the answer while no workerd runs.
var errNobody = errors.New("no workerd runs that could take the request")

// acquire picks the workerd that has least to do, and waits for one where none runs.
// The caller releases what it gets.
func (f *front) acquire(ctx context.Context) (*slot, error) {
	s, changed := f.pick()
	if s != nil {
		return s, nil
	}
	deadline := time.NewTimer(waitForWorker)
	defer deadline.Stop()
	for {
		select {
		case <-changed:
		case <-deadline.C:
			return nil, errNobody
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if s, changed = f.pick(); s != nil {
			return s, nil
		}
	}
}

// pick takes the workerd of the newest generation that has least to do, or returns nil
// and what is closed when there may be one.
func (f *front) pick() (s *slot, changed chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.current == nil {
		return nil, f.changed
	}
	return f.current.pick(), f.changed
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		http.Error(w, "A Worker takes no CONNECT.", http.StatusMethodNotAllowed)
		return
	}
	if !strings.HasPrefix(r.URL.RequestURI(), "/") { // "*", or "a:b": no URL comes of it
		http.Error(w, "A Worker takes requests for a path alone.", http.StatusBadRequest)
		return
	}
	s, err := f.acquire(r.Context())
	if err != nil {
		f.failed(w, r, err)
		return
	}
	held := &holder{slot: s}
	defer held.release()
	w.Header()["Content-Type"] = nil // a Worker's answer without one goes out without one
	if s.courier.carries(r) {
		f.pass(w, r, held)
		return
	}
	f.stream(w, r, held)
}

// holder is what a request is answered by: another, perhaps, than at first.
type holder struct {
	slot *slot
	body *incoming // nil: the request has no body
	free bool      // it counts as in flight no more
}

type holderKey struct{}

func (h *holder) release() {
	if !h.free {
		h.free = true
		h.slot.release()
	}
}

// took looks at the answer. A WebSocket may last for ever: where others would wait for
// its end, it does not count.
func (h *holder) took(res *http.Response) {
	if res.StatusCode == http.StatusSwitchingProtocols && h.slot.g.alone {
		h.release()
	}
}

// RoundTrip implements http.RoundTripper.
func (f *front) RoundTrip(r *http.Request) (*http.Response, error) {
	return f.send(r.Context().Value(holderKey{}).(*holder), r)
}

// send asks the workerd that is held. Where that died before the request reached it, the
// next takes it.
func (f *front) send(held *holder, r *http.Request) (*http.Response, error) {
	deadline := time.Now().Add(waitForWorker)
	for {
		res, err := held.slot.roundTrip(r)
		var dial *net.OpError
		if err == nil {
			held.took(res)
			return res, nil
		}
		if !errors.As(err, &dial) || dial.Op != "dial" || time.Now().After(deadline) {
			return nil, err
		}
		held.slot.lost()
		select {
		case <-time.After(redial):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		next, err := f.acquire(r.Context())
		if err != nil {
			return nil, err
		}
		held.slot.release()
		held.slot = next
	}
}

// rewrite makes the request that workerd gets: what came, and who sent it.
func (f *front) rewrite(p *httputil.ProxyRequest) {
	out, in := p.Out, p.In
	out.URL.Scheme, out.URL.Host, out.Host = "http", "worker", in.Host
	out.URL.RawQuery = in.URL.RawQuery
	f.introduce(out.Header, in)
	out.Header.Del("Expect") // the server here fulfils it
	trace.Inject(out.Context(), out.Header)
}

func (f *front) failed(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // the client is gone, or has but ended its side: that was no answer
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if errors.Is(err, errNobody) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, "godwit worker: the Worker does not run.")
		return
	}
	var broken *brokenBody
	if errors.As(err, &broken) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintln(w, "godwit worker: the body of this request is broken.")
		return
	}
	w.WriteHeader(http.StatusBadGateway)
	fmt.Fprintln(w, "godwit worker: workerd ended while it answered this request.")
}

// buffers are what bodies are copied through.
type buffers struct{ pool sync.Pool }

func newBuffers() *buffers {
	return &buffers{sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}}
}

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte { return *b.pool.Get().(*[]byte) }

// Put implements httputil.BufferPool.
func (b *buffers) Put(buf []byte) { b.pool.Put(&buf) }

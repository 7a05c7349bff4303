package node

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/feed"
)

// Bounds of a request that is passed on.
const (
	passOnTimeout   = 5 * time.Second
	showTimeout     = time.Second // for the effect to show here
	maxPassedBody   = 2 << 20
	maxPassedAnswer = 32 << 20
)

// newPassTransport makes the connections of requests that are passed on, one
// for each: they are few, and one that fails before it is sent is told from one
// that fails after.
func newPassTransport(cfg *Config, config *tls.Config) *http.Transport {
	return &http.Transport{
		DialContext: cfg.Dial, TLSClientConfig: config,
		DisableKeepAlives: true, DisableCompression: true, TLSHandshakeTimeout: passOnTimeout,
	}
}

// passOn has a request of administration answered by the upstream, as its client
// made it. What the answer tells of is here, too, before it goes out. Errors:
// ErrNoUpstream, ErrOutcomeUnknown, CodeBodyTooLarge, CodeInvalidRequest, those of
// feed.CountHop; nothing is answered then.
func (n *Node) passOn(w http.ResponseWriter, r *http.Request) error {
	base, err := n.upstreamURL()
	if err != nil {
		return err
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxPassedBody))
	if err != nil {
		return passedBodyError(err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), passOnTimeout)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, r.Method, base+targetOf(r), bytes.NewReader(body))
	if err != nil {
		return godwit.Errorf(godwit.CodeInvalidRequest, "The path is malformed.")
	}
	copyHeader(q.Header, r.Header)
	if err := feed.CountHop(q.Header); err != nil {
		return err
	}
	if r.Header.Get("User-Agent") == "" {
		q.Header.Set("User-Agent", "") // none of ours
	}
	a, err := n.askUpstream(q)
	if err != nil {
		return err
	}
	n.awaitShown(r.Context(), a.header.Get(api.HeaderRevision))
	copyHeader(w.Header(), a.header)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the client is gone
	return nil
}

// answer is an upstream's, whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// upstreamURL is where requests are passed on to. Error: ErrNoUpstream.
func (n *Node) upstreamURL() (string, error) {
	s := n.edge.Load().Status()
	if !s.Connected || s.Upstream == "" {
		return "", godwit.ErrNoUpstream
	}
	return strings.TrimRight(s.Upstream, "/"), nil
}

func passedBodyError(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return godwit.Errorf(godwit.CodeBodyTooLarge, "The body is over the limit of %d bytes.", large.Limit)
	}
	return &godwit.Error{Code: godwit.CodeInvalidRequest, Message: "The request's body could not be read to its end.", Err: err}
}

// askUpstream sends a request and reads its answer whole. Errors: ErrNoUpstream,
// if nothing was sent or nothing changes by it; ErrOutcomeUnknown.
func (n *Node) askUpstream(q *http.Request) (answer, error) {
	sent := false
	q = q.WithContext(httptrace.WithClientTrace(q.Context(), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { sent = true },
	}))
	fail := func(err error) error {
		to := godwit.ErrNoUpstream
		if sent && q.Method != http.MethodGet && q.Method != http.MethodHead {
			to = godwit.ErrOutcomeUnknown
		}
		return &godwit.Error{Code: to.Code, Message: to.Message, Err: fmt.Errorf("pass a request on: %w", err)}
	}
	res, err := n.passing.RoundTrip(q)
	if err != nil {
		return answer{}, fail(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxPassedAnswer+1))
	if err == nil && len(body) > maxPassedAnswer {
		err = fmt.Errorf("the answer is over %d bytes", maxPassedAnswer)
	}
	if err != nil {
		return answer{}, fail(err)
	}
	return answer{res.StatusCode, res.Header, body}, nil
}

// awaitShown waits, not for long, until this node has a revision.
func (n *Node) awaitShown(ctx context.Context, revision string) {
	r, err := godwit.ParseRevision(revision)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, showTimeout)
	defer cancel()
	_ = n.edge.Load().Await(ctx, r) // the feed is slow; it will come
}

// copyHeader copies what is not about one connection alone.
func copyHeader(dst, src http.Header) {
	local := []string{
		"Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
		"Accept-Encoding", "Content-Length", "Expect", "Proxy-Authenticate", "Proxy-Authorization",
	}
	for _, line := range src.Values("Connection") {
		for name := range strings.SplitSeq(line, ",") {
			local = append(local, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	for name, values := range src {
		if !slices.Contains(local, name) {
			dst[name] = slices.Clone(values)
		}
	}
}

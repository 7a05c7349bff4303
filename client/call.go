package client

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	headerRevision    = "Godwit-Revision"
	headerRequestID   = "Godwit-Request-Id"
	headerMinRevision = "Godwit-Min-Revision"
	headerConsistency = "Godwit-Consistency"

	// maxBackoff bounds the wait between two attempts, whatever the server
	// asks for.
	maxBackoff = 5 * time.Second
	// maxReplyBytes bounds a JSON answer that is read whole: bulk get's are the
	// largest.
	maxReplyBytes = 256 << 20
)

// call is one request, sent as often as is safe.
type call struct {
	method      string
	path        string // percent-encoded, from the root of the server
	query       url.Values
	header      http.Header
	body        *body // nil: none
	contentType string
	idempotent  bool  // may be sent again after it may have been carried out
	reads       bool  // changes no data, though it is no GET
	settled     error // an answer after which it does not matter what became of attempts before; nil: none
}

// reader takes from an answer what the caller wants.
type reader func(*http.Response) error

// do sends the call, and has read take what is wanted of the answer.
func (c *Client) do(ctx context.Context, q call, read reader) error {
	return c.send(ctx, q, func(res *http.Response) error {
		defer func() { _ = res.Body.Close() }()
		if err := read(res); err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxErrorBytes)) // so that the connection is kept
		return nil
	})
}

// open sends the call and returns the answer, whose body the caller reads and closes.
func (c *Client) open(ctx context.Context, q call) (res *http.Response, err error) {
	err = c.send(ctx, q, func(answer *http.Response) error {
		res = answer
		return nil
	})
	return res, err
}

// send sends the call, as often as is safe, until take has an answer. An answer that is
// no success is an *Error. What the last answer says of a write is not all: an attempt
// before may still be on its way.
func (c *Client) send(ctx context.Context, q call, take reader) error {
	if err := checkHeader(q.header); err != nil {
		return err
	}
	header := c.header(q)
	open := false // an attempt may have been carried out
	for attempt := 1; ; attempt++ {
		if ctx.Err() != nil {
			return q.outcome(context.Cause(ctx), open)
		}
		err := c.attempt(ctx, q, header, take)
		if err == nil {
			return nil
		}
		open = open || leavesOpen(err)
		if attempt == c.attempts || !q.mayRepeat(err) || !c.wait(ctx, attempt, err) {
			return q.outcome(q.explain(ctx, err), open)
		}
		if err := q.body.rewind(); err != nil {
			return q.outcome(fmt.Errorf("rewind value: %w", err), open)
		}
	}
}

// header is what all attempts share; a write's request id above all.
func (c *Client) header(q call) http.Header {
	h := q.header.Clone()
	if h == nil {
		h = http.Header{}
	}
	if c.token != "" {
		h.Set("Authorization", "Bearer "+c.token)
	}
	h.Set("User-Agent", c.agent)
	if q.contentType != "" {
		h.Set("Content-Type", q.contentType)
	}
	if q.method != http.MethodGet && h.Get(headerRequestID) == "" {
		var id [16]byte
		_, _ = rand.Read(id[:]) // never fails
		h.Set(headerRequestID, hex.EncodeToString(id[:]))
	}
	return h
}

func (c *Client) attempt(ctx context.Context, q call, header http.Header, take reader) error {
	defer q.body.release()
	x, ctx := newExchange(ctx)
	target := c.base + q.path
	if len(q.query) > 0 {
		target += "?" + q.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, q.method, target, nil)
	if err != nil {
		x.end()
		return fmt.Errorf("make request: %w", err)
	}
	req.Header = header.Clone()
	q.body.attach(req, x)
	res, err := c.http.Do(req)
	if err != nil {
		x.end()
		return q.body.failure(x.failure(transportError(err)))
	}
	res.Body = x.receive(res.Body)
	if res.StatusCode >= 200 && res.StatusCode < 300 && q.answeredBy(res) {
		return take(res)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return errForeign
	}
	return readError(res)
}

// answeredBy tells whether a success is a godwit server's, and not a page of a proxy
// in between: all have a revision, but for Cloudflare's API on a log that is empty.
func (q call) answeredBy(res *http.Response) bool {
	return res.Header.Get(headerRevision) != "" || !q.writes() && res.Header.Get(headerRequestID) != ""
}

// transportError drops what url.Error repeats of the request.
func transportError(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// mayRepeat tells whether the call, having failed with err, may be sent again.
func (q call) mayRepeat(err error) bool {
	if !q.body.replayable() || valueBroke(err) {
		return false
	}
	var e *Error
	switch {
	case !errors.As(err, &e):
		return notSent(err) || q.idempotent && !malformed(err)
	case e.Status == http.StatusTooManyRequests:
		return !errors.Is(e, ErrQuota) // which does not pass by itself
	}
	return passes(e.Status) && q.idempotent
}

// passes tells whether a status is that of a server, or of a proxy before it, that may
// soon have another answer. Cloudflare's proxies have statuses of their own.
func passes(status int) bool {
	switch status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return status >= 520 && status <= 527
}

// malformed tells that an answer was read, and that asking again makes no better one.
func malformed(err error) bool {
	return errors.Is(err, errTooLong) || errors.As(err, new(*json.SyntaxError)) || errors.As(err, new(*json.UnmarshalTypeError))
}

// valueBroke tells that the value could not be read.
func valueBroke(err error) bool { return errors.As(err, new(valueError)) }

// notSent tells that a transport error came before anything was sent.
func notSent(err error) bool {
	if errors.As(err, new(unsentError)) {
		return true
	}
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// leavesOpen tells whether an attempt that failed with err may have been carried out:
// no answer came, or none of godwit's, or it broke off, or the server failed, or a
// proxy that got no answer. Four of the statuses of failures say that nothing was done.
func leavesOpen(err error) bool {
	if valueBroke(err) {
		return false
	}
	var e *Error
	if !errors.As(err, &e) {
		return !notSent(err)
	}
	switch e.Status {
	case http.StatusNotImplemented, http.StatusServiceUnavailable, http.StatusHTTPVersionNotSupported, http.StatusInsufficientStorage:
		return errors.Is(e, ErrOutcomeUnknown)
	}
	return e.Status >= 500 || e.Status == http.StatusRequestTimeout || errors.Is(e, ErrOutcomeUnknown)
}

// writes tells whether the call changes data.
func (q call) writes() bool { return q.method != http.MethodGet && !q.reads }

// explain marks the error of a last attempt that nobody answered, and that of a
// context that ended.
func (q call) explain(ctx context.Context, err error) error {
	answered := errors.As(err, new(*Error)) && !valueBroke(err)
	switch ended := ctx.Err() != nil; {
	case answered && ended:
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	case answered:
		return err
	case ended:
		return context.Cause(ctx)
	case q.writes() && !notSent(err):
		return err // outcome says what it is
	case valueBroke(err):
		return err
	case errors.Is(err, ErrUnavailable), malformed(err):
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// outcome marks the error of a write of which an attempt was left open.
func (q call) outcome(err error, open bool) error {
	if !open || !q.writes() || errors.Is(err, ErrOutcomeUnknown) || q.settled != nil && errors.Is(err, q.settled) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
}

// wait waits before the next attempt: as long as the server asked, else a time
// that doubles, less a random part of it. It is false if ctx ended first.
func (c *Client) wait(ctx context.Context, attempt int, err error) bool {
	d := time.Second
	if doubled := attempt - 1; c.backoff <= d>>doubled { // a shift to the left may overflow
		d = c.backoff << doubled
	}
	d = d/2 + mathrand.N(d/2+1)
	var e *Error
	if errors.As(err, &e) && e.RetryAfter > 0 {
		d = min(e.RetryAfter, maxBackoff)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return ctx.Err() == nil
	}
}

// rest calls Cloudflare's API and decodes the result into v, which may be nil.
func (c *Client) rest(ctx context.Context, q call, v any) error {
	envelope := struct {
		Result any `json:"result"`
	}{v}
	return c.json(ctx, q, &envelope)
}

// json sends the call and decodes the answer into v.
func (c *Client) json(ctx context.Context, q call, v any) error {
	_, err := c.jsonStatus(ctx, q, v)
	return err
}

// jsonStatus is json, and tells which success it was.
func (c *Client) jsonStatus(ctx context.Context, q call, v any) (status int, err error) {
	err = c.do(ctx, q, func(res *http.Response) error {
		status = res.StatusCode
		return decode(res.Body, v)
	})
	return status, err
}

// decode reads an answer's JSON into v.
func decode(r io.Reader, v any) error {
	return json.NewDecoder(&capped{r, maxReplyBytes}).Decode(v)
}

// jsonBody is a body that encodes v, which always can be.
func jsonBody(v any) *body {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("client: encode request: " + err.Error())
	}
	return bytesBody(raw)
}

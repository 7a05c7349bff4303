package feed

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/wire"
)

// silence is for how long nothing may come of a stream before it counts as lost:
// a heartbeat comes each second, and a walk's pages as fast as they are read.
const silence = 10 * time.Second

// FollowRequest asks for a stream.
type FollowRequest struct {
	After      godwit.Position // zero: from nothing, which is answered with EndTooOld
	Cluster    string          // "": any
	Generation uint64          // the highest that the follower has followed
	Namespaces []string        // ids or titles; nil: all that the token may
	MaxValue   int64           // 0: all values
	URL        string          // where others reach the follower, who is not sent there; "": nowhere

	Jurisdictions []string // whose namespaces the follower may carry; AllJurisdictions: all that the upstream does
}

// WalkRequest asks for the pages of a walk.
type WalkRequest struct {
	After      *store.Place // nil: from the start
	Heads      bool         // without values
	Cluster    string
	Generation uint64
	Namespaces []string
	MaxValue   int64

	Jurisdictions []string
}

// AllJurisdictions asks for namespaces of each jurisdiction that the upstream
// carries.
func AllJurisdictions() []string { return []string{ownJurisdictions} }

// Follow opens the upstream's feed. The stream ends when ctx does.
func (c *Client) Follow(ctx context.Context, q FollowRequest) (*Stream, error) {
	query := filterQuery(q.Namespaces, q.MaxValue, q.Jurisdictions)
	if q.After != (godwit.Position{}) {
		query.Set("after", q.After.Epoch.String()+":"+q.After.Revision.String())
	}
	setLog(query, q.Cluster, q.Generation)
	if q.URL != "" {
		query.Set("url", q.URL)
	}
	return c.stream(ctx, "", query)
}

// Walk opens a walk of the upstream's entries: Hello, then pages, then End.
func (c *Client) Walk(ctx context.Context, q WalkRequest) (*Stream, error) {
	query := filterQuery(q.Namespaces, q.MaxValue, q.Jurisdictions)
	if q.After != nil {
		query.Set("after", formatPlace(*q.After))
	}
	if q.Heads {
		query.Set("heads", "1")
	}
	setLog(query, q.Cluster, q.Generation)
	return c.stream(ctx, "/walk", query)
}

// State asks for a state of the upstream's and for what of it no feed tells: Hello,
// State, then Known and Pages, then End. cluster must be the upstream's. Whoever is to
// decide with it may carry namespaces of all its jurisdictions.
func (c *Client) State(ctx context.Context, cluster string, jurisdictions []string) (*Stream, error) {
	query := filterQuery(nil, 0, jurisdictions)
	query.Set("cluster", cluster)
	query.Set("numbers", "1")
	return c.stream(ctx, "/state", query)
}

// filterQuery is how a request says what is to be carried.
func filterQuery(namespaces []string, maxValue int64, jurisdictions []string) url.Values {
	q := url.Values{}
	if namespaces != nil {
		q.Set("namespaces", strings.Join(namespaces, ","))
	}
	if maxValue > 0 {
		q.Set("max_value", strconv.FormatInt(maxValue, 10))
	}
	if len(jurisdictions) > 0 {
		q.Set("jurisdictions", strings.Join(jurisdictions, ","))
	}
	return q
}

// setLog is how a request says what log the follower's data is of.
func setLog(q url.Values, cluster string, generation uint64) {
	if cluster != "" {
		q.Set("cluster", cluster)
	}
	if generation > 0 {
		q.Set("generation", strconv.FormatUint(generation, 10))
	}
}

// formatPlace writes a place as requests name it.
func formatPlace(p store.Place) string {
	return p.Namespace.String() + "/" + base64.RawURLEncoding.EncodeToString([]byte(p.Key))
}

// Stream is a stream of frames. It is for one goroutine.
type Stream struct {
	in     *bufio.Reader
	source *pulse
	body   io.ReadCloser
	frames frameReader
	over   error // after the last frame
}

// stream asks for frames. Until the head of the answer comes, too, silence counts.
func (c *Client) stream(ctx context.Context, path string, query url.Values) (*Stream, error) {
	ctx, cancel := context.WithCancel(ctx)
	p := newPulse(cancel)
	req, err := c.request(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	p.listen()
	resp, err := send(c.streams, req)
	p.pause()
	if err == nil {
		err = checkFrames(resp)
	}
	if err != nil {
		cancel()
		return nil, p.explain(err)
	}
	p.in = resp.Body
	return &Stream{in: bufio.NewReaderSize(p, readBuffer), source: p, body: resp.Body}, nil
}

// checkFrames tells whether an answer is a stream of frames, and closes it if it
// is none.
func checkFrames(resp *http.Response) error {
	if got := resp.Header.Get("Content-Type"); got != ContentType {
		resp.Body.Close()
		return broken(fmt.Errorf("%w: content type %q", wire.ErrMalformed, printable(got)))
	}
	return nil
}

// Next returns the next frame, which stays valid. Errors: io.EOF after an End,
// io.ErrUnexpectedEOF where the stream broke off, wire.ErrMalformed, the
// transport's: all but the first with CodeUnavailable.
func (s *Stream) Next() (Frame, error) {
	if s.over != nil {
		return nil, s.over
	}
	f, err := s.frames.read(s.in)
	if err != nil {
		if err == io.EOF { // a stream ends with End
			err = io.ErrUnexpectedEOF
		}
		s.over = s.source.explain(broken(err))
		return nil, s.over
	}
	if _, ok := f.(*End); ok {
		s.over = io.EOF
	}
	return f, nil
}

// More tells whether Next would not wait: a whole frame has arrived, or the end.
// Of a frame longer than what is read ahead it cannot tell.
func (s *Stream) More() bool {
	if s.over != nil {
		return true
	}
	if s.in.Buffered() < headBytes {
		return false
	}
	head, err := s.in.Peek(headBytes)
	if err != nil {
		return true
	}
	h, err := parseHead(head)
	return err != nil || s.in.Buffered() >= headBytes+h.length
}

// Received is how many bytes have come so far. Any goroutine may ask, also while
// Next waits: a large frame on a slow line is no silence.
func (s *Stream) Received() int64 { return s.source.received.Load() }

// Close ends the stream.
func (s *Stream) Close() error {
	s.source.cancel()
	if s.over == nil {
		s.over = broken(errClosed)
	}
	return s.body.Close()
}

var (
	errClosed = errors.New("the stream is closed")
	errSilent = fmt.Errorf("nothing came for %s", silence)
)

// pulse reads from an upstream, and gives up when nothing comes.
type pulse struct {
	in       io.Reader
	cancel   context.CancelFunc // of the request
	timer    *time.Timer
	silent   atomic.Bool
	received atomic.Int64
}

func newPulse(cancel context.CancelFunc) *pulse {
	p := &pulse{cancel: cancel}
	p.timer = time.AfterFunc(silence, func() {
		p.silent.Store(true)
		cancel()
	})
	p.timer.Stop()
	return p
}

// listen and pause begin and end a time in which something must come.
func (p *pulse) listen() { p.timer.Reset(silence) }
func (p *pulse) pause()  { p.timer.Stop() }

// Read implements io.Reader.
func (p *pulse) Read(b []byte) (int, error) {
	p.listen()
	n, err := p.in.Read(b)
	p.pause()
	p.received.Add(int64(n))
	return n, err
}

// explain tells why reading failed, if that was silence.
func (p *pulse) explain(err error) error {
	if p.silent.Load() {
		return unreachable(errSilent)
	}
	return err
}

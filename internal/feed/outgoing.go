package feed

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

const (
	// writeTimeout is for how long a receiver may take nothing in.
	writeTimeout = 20 * time.Second
	// leaveTimeout is the same once the stream is to end.
	leaveTimeout = time.Second
	// spareFrames is how many large frames go by between two attempts to compress
	// one, if that does not pay.
	spareFrames = 15
	// standingEvery is how often it is asked whether a token still stands.
	standingEvery = time.Second
	// standingTimeout is how long the upstream that knows the token may take.
	standingTimeout = 5 * time.Second
)

// outgoing is one answer made of frames. It is for one goroutine.
type outgoing struct {
	s         *Server
	w         http.ResponseWriter
	control   *http.ResponseController
	cancel    context.CancelCauseFunc // with why the stream ends
	principal *catalog.Principal
	filter    *filter
	session   uint64
	lineage   godwit.Lineage // as the receiver knows it

	plain, short []byte    // scratch
	spare        int       // large frames that are not worth compressing
	wrote        time.Time // something, last
	late         time.Time // when the receiver has taken nothing in for too long

	mu      sync.Mutex
	leaving bool // the stream is to end soon, whatever the receiver does
	left    bool // the stream is over
}

// stream answers a request with frames: a Hello, what fill sends, and an End.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, q *ask, follower *follower, fill func(context.Context, *outgoing) error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	o := &outgoing{
		s: s, w: w, control: http.NewResponseController(w), cancel: cancel,
		principal: q.principal, filter: q.filter, session: newSession(),
	}
	follower.outgoing = o
	refusal := q.refusal
	if refusal == nil {
		if refusal = s.admit(o, follower); refusal == nil {
			defer s.dismiss(o)
		}
	}
	context.AfterFunc(ctx, o.leave)
	defer o.restore()
	began := time.Now()
	err := o.begin()
	switch {
	case err != nil:
	case refusal != nil:
		err = refusal
	default:
		err = o.whileStanding(ctx, fill)
	}
	reason := o.end(ctx, err)
	s.metrics.ended.WithLabelValues(reason).Inc()
	s.cfg.Logger.Info("stream ended", slog.String(logReason, reason), slog.Bool(logWalk, follower.walks),
		slog.String(logToken, q.principal.Token.ID), slog.Duration(logLasted, time.Since(began)))
}

// whileStanding runs fill, which sees its context end once the stream's token may
// no longer follow.
func (o *outgoing) whileStanding(ctx context.Context, fill func(context.Context, *outgoing) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { o.watchStanding(ctx) })
	defer watching.Wait()
	defer cancel()
	return fill(ctx, o)
}

// newSession names a stream so that nobody guesses it.
func newSession() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process first
	return binary.BigEndian.Uint64(b[:])
}

// begin sends the head of the answer and the first Hello.
func (o *outgoing) begin() error {
	h := o.w.Header()
	h.Set("Content-Type", ContentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // asks proxies to pass on what comes
	o.w.WriteHeader(http.StatusOK)
	return errors.Join(o.hello(), o.flush())
}

// hello tells who this node is, at the start and when the lineage has grown.
func (o *outgoing) hello() error {
	st := o.s.cfg.Store
	h := &Hello{
		Cluster: st.Cluster(), Account: o.s.account(), Lineage: st.Lineage(), Purged: st.Purged(),
		Revision: o.s.ring.position(), Owner: o.s.cfg.Owner, Carries: o.filter.Filter, Session: o.session,
		Clock: o.s.clock(),
	}
	if o.s.cfg.Self != nil {
		h.Location = clipText(o.s.cfg.Self().Location)
	}
	o.lineage = h.Lineage
	return o.send(h)
}

// renew sends another Hello if the log has begun an epoch since the last one.
func (o *outgoing) renew() error {
	now := o.s.cfg.Store.Lineage()
	if len(now) == len(o.lineage) && (len(now) == 0 || &now[0] == &o.lineage[0]) || slices.Equal(now, o.lineage) {
		return nil
	}
	return o.hello()
}

// end sends why the stream ends, unless nobody is there to hear it, and returns
// that in a word.
func (o *outgoing) end(ctx context.Context, err error) string {
	var end *End
	switch {
	case errors.As(context.Cause(ctx), &end):
	case o.tookNothing(err): // the server ends ctx for it, as if the receiver had left
		return EndSlow.String() // what is left of the connection takes no End
	case ctx.Err() != nil, errors.Is(err, errWrite):
		return "left"
	case errors.As(err, &end):
	default:
		o.s.cfg.Logger.Error("stream failed", slog.String(logError, err.Error()))
		end = &End{EndClosing, "this node has a fault"}
	}
	if o.send(end) == nil {
		_ = o.flush() // the stream is over either way
	}
	return end.Reason.String()
}

// tookNothing tells that err is of a receiver that took nothing in for too long. A
// deadline before that is one of a stream that was to end anyway.
func (o *outgoing) tookNothing(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) && !time.Now().Before(o.late)
}

// errWrite is the error of a connection that takes no more.
var errWrite = errors.New("write to follower")

// send sends a frame.
func (o *outgoing) send(f Frame) (err error) {
	if o.plain, err = AppendFrame(o.plain[:0], f); err != nil {
		return err
	}
	return o.write(o.plain)
}

// sendLarge sends a frame whose payload is what fill appends.
func (o *outgoing) sendLarge(k kind, fill func(b []byte) []byte) error {
	o.plain = fill(append(o.plain[:0], make([]byte, headBytes)...))
	if len(o.plain)-headBytes > MaxFrameBytes {
		return errFrameTooLarge
	}
	sealFrame(o.plain, k, 0)
	return o.write(o.compressed())
}

// compressed is the frame in o.plain, compressed if that pays. Where it saves less
// than half, as of values that are compressed already or at random, what follows is
// mostly spared the attempt: it costs more than all else that is done for a frame.
func (o *outgoing) compressed() []byte {
	if o.spare > 0 {
		o.spare--
		return o.plain
	}
	frame := o.s.ring.compress.compress(o.short, o.plain)
	if len(frame) < len(o.plain) {
		o.short = frame
	}
	if len(frame) > len(o.plain)/2 {
		o.spare = spareFrames
	}
	return frame
}

// write sends an encoded frame, which may be shared with others.
func (o *outgoing) write(frame []byte) error {
	o.allow()
	n, err := o.w.Write(frame)
	o.wrote = time.Now()
	o.s.metrics.bytes.Add(float64(n))
	if err != nil {
		return errors.Join(errWrite, err)
	}
	o.s.metrics.frames.Inc()
	return nil
}

func (o *outgoing) flush() error {
	if err := o.control.Flush(); err != nil {
		return errors.Join(errWrite, err)
	}
	return nil
}

// allow gives the receiver time for the next write. A connection without
// deadlines is one of a test.
func (o *outgoing) allow() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.leaving {
		o.late = time.Now().Add(writeTimeout)
		_ = o.control.SetWriteDeadline(o.late)
	}
}

// leave lets a write that waits for the receiver wait no longer.
func (o *outgoing) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.left {
		o.leaving = true
		_ = o.control.SetWriteDeadline(time.Now().Add(leaveTimeout))
	}
}

// restore leaves the connection to the request after this one.
func (o *outgoing) restore() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.left = true
	_ = o.control.SetWriteDeadline(time.Time{})
}

// watchStanding ends the stream once its token may no longer follow.
func (o *outgoing) watchStanding(ctx context.Context) {
	tick := time.NewTicker(standingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !o.s.stands(ctx, o.principal) {
			o.cancel(&End{Reason: EndRevoked, Message: "the token is no longer good for this"})
			return
		}
	}
}

// stands tells whether the credential that came with a request still stands for
// who it stood for. An upstream that cannot be asked takes nothing away.
func (s *Server) stands(ctx context.Context, was *catalog.Principal) bool {
	ctx, cancel := context.WithTimeout(ctx, standingTimeout)
	defer cancel()
	p, err := s.cfg.Catalog().Authenticate(ctx, []byte(godwit.CredentialOf(ctx)))
	if err != nil {
		return !errors.Is(err, godwit.ErrUnauthenticated)
	}
	return p.Root == was.Root && p.Token.ID == was.Token.ID && mayFollow(p) == nil
}

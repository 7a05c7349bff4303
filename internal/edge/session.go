package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
)

// steadyAfter is for how long a stream is in order before its end means that
// something happened to it, and not that its upstream is no good.
const steadyAfter = 20 * time.Second

// session is one stream, or one walk, from its Hello on.
type session struct {
	client *feed.Client
	index  int // of the upstream, in order of preference; of a stream
	walks  bool
	cancel context.CancelCauseFunc
	asked  time.Time
	pings  pings

	greeted bool            // its Hello has come
	id      uint64          // names the stream in reports
	head    godwit.Revision // the highest that the upstream was heard to hold
	sent    godwit.Revision // up to where it has sent what there is
	headway feed.Headway

	mu    sync.Mutex
	ended bool
}

// stream follows one stream of c's to its end, and tells whether it was in order
// for a while. The error says why it ended.
func (l *loop) stream(ctx context.Context, c *feed.Client, index int) (steady bool, err error) {
	parent := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &session{client: c, index: index, cancel: cancel, asked: time.Now()}
	since, err := l.frames(ctx, s)
	if cause := context.Cause(ctx); cause != nil && parent.Err() == nil {
		err = cause
	}
	if f := (*fatalError)(nil); !errors.As(err, &f) {
		if left := l.apply.leave(); left != nil {
			err = left
		}
	}
	steady = !since.IsZero() && time.Since(since) >= steadyAfter
	if steady {
		l.status.steady()
	}
	l.end(s, err)
	return steady, err
}

// frames opens the stream and takes its frames. It returns since when the stream
// is in order, zero if it never was.
func (l *loop) frames(ctx context.Context, s *session) (since time.Time, err error) {
	silence := newSilence(s.cancel, func(is bool) { l.quiet(s, is) })
	defer silence.end()
	st, err := s.client.Follow(ctx, l.request())
	if err != nil {
		return since, err
	}
	defer st.Close()
	silence.watch(st)
	for {
		if !st.More() || l.apply.full() {
			if err := l.apply.commit(); err != nil {
				return since, err
			}
		}
		asked := time.Now()
		silence.listen()
		f, err := st.Next()
		silence.pause()
		if err != nil {
			if errors.Is(err, io.EOF) { // which the stream gives only behind an End
				err = io.ErrUnexpectedEOF
			}
			return since, err
		}
		if further := s.further(f); since.IsZero() {
			if err := s.headway.Heard(time.Since(asked), further); err != nil {
				return since, err
			}
		}
		if err := l.awaitBound(ctx, f); err != nil {
			return since, err
		}
		if err := l.frame(s, f); err != nil {
			return since, err
		}
		if _, ok := f.(*feed.Ready); ok && since.IsZero() {
			since = time.Now()
			l.inOrder(s)
		}
	}
}

// further tells whether a frame brings the stream further towards its first Ready.
// Of what does not pass the filter heartbeats alone tell.
func (s *session) further(f feed.Frame) bool {
	to := s.sent
	switch f := f.(type) {
	case *feed.Ready:
		return true
	case *feed.Records:
		to = f.Revision
	case *feed.Heartbeat:
		to = f.Revision
	}
	is := to > s.sent
	s.sent = max(s.sent, to)
	return is
}

func (l *loop) request() feed.FollowRequest {
	q := feed.FollowRequest{
		Namespaces: l.cfg.Namespaces, MaxValue: l.cfg.MaxValue, Jurisdictions: l.cfg.Jurisdictions, Generation: l.store.Generation(),
		URL: l.url(),
	}
	if l.apply.hasData() {
		q.Cluster = l.store.Stats().ClusterID
	}
	if l.apply.note.Reconciling == "" {
		q.After = position(l.store)
	}
	return q
}

func (l *loop) frame(s *session, f feed.Frame) error {
	switch f := f.(type) {
	case *feed.Hello:
		return l.greet(s, f)
	case *feed.End:
		return endError(l.helloOf(s), f, position(l.store), l.store.Generation())
	}
	if !s.greeted {
		return fmt.Errorf("%w: it does not start with who it is", errFrame)
	}
	switch f := f.(type) {
	case *feed.Records:
		return l.apply.apply(f)
	case *feed.Ready:
		if err := l.apply.ready(f); err != nil {
			return err
		}
		l.lag(s, f.Revision)
		return nil
	case *feed.Heartbeat:
		if err := l.apply.commit(); err != nil {
			return err
		}
		if err := l.apply.meet(f); err != nil {
			return err
		}
		return l.heartbeat(s, f)
	default:
		return fmt.Errorf("%w: a %T", errFrame, f)
	}
}

func (l *loop) helloOf(s *session) *feed.Hello {
	if s.greeted {
		return l.apply.hello
	}
	return nil
}

// greet takes a Hello. The upstream may be asked from now on. Its clock is taken
// before anything of it: by a wrong one entries would count as expired, and be
// swept.
func (l *loop) greet(s *session, h *feed.Hello) error {
	err := l.apply.greet(h)
	if !s.greeted && (err == nil || isStep(err)) {
		err = errors.Join(l.correct(h.Clock, time.Since(s.asked)), err)
	}
	if err != nil {
		return err
	}
	l.lag(s, h.Revision)
	l.follow.setUpstream(nil, s.client)
	if s.greeted {
		return nil
	}
	s.greeted, s.id = true, h.Session
	l.session.Store(s)
	if l.status.connected(s.client.URL()) {
		l.metrics.failovers.Inc()
	}
	return nil
}

// inOrder notes that the store follows: the stream's first Ready is in. A full
// disk is still a problem then.
func (l *loop) inOrder(s *session) {
	l.reporter.soon()
	if l.full && l.store.DiskFull() {
		return
	}
	l.full = false
	if l.status.following(s.client.URL()) {
		l.log.Info("following upstream", logUpstream, s.client.URL(), logRevision, uint64(l.apply.position))
	}
}

// end notes that the stream is over, and whether its upstream still answers.
func (l *loop) end(s *session, err error) {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	l.session.CompareAndSwap(s, nil)
	l.full = l.full || errors.Is(err, errDiskFull)
	if !answers(err) {
		l.follow.setUpstream(s.client, nil)
	}
	if isStep(err) {
		l.status.interrupted()
		return
	}
	l.status.lost(s.client.URL(), err)
}

// quiet notes whether requests to the session's upstream are of any use.
func (l *loop) quiet(s *session, is bool) {
	switch {
	case is:
		l.follow.giveUp(s.client, errSilent)
	case l.session.Load() == s:
		s.revive(l.follow)
	}
}

// revive makes the session's upstream the one to ask again, unless the session
// is over.
func (s *session) revive(f *follower) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended && f.upstream() == nil {
		f.setUpstream(nil, s.client)
	}
}

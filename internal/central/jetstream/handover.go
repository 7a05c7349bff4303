package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/edge"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/pause"
	"github.com/godwitkv/godwit/internal/store"
)

const (
	// meetings is how often one join tries to stop the copy where a state of the
	// peer's is, and mostFailures how often it tries to get a state, or the last of
	// the values, before another join asks the next peer.
	meetings     = 100
	mostFailures = 10
	meetPause    = 100 * time.Millisecond
	// meetWait is how long the copy may take to get where the peer's state is.
	meetWait = 30 * time.Second
)

// handover is a state of a peer's that is on its way.
type handover struct {
	stream *feed.Stream
	state  *feed.State
	place  Place
}

func (h *handover) close() {
	if h != nil {
		h.stream.Close()
	}
}

// meet returns a state of the peer's at whose position the store is, with all
// values, and stays. While the copy is behind in rounds, that may take a few
// attempts: at the tail each frame is a commit of the peer's.
func (j *Joiner) meet(ctx context.Context, e *edge.Edge) (*handover, error) {
	var last error
	for attempt, failures := 0, 0; attempt < meetings && failures < mostFailures; attempt++ {
		h, err := j.attempt(ctx, e)
		if err == nil || ctx.Err() != nil {
			return h, err
		}
		if last = err; !errors.Is(err, edge.ErrPassed) {
			failures++
		}
		j.log.Debug("the copy and the peer's state do not meet yet", logError, err.Error())
		pause.For(ctx, meetPause)
	}
	return nil, fmt.Errorf("take over a state of %s: %w", e.Status().Upstream, last)
}

func (j *Joiner) attempt(ctx context.Context, e *edge.Edge) (h *handover, err error) {
	if err := e.Await(ctx, 0); err != nil {
		return nil, err
	}
	if err := e.FetchMissing(ctx); err != nil { // most of them, while the copy goes on
		return nil, fmt.Errorf("fetch values: %w", err)
	}
	e.Stop()
	defer func() {
		if err != nil {
			h.close()
			h = nil
			e.GoOn()
		}
	}()
	if h, err = ask(ctx, e); err != nil {
		return h, err
	}
	wait, cancel := context.WithTimeout(ctx, meetWait)
	defer cancel()
	if err := e.StopAt(wait, h.state.Position.Revision); err != nil {
		return h, err
	}
	if got := position(j.cfg.Store); got != h.state.Position {
		return h, fmt.Errorf("the copy is at revision %d of epoch %s, and the peer's state of epoch %s", got.Revision, got.Epoch, h.state.Position.Epoch)
	}
	if err := e.FetchMissing(wait); err != nil {
		return h, fmt.Errorf("fetch values: %w", err)
	}
	return h, nil
}

// ask asks the peer that the copy follows for a state.
func ask(ctx context.Context, e *edge.Edge) (h *handover, err error) {
	stream, err := e.State(ctx)
	if err != nil {
		return nil, err
	}
	h = &handover{stream: stream}
	for h.state == nil {
		f, err := stream.Next()
		if err != nil {
			return h, err
		}
		switch f := f.(type) {
		case *feed.Hello:
		case *feed.State:
			h.state = f
		case *feed.End:
			return h, f
		default:
			return h, errFrame(f)
		}
	}
	if h.place, err = decodePlace(h.state.Place); err == nil && (h.place.Stream == "" || h.place.Joining) {
		err = errors.New("the peer is at no place of the stream")
	}
	return h, err
}

func errFrame(f feed.Frame) error { return fmt.Errorf("a peer's state makes no sense: a %T", f) }

// takeOver puts what decisions read beside entries in place of what the store had of
// it. The store stays at no place until the last transaction, which is synced with
// all before it.
func (h *handover) takeOver(s *store.Store) (Place, error) {
	tx := s.Begin()
	tx.Forget(h.state.Time)
	if err := commitLater(tx); err != nil {
		return Place{}, err
	}
	for {
		f, err := h.stream.Next()
		if err != nil {
			return Place{}, fmt.Errorf("read the peer's state: %w", err)
		}
		switch f := f.(type) {
		case *feed.Hello:
		case *feed.Known:
			err = keepKnown(s, f)
		case *feed.Page:
			err = keepSwept(s, f)
		case *feed.End:
			if f.Reason != feed.EndDone {
				return Place{}, fmt.Errorf("read the peer's state: %w", f)
			}
			return h.place, h.finish(s)
		default:
			err = errFrame(f)
		}
		if err != nil {
			return Place{}, err
		}
	}
}

func keepKnown(s *store.Store, f *feed.Known) error {
	if s.DiskFull() {
		return godwit.ErrDiskFull
	}
	tx := s.Begin()
	for _, p := range f.Proposers {
		tx.KeepProposer(p)
	}
	for _, r := range f.Requests {
		tx.KeepRequest(r)
	}
	return commitLater(tx)
}

// keepSwept takes entries that have expired by a clock and not by the log's time.
func keepSwept(s *store.Store, f *feed.Page) error {
	tx := s.Begin()
	for i := range f.Records {
		if err := tx.KeepSwept(&f.Records[i]); err != nil {
			tx.Rollback()
			return fmt.Errorf("keep an entry that has expired: %w", err)
		}
	}
	return commitLater(tx)
}

// finish makes of the store one that is at the peer's place.
func (h *handover) finish(s *store.Store) error {
	tx := s.Begin()
	edge.Forget(tx)
	err := tx.Reach(h.state.Position.Revision)
	if err == nil {
		err = SetPlace(tx, h.place)
	}
	if err != nil {
		tx.Rollback()
		return err
	}
	return commitSynced(tx)
}

// commitLater commits what becomes durable with what comes after it.
func commitLater(tx *store.Tx) error {
	c, err := tx.Commit(store.NoSync)
	if err == nil {
		err = c.Wait()
	}
	if err != nil {
		return fmt.Errorf("take over a peer's state: %w", err)
	}
	return nil
}

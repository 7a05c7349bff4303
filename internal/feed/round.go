package feed

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/wire"
)

const (
	// chunkBytes is about how much is read of a view at once: a frame of a round,
	// or a page.
	chunkBytes = 128 << 10
	// viewAge is for how long one view is read: as long as it lives, the database
	// forgets nothing.
	viewAge = 10 * time.Second
)

var (
	// errChunk ends a look at a view: that is enough for once.
	errChunk = errors.New("chunk is full")
	// errSuspended ends a stream whose store is no exact copy any more.
	errSuspended = &End{EndSuspended, "this node is no exact copy for now"}
)

// encoded is what was read of a view at once.
type encoded struct {
	bytes   []byte
	records int
}

func (e *encoded) add(r *godwit.Record) {
	e.bytes = wire.AppendRecord(e.bytes, r)
	e.records++
}

func (e *encoded) full() bool { return len(e.bytes) >= chunkBytes }

func (e *encoded) reset() { e.bytes, e.records = e.bytes[:0], 0 }

// appendTo appends the records as frames hold them.
func (e *encoded) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(e.records))
	return append(b, e.bytes...)
}

// round sends what changed between the follower's position and that of some later
// state, and Ready. A state is looked at for a while only: what is left then comes
// from another one, which tells of all that changed since.
func (f *follower) round(ctx context.Context) error {
	f.s.metrics.rounds.Inc()
	defer func() { f.plain, f.short = nil, nil }() // at the tail frames are short
	f.pace.begin()
	defer f.pace.end()
	for {
		view, err := f.s.view(ctx)
		if err != nil {
			return err
		}
		done, err := f.sendView(ctx, view)
		if err = errors.Join(err, view.Close()); err != nil || done {
			return err
		}
	}
}

// view returns a state that is exact for who is still here. Errors: an End, the
// store's.
func (s *Server) view(ctx context.Context) (*store.View, error) {
	view, err := s.cfg.Store.View(ctx)
	if err != nil {
		return nil, err
	}
	// Behind the view: who suspends does so before the store is changed.
	if ctx.Err() != nil || !s.exact() {
		err = context.Cause(ctx)
		if err == nil {
			err = errSuspended
		}
	} else {
		err = s.awaitTold(ctx, view)
	}
	if err != nil {
		return nil, errors.Join(err, view.Close())
	}
	return view, nil
}

// awaitTold waits until the ring was told of what a view shows: a follower's store shows
// a commit a moment before, and which namespaces are of a jurisdiction is known of what
// was told alone.
func (s *Server) awaitTold(ctx context.Context, view *store.View) error {
	if s.ring.position() >= view.Revision() {
		return nil
	}
	late := time.NewTimer(toldWithin)
	defer late.Stop()
	for {
		news := s.ring.after(view.Revision(), nil, 0)
		if news.tail >= view.Revision() {
			return nil
		}
		select {
		case <-news.grown:
		case <-late.C:
			return errSuspended // the log was taken back
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// toldWithin bounds how long a commit is shown before it is told.
const toldWithin = 5 * time.Second

// sendView sends what changed up to a view's state, and tells whether that was
// all of it.
func (f *follower) sendView(ctx context.Context, view *store.View) (done bool, err error) {
	switch {
	case view.Purged() > f.at:
		return false, &End{EndTooOld, "deletions since the position are forgotten"}
	case view.Revision() < f.at:
		return false, errSuspended // the log was taken back
	}
	var part encoded
	for opened := time.Now(); time.Since(opened) < viewAge; {
		age := f.s.age()
		upTo, err := f.readChanges(ctx, view, &part)
		if err == nil {
			err = f.sendRound(view, upTo, &part)
		}
		if err != nil {
			return false, err
		}
		if upTo == view.Revision() {
			return true, f.sendReady(&Ready{Revision: upTo, Time: view.Time(), Purged: view.Purged()})
		}
		if err := errors.Join(f.beatIfDue(0, age), f.flush()); err != nil {
			return false, err
		}
		f.pace.resume()
	}
	return false, nil
}

// readChanges reads a part of what changed since f.at, and returns up to where.
func (f *follower) readChanges(ctx context.Context, view *store.View, part *encoded) (upTo godwit.Revision, err error) {
	part.reset()
	upTo = f.at
	seen, started := 0, time.Now()
	err = view.Changes(ctx, f.at, view.Revision(), func(r *godwit.Record) error {
		if part.full() {
			return errChunk
		}
		if seen++; seen%lookEvery == 0 && time.Since(started) > beatEvery/2 {
			return errChunk
		}
		f.pace.record(ctx)
		upTo = r.Revision
		if f.filter.pass(r, f.s.ring.bounds) {
			part.add(r)
		}
		return nil
	})
	switch {
	case err == nil:
		return view.Revision(), nil
	case errors.Is(err, errChunk):
		return upTo, nil
	case ctx.Err() != nil:
		return f.at, context.Cause(ctx)
	}
	return f.at, err
}

// sendRound sends a part of a round, if there is any, and moves on.
func (f *follower) sendRound(view *store.View, upTo godwit.Revision, part *encoded) error {
	if err := f.renew(); err != nil {
		return err
	}
	if part.records > 0 {
		err := f.sendLarge(kindRecords, func(b []byte) []byte {
			return part.appendTo(appendRecordsHead(b, f.at, upTo, view.Time(), true))
		})
		if err != nil {
			return err
		}
	}
	f.moved(upTo)
	return nil
}

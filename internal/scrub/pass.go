package scrub

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"time"

	"github.com/godwitkv/godwit/internal/pause"
	"github.com/godwitkv/godwit/internal/store"
)

const (
	// keepEvery is how many bytes are read between two notes of it.
	keepEvery = 64 << 20
	// againAfter is how long a pass waits that the store's error has ended.
	againAfter = time.Minute
)

// passes carries out one pass after the other, when they are due.
func (s *Scrubber) passes(ctx context.Context) error {
	for {
		if !s.await(ctx) {
			return nil
		}
		s.begin()
		err := s.pass(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			s.end(ctx)
		default:
			s.log.Error("scrub", logError, err.Error())
			if !pause.For(ctx, againAfter) {
				return nil
			}
		}
	}
}

// await returns once a pass is under way, due or asked for. It is false once ctx has
// ended.
func (s *Scrubber) await(ctx context.Context) bool {
	for ctx.Err() == nil {
		wait, due := s.untilDue()
		if due {
			return true
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
		case <-s.now:
			timer.Stop()
			return ctx.Err() == nil
		}
		timer.Stop()
	}
	return false
}

// farAway is how long nothing is due without a schedule; within it, how often the clock
// is looked at, which may be put right.
const farAway = time.Hour

func (s *Scrubber) untilDue() (wait time.Duration, due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &s.note
	if n.Began != 0 {
		return 0, true
	}
	if s.cfg.Every <= 0 {
		return farAway, false
	}
	wait = s.due(n).Sub(s.cfg.Now())
	return min(max(wait, 0), farAway), wait <= 0
}

// due is when the pass after those of n begins: now, where n is of a clock that was ahead
// and is put right, as nobody knows how long ago that was.
func (s *Scrubber) due(n *note) time.Time {
	from, wait := n.Since, min(s.cfg.Every, firstAfter)
	if n.Last != nil {
		from, wait = n.Last.Began, s.cfg.Every
	}
	if now := s.cfg.Now(); from > now.Unix() {
		return now
	}
	return time.Unix(from, 0).Add(wait)
}

// begin notes a new pass, unless one is under way.
func (s *Scrubber) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.note.Began == 0 {
		s.note = note{Since: s.note.Since, Began: max(s.cfg.Now().Unix(), 1), Last: s.note.Last}
		maps.DeleteFunc(s.lost, func(d store.Damage, _ struct{}) bool { return d != brokenDatabase })
		s.tableBroken = false
	}
}

// endTables takes back that the database is damaged, if no file of it is any more: each
// read of one that is tells of it, and must not make one pass follow the other.
func (s *Scrubber) endTables() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.tableBroken {
		delete(s.lost, brokenDatabase)
	}
}

func (s *Scrubber) end(ctx context.Context) {
	s.mu.Lock()
	n := &s.note
	done := last{Began: n.Began, Ended: s.cfg.Now().Unix(), counts: n.counts}
	s.note = note{Since: n.Since, Last: &done}
	s.mu.Unlock()
	if err := s.keep(); err != nil {
		s.log.Error("scrub", logError, err.Error())
	}
	level := slog.LevelInfo
	if done.Found > done.Mended {
		level = slog.LevelError
	}
	s.log.Log(ctx, level, "scrub: all that is on the disk was read", logBytes, done.Bytes, logFound, done.Found, logMended, done.Mended,
		logTook, time.Duration(done.Ended-done.Began)*time.Second)
}

// pass reads what of a pass is left.
func (s *Scrubber) pass(ctx context.Context) error {
	if err := s.keep(); err != nil {
		return err
	}
	if err := s.passTables(ctx); err != nil {
		return err
	}
	return s.passBlobs(ctx)
}

func (s *Scrubber) passTables(ctx context.Context) error {
	unkept := int64(0)
	for !s.at().AtBlobs {
		t, ok, err := s.cfg.Store.TableAfter(s.at().Table)
		if err != nil {
			return err
		}
		if ok {
			err = s.table(ctx, t)
		}
		if err != nil {
			return err
		}
		s.move(func(n *note) { n.Table, n.AtBlobs = max(n.Table, t.Number), !ok })
		if unkept += t.Size; unkept >= keepEvery {
			unkept = 0
			err = s.keep()
		}
		if err != nil {
			return err
		}
	}
	s.endTables()
	return nil
}

func (s *Scrubber) passBlobs(ctx context.Context) error {
	unkept := int64(0)
	for {
		b, ok, err := s.cfg.Store.BlobAfter(ctx, s.at().Position)
		if err != nil || !ok {
			return err
		}
		if err := s.blob(ctx, b); err != nil {
			return err
		}
		s.move(func(n *note) { n.Position, n.Values = b.Position, n.Values+1 })
		if unkept += b.Blob.Size; unkept >= keepEvery {
			unkept = 0
			if err := s.keep(); err != nil {
				return err
			}
		}
	}
}

// blob reads one blob, and mends it if need be. Errors: the context's, the store's.
func (s *Scrubber) blob(ctx context.Context, b store.NamedBlob) error {
	err := s.cfg.Store.CheckBlob(ctx, b, s.pace)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil, store.IsMissing(err) && s.cfg.Absent(b.Namespace, b.Blob):
		return nil
	}
	s.damaged(ctx, store.Damage{Namespace: b.Namespace, Key: b.Key, Revision: b.Revision, Blob: b.Blob, Err: err})
	return ctx.Err()
}

// table reads one file of the database. Errors: the context's, the store's.
func (s *Scrubber) table(ctx context.Context, t store.Table) error {
	err := s.cfg.Store.CheckTable(ctx, t, s.pace)
	if err == nil || ctx.Err() != nil || !errors.Is(err, store.ErrCorrupt) {
		return err
	}
	s.brokenTable(ctx, t, err)
	return ctx.Err()
}

func (s *Scrubber) at() note {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.note
}

func (s *Scrubber) move(fn func(*note)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn(&s.note)
}

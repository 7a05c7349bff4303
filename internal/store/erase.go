package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godwitkv/godwit"
)

// A namespace may say within which time the bytes of a value are gone from the disk that
// was deleted, replaced or has expired. A commit that makes bytes of such a namespace
// useless notes it, in a note of the node's own, unless an older one is noted. When three
// quarters of the time are over, what the namespace has in the database is written anew,
// and the files that held it, of the log too, are unlinked.

func (s *Store) eraseLoop(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.sweepEvery)
	defer tick.Stop()
	var met trouble
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if s.durable.failure() != nil {
			return nil
		}
		if err := s.Erase(ctx); err != nil && ctx.Err() == nil && met.logs(err) {
			s.cfg.Logger.Error("erase", "error", err.Error())
		}
	}
}

// Erase does at once what of erasing is due. What fails is tried again the next time, and
// keeps no other namespace from it.
func (s *Store) Erase(ctx context.Context) (err error) {
	if !s.erasures.some.Load() {
		return nil
	}
	s.erasures.turns.Lock()
	defer s.erasures.turns.Unlock()
	for _, ns := range s.erasuresDue() {
		failed := s.erase(ctx, ns)
		if failed = errors.Join(failed, s.endErasing(ns, failed == nil)); failed != nil {
			err = errors.Join(err, fmt.Errorf("erase what namespace %s has deleted: %w", ns, failed))
		}
	}
	return err
}

// erasuresDue begins the passes that are due, between two transactions: one that is open
// has noted what it makes useless, and a pass that began before its commit would write that
// anew as alive, and then take the note away.
func (s *Store) erasuresDue() (due []godwit.NamespaceID) {
	s.writing.Lock()
	defer s.writing.Unlock()
	e, now := &s.erasures, s.cfg.Now().UnixMilli()
	e.mu.Lock()
	defer e.mu.Unlock()
	for ns, one := range e.all {
		if one.due(now) {
			one.running, one.oldest, one.began = one.oldest, 0, now
			due = append(due, ns)
		}
	}
	return due
}

// endErasing notes how a pass ended.
func (s *Store) endErasing(ns godwit.NamespaceID, done bool) error {
	tx := s.Begin()
	if one := tx.erasing(ns); one != nil {
		if !done {
			one.oldest = one.since()
		}
		one.running, one.failed = 0, !done
		one.note(tx, ns)
		if one.gone && one.oldest == 0 {
			tx.keepErasing(ns, nil)
		}
	}
	return tx.commitAside()
}

// erase has what a namespace has in the database written anew, and unlinks the files
// that held what it has no more.
func (s *Store) erase(ctx context.Context, ns godwit.NamespaceID) error {
	if err := s.syncLog(); err != nil {
		return err
	}
	old := make(map[uint64]bool)
	for _, prefix := range []byte{prefixEntry, prefixValue, prefixVersion} {
		lower := appendNS(nil, prefix, ns)
		if err := s.rewriteParts(ctx, lower, successor(lower), old); err != nil {
			return err
		}
	}
	return errors.Join(s.renewLogs(), s.awaitUnlinked(ctx, old), s.awaitLeftovers(ctx))
}

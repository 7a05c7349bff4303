package scrub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/godwitkv/godwit/internal/store"
)

// fetchTimeout is for the longest value on a slow line.
const fetchTimeout = 10 * time.Minute

// retryEvery is how often it is tried again to mend what could not be.
const retryEvery = time.Minute

// mendMet mends what reads have met, one after the other, and tries again what could not
// be mended before.
func (s *Scrubber) mendMet(ctx context.Context) error {
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case d := <-s.met:
			s.look(ctx, d)
		case <-tick.C:
			s.retry(ctx)
		}
	}
}

// retry goes through what is lost: whoever has it may answer again, or its entry may
// have gone.
func (s *Scrubber) retry(ctx context.Context) {
	s.mu.Lock()
	lost := slices.Collect(maps.Keys(s.lost))
	s.mu.Unlock()
	for _, d := range lost {
		switch {
		case ctx.Err() != nil:
			return
		case d.Blob.IsZero():
			s.copyAgain()
		case !s.cfg.Store.Names(store.NamedBlob{Namespace: d.Namespace, Blob: d.Blob}):
			s.dropLost(d)
		case s.cfg.Fetch != nil && s.mend(ctx, d) == nil:
			s.mended(d)
			s.log.Info("scrub: a damaged value is mended", logNamespace, d.Namespace.String(), logRevision, uint64(d.Revision))
		}
	}
}

// copyAgain has another copy made of what a damaged database holds, if somebody has it.
func (s *Scrubber) copyAgain() bool {
	if s.cfg.Broken == nil || !s.cfg.Broken() {
		return false
	}
	s.log.Warn("scrub: this node becomes a new copy, since its database is damaged")
	return true
}

func (s *Scrubber) mended(d store.Damage) {
	s.dropLost(d)
	s.move(func(n *note) { n.Mended++ })
	s.metrics.mended.Inc()
}

// look holds what a read has met against what is there now: another may have been first.
func (s *Scrubber) look(ctx context.Context, d store.Damage) {
	if d.Blob.IsZero() {
		s.findBroken(ctx)
		return
	}
	b := store.NamedBlob{Namespace: d.Namespace, Key: d.Key, Revision: d.Revision, Blob: d.Blob}
	if d.Key == "" || s.isLost(d) {
		return
	}
	if err := s.blob(ctx, b); err != nil && ctx.Err() == nil {
		s.log.Error("scrub", logError, err.Error())
	}
}

// findBroken reads the files of the database that a read has met one of.
func (s *Scrubber) findBroken(ctx context.Context) {
	if s.isLost(brokenDatabase) {
		return
	}
	s.addLost(brokenDatabase)
	s.move(func(n *note) { n.Found++ })
	s.metrics.found.Inc()
	s.broken("a read met a damaged file of the database")
	s.Start() // a pass tells which values are in it
}

// brokenDatabase stands among what is lost for files of the database.
var brokenDatabase = store.Damage{}

// maxTold bounds how many values of one file have a line in the log.
const maxTold = 1000

// brokenTable tells of each value that a damaged file of the database has taken along.
func (s *Scrubber) brokenTable(ctx context.Context, t store.Table, why error) {
	s.log.Error("scrub: a file of the database is damaged", logError, why.Error())
	values := 0
	err := s.cfg.Store.DamagedIn(ctx, t, func(d store.Damage) {
		if values++; values <= maxTold {
			s.log.Error("scrub: a value is damaged", logNamespace, d.Namespace.String(), logRevision, uint64(d.Revision))
		}
	})
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		s.log.Error("scrub: not all that is damaged can be told", logError, err.Error())
	}
	s.move(func(n *note) { n.Found += int64(max(values, 1)) })
	s.metrics.found.Add(float64(max(values, 1)))
	s.addLost(brokenDatabase)
	s.mu.Lock()
	s.tableBroken = true
	s.mu.Unlock()
	s.broken(fmt.Sprintf("%d values in it cannot be read", values))
}

// broken has another copy made, if somebody has one.
func (s *Scrubber) broken(what string) {
	if s.copyAgain() {
		return
	}
	s.log.Error("scrub: the database is damaged, and nobody can be asked for a copy of it now: reads of what is lost fail. "+
		"A backup has it, or an edge that is promoted; see docs/operations.md", logError, what)
}

// damaged mends a blob, or notes that it cannot.
func (s *Scrubber) damaged(ctx context.Context, d store.Damage) {
	log := s.log.With(logNamespace, d.Namespace.String(), logRevision, uint64(d.Revision))
	known := s.isLost(d)
	if !known {
		s.move(func(n *note) { n.Found++ })
		s.metrics.found.Inc()
	}
	err := s.mend(ctx, d)
	switch {
	case ctx.Err() != nil:
	case err == nil:
		s.mended(d)
		log.Warn("scrub: a value was damaged, and is mended", logError, d.Err.Error())
	default:
		s.addLost(d)
		log.Error("scrub: a value is damaged, and is not mended: reads of it fail", logError, errors.Join(d.Err, err).Error())
	}
}

// errAlone tells that there is nobody to ask.
var errAlone = errors.New("this node has nobody to ask: put the value again, or restore a backup")

// mend replaces a blob's file by what another node has. What is there stays until all of
// it has come and has the hash: a crash leaves the one or the other.
func (s *Scrubber) mend(ctx context.Context, d store.Damage) error {
	if s.cfg.Fetch == nil {
		return errAlone
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	r, err := s.cfg.Fetch(ctx, d)
	if err != nil {
		return fmt.Errorf("ask for the value: %w", err)
	}
	defer r.Close()
	if err := s.cfg.Store.ImportBlob(ctx, d.Blob, r); err != nil {
		return err
	}
	return s.cfg.Store.SpareBlob(d.Namespace, d.Blob.ID) // its entry may have gone meanwhile
}

// lostKey is d as it is kept: errors do not compare.
func lostKey(d store.Damage) store.Damage {
	d.Err = nil
	return d
}

// maxLost bounds what is kept in memory of what could not be mended.
const maxLost = 1 << 16

func (s *Scrubber) addLost(d store.Damage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lost) < maxLost {
		s.lost[lostKey(d)] = struct{}{}
	}
}

func (s *Scrubber) dropLost(d store.Damage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.lost, lostKey(d))
}

func (s *Scrubber) isLost(d store.Damage) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, is := s.lost[lostKey(d)]
	return is
}

package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/godwitkv/godwit"
)

// A namespace may say within which time the bytes of a value are gone from the disk that
// was deleted, replaced or has expired. A commit that makes bytes of such a namespace
// useless notes it, in a note of the node's own, unless an older one is noted. When three
// quarters of the time are over, what the namespace has in the database is written anew,
// and the files that held it, of the log too, are unlinked.

// erasing is what is known of one namespace.
type erasing struct {
	within  time.Duration
	oldest  int64 // since when bytes are useless, unix milliseconds; 0: none are
	running int64 // the same of those that a pass is removing
	noted   int64 // what the note has of both; 0: there is none
	began   int64 // when the last pass did
	failed  bool  // it did not come to its end
	gone    bool  // the namespace was deleted
}

// since is what is noted; 0: nothing is.
func (e *erasing) since() int64 {
	if e.oldest == 0 || e.running != 0 && e.running < e.oldest {
		return e.running
	}
	return e.oldest
}

// due tells whether a pass is to begin. Passes of commits that were late to come here
// do not follow each other without a pause, nor does one that is tried again: what held
// it up may take long, and each try writes all of the namespace.
func (e *erasing) due(now int64) bool {
	ms := e.within.Milliseconds()
	pause := ms / 8
	if e.failed {
		pause = ms / 32
	}
	return e.oldest != 0 && e.running == 0 && now >= e.oldest+ms*3/4 && now >= e.began+pause
}

// erasures are those of all namespaces that have the setting, or had it when they were
// deleted.
type erasures struct {
	mu    sync.Mutex
	some  atomic.Bool
	all   map[godwit.NamespaceID]*erasing
	turns sync.Mutex // held by a pass
}

func (e *erasures) of(ns godwit.NamespaceID) (erasing, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if one := e.all[ns]; one != nil {
		return *one, true
	}
	return erasing{}, false
}

const eraseNote = "erase/"

type eraseText struct {
	Since  int64 `json:"since"`
	Within int64 `json:"within"` // milliseconds
}

// loadErasures reads the settings and the notes. What was useless before the setting
// came, or while another program had the directory, counts from now.
func (s *Store) loadErasures() error {
	s.erasures.all = make(map[godwit.NamespaceID]*erasing)
	now := s.cfg.Now().UnixMilli()
	err := scanPrefix(s.db, appendEntryKey(nil, godwit.SystemNamespace, namespacePrefix), func(k, _ []byte) error {
		ns, ok := namespaceOf(string(k[1+nsLen:]))
		if !ok {
			return nil
		}
		value, err := s.systemValue(k[1+nsLen:])
		if within := eraseWithin(value); err == nil && within > 0 {
			s.erasures.all[ns] = &erasing{within: within, oldest: now}
		}
		return err
	})
	if err != nil {
		return err
	}
	err = scanPrefix(s.db, appendNoteKey(nil, eraseNote), func(k, row []byte) error {
		_, id, _ := strings.Cut(string(k), eraseNote)
		ns, idErr := godwit.ParseNamespaceID(id)
		var t eraseText
		if idErr != nil || json.Unmarshal(row, &t) != nil || t.Since <= 0 || t.Within <= 0 {
			return nil // of no use: what is due counts from now
		}
		e := s.erasures.all[ns]
		if e == nil {
			e = &erasing{within: time.Duration(t.Within) * time.Millisecond, gone: true}
			s.erasures.all[ns] = e
		}
		e.oldest, e.noted = min(t.Since, now), t.Since
		return nil
	})
	s.erasures.some.Store(len(s.erasures.all) > 0)
	return err
}

// eraseWithin reads the setting out of a namespace's own entry; 0: there is none.
func eraseWithin(value []byte) time.Duration {
	var ns godwit.Namespace
	if json.Unmarshal(value, &ns) != nil {
		return 0
	}
	d, err := godwit.ParseEraseWithin(ns.Settings.EraseWithin)
	if err != nil {
		return 0
	}
	return d
}

// setErasing puts the setting in force that a namespace's own entry has.
func (tx *Tx) setErasing(ns godwit.NamespaceID, r *godwit.Record) {
	within := eraseWithin(r.Value.Inline)
	e := &tx.s.erasures
	e.mu.Lock()
	one := e.all[ns]
	switch {
	case within == 0 && one == nil:
		e.mu.Unlock()
		return
	case within == 0:
		delete(e.all, ns)
	case one == nil:
		e.all[ns] = &erasing{within: within}
	default:
		one.within, one.gone, one.noted = within, false, 0
	}
	e.some.Store(len(e.all) > 0)
	e.mu.Unlock()
	if within == 0 {
		tx.SetNote(eraseNote+ns.String(), nil)
		return
	}
	tx.useless(ns)
}

// useless notes that the transaction leaves bytes of a namespace behind that nobody can
// read any more.
func (tx *Tx) useless(ns godwit.NamespaceID) {
	switch {
	case tx.ended > 0:
		tx.uselessSince(ns, tx.ended)
	case tx.mixed:
		tx.uselessSince(ns, 0)
	default:
		tx.uselessSince(ns, tx.time)
	}
}

// uselessSince notes the same of what came to its end at a time, in unix milliseconds; 0:
// now.
func (tx *Tx) uselessSince(ns godwit.NamespaceID, at int64) {
	e := &tx.s.erasures
	if !e.some.Load() {
		return
	}
	if now := tx.s.cfg.Now().UnixMilli(); at <= 0 || at > now {
		at = now
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	one := e.all[ns]
	if one == nil {
		return
	}
	if one.oldest == 0 || at < one.oldest {
		one.oldest = at
	}
	if one.noted != one.since() { // since an open it may count from then without a note
		one.note(tx, ns)
	}
}

// note has a transaction note what is known.
func (e *erasing) note(tx *Tx, ns godwit.NamespaceID) {
	tx.SetNote(eraseNote+ns.String(), e.text())
	e.noted, tx.noted = e.since(), true
}

// unnoted tells that notes of a transaction are lost: the next one notes it again.
func (e *erasures) unnoted() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, one := range e.all {
		one.noted = 0
	}
}

func (e *erasing) text() []byte {
	since := e.since()
	if since == 0 {
		return nil
	}
	text, _ := json.Marshal(eraseText{since, e.within.Milliseconds()}) // numbers always encode
	return text
}

// eraseEnded notes that a namespace was deleted, with its setting.
func (e *erasures) ended(ns godwit.NamespaceID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if one := e.all[ns]; one != nil {
		one.gone = true
	}
}

// EraseWithin is the shortest time within which a namespace's deleted values are to be
// erased, 0 if none has one.
func (s *Store) EraseWithin() (shortest time.Duration) {
	s.erasures.mu.Lock()
	defer s.erasures.mu.Unlock()
	for _, e := range s.erasures.all {
		if shortest == 0 || e.within < shortest {
			shortest = e.within
		}
	}
	return shortest
}

// historySpan is for how long a namespace keeps an earlier version at most: half of the
// time within which its bytes must be gone.
func (s *Store) historySpan(ns godwit.NamespaceID, span time.Duration) time.Duration {
	if e, ok := s.erasures.of(ns); ok {
		return min(span, e.within/2)
	}
	return span
}

func (s *Store) eraseLoop(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if s.durable.failure() != nil {
			return nil
		}
		if err := s.Erase(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Logger.Error("erase", "error", err.Error())
		}
	}
}

// Erase does at once what of erasing is due. What fails is tried again the next time.
func (s *Store) Erase(ctx context.Context) error {
	if !s.erasures.some.Load() {
		return nil
	}
	s.erasures.turns.Lock()
	defer s.erasures.turns.Unlock()
	for _, ns := range s.erasuresDue() {
		err := s.erase(ctx, ns)
		if err := errors.Join(err, s.endErasing(ns, err == nil)); err != nil {
			return fmt.Errorf("erase what namespace %s has deleted: %w", ns, err)
		}
	}
	return nil
}

// erasuresDue begins the passes that are due.
func (s *Store) erasuresDue() (due []godwit.NamespaceID) {
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
	e := &s.erasures
	e.mu.Lock()
	if one := e.all[ns]; one != nil {
		if !done {
			one.oldest = one.since()
		}
		one.running, one.failed = 0, !done
		one.note(tx, ns)
		if one.gone && one.oldest == 0 {
			delete(e.all, ns)
		}
	}
	e.some.Store(len(e.all) > 0)
	e.mu.Unlock()
	c, err := tx.Commit(NoSync)
	if err != nil {
		return err
	}
	return c.release()
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
		if err := s.rewrite(ctx, lower, successor(lower), old); err != nil {
			return err
		}
	}
	return errors.Join(s.renewLogs(), s.awaitUnlinked(ctx, old))
}

// rewriteTries bounds how often a range is written anew until no file of before is left.
const rewriteTries = 4

// errPinned tells that a state was being read which still has what is to go.
var errPinned = errors.New("an older state is being read: it is tried again")

// rewrite has all of a range written anew, also what stands in the lowest level alone: a
// deletion of range keys, of which there are none, reaches over all of it, and so each
// compaction does. The database may compact on its own meanwhile: what counts is that no
// file of before is left.
func (s *Store) rewrite(ctx context.Context, lower, upper []byte, old map[uint64]bool) error {
	for range rewriteTries {
		pinned := s.db.Metrics().Snapshots.PinnedKeys
		if err := s.db.Flush(); err != nil {
			return fmt.Errorf("flush: %w", err)
		}
		before, err := s.tablesIn(lower, upper)
		if err != nil {
			return err
		}
		maps.Copy(old, before)
		if err := s.compactAll(ctx, lower, upper); err != nil {
			return err
		}
		after, err := s.tablesIn(lower, upper)
		if err != nil {
			return err
		}
		if s.db.Metrics().Snapshots.PinnedKeys == pinned && disjoint(before, after) {
			return nil
		}
	}
	return errPinned
}

// compactAll has each file that reaches into a range compacted.
func (s *Store) compactAll(ctx context.Context, lower, upper []byte) error {
	b := s.db.NewBatch()
	err := errors.Join(b.RangeKeyDelete(lower, upper, nil), b.Commit(pebble.NoSync))
	if err == nil {
		err = s.db.Flush()
	}
	if err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	if err := s.db.Compact(ctx, lower, upper, false); err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	return nil
}

func disjoint(a, b map[uint64]bool) bool {
	for n := range a {
		if b[n] {
			return false
		}
	}
	return true
}

// tablesIn are the numbers of the files of the database that have rows of a range.
func (s *Store) tablesIn(lower, upper []byte) (map[uint64]bool, error) {
	levels, err := s.db.SSTables(pebble.WithKeyRangeFilter(lower, upper))
	if err != nil {
		return nil, fmt.Errorf("list files of the database: %w", err)
	}
	found := make(map[uint64]bool)
	for _, level := range levels {
		for i := range level {
			found[uint64(level[i].BackingSSTNum)] = true
		}
	}
	return found, nil
}

// renewLogs has all files of the log that were written to so far unlinked, those too
// that the database keeps to use again.
func (s *Store) renewLogs() error {
	s.logs.fresh.Store(true)
	defer s.logs.fresh.Store(false)
	for range stopWrites + 3 {
		if err := s.db.Flush(); err != nil {
			return fmt.Errorf("flush: %w", err)
		}
	}
	return nil
}

const (
	unlinkWait  = 30 * time.Second
	unlinkEvery = 10 * time.Millisecond
)

// awaitUnlinked waits until files are gone. Who still reads one holds it up.
func (s *Store) awaitUnlinked(ctx context.Context, numbers map[uint64]bool) error {
	ctx, cancel := context.WithTimeout(ctx, unlinkWait)
	defer cancel()
	tick := time.NewTicker(unlinkEvery)
	defer tick.Stop()
	for n := range numbers {
		for !s.isUnlinked(n) {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return fmt.Errorf("file %06d.sst is still being read: %w", n, ctx.Err())
			}
		}
	}
	return nil
}

func (s *Store) isUnlinked(number uint64) bool {
	_, err := s.cfg.FS.Stat(s.tablePath(number))
	return errors.Is(err, fs.ErrNotExist)
}

// logsFS is the file system as the database has it. While fresh is set, a file of the log
// that is to be used again is unlinked instead, and another one made.
type logsFS struct {
	vfs.FS
	fresh atomic.Bool
}

// ReuseForWrite implements vfs.FS.
func (l *logsFS) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if !l.fresh.Load() {
		return l.FS.ReuseForWrite(from, to, category)
	}
	if err := l.Remove(from); err != nil {
		return nil, err
	}
	return l.Create(to, category)
}

package store

import (
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitkv/godwit"
)

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
	return e.oldest != 0 && e.running == 0 && e.late(now) && (now >= e.began+pause || now < e.began)
}

// late tells whether three quarters of the time are over. Where the oldest was noted by a
// clock that was ahead and is put right, nobody knows: they may be. A clock that goes back
// by less, as corrected ones do, cannot make it miss the time.
func (e *erasing) late(now int64) bool {
	ms := e.within.Milliseconds()
	return now >= e.oldest+ms*3/4 || now < e.oldest-ms/8
}

// note has a transaction note what is known.
func (e *erasing) note(tx *Tx, ns godwit.NamespaceID) {
	tx.SetNote(eraseNote+ns.String(), e.text())
	e.noted = e.since()
}

func (e *erasing) text() []byte {
	since := e.since()
	if since == 0 {
		return nil
	}
	text, _ := json.Marshal(eraseText{since, e.within.Milliseconds()}) // numbers always encode
	return text
}

// erasures are those of all namespaces that have the setting, or had it when they were
// deleted. Only whoever holds the store's write lock changes them, and so may read them
// without mu.
type erasures struct {
	mu    sync.Mutex
	some  atomic.Bool
	all   map[godwit.NamespaceID]*erasing
	turns sync.Mutex // held by a pass

	leftovers []string // files of before that may be there; the pass that has its turn has them
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

// erasing returns what the transaction knows of a namespace's erasing, to be changed, or
// nil if nothing of it is to be erased.
func (tx *Tx) erasing(ns godwit.NamespaceID) *erasing {
	if one, ok := tx.erasings[ns]; ok {
		return one
	}
	one := tx.s.erasures.all[ns]
	if one == nil {
		return nil
	}
	kept := *one
	return tx.keepErasing(ns, &kept)
}

// keepErasing has one in force once the transaction is committed; nil: nothing is to be
// erased any more.
func (tx *Tx) keepErasing(ns godwit.NamespaceID, one *erasing) *erasing {
	if tx.erasings == nil {
		tx.erasings = make(map[godwit.NamespaceID]*erasing)
	}
	tx.erasings[ns] = one
	return one
}

// publishErasings puts in force what the transaction has changed.
func (tx *Tx) publishErasings() {
	if len(tx.erasings) == 0 {
		return
	}
	e := &tx.s.erasures
	e.mu.Lock()
	defer e.mu.Unlock()
	for ns, one := range tx.erasings {
		if one == nil {
			delete(e.all, ns)
		} else {
			e.all[ns] = one
		}
	}
	e.some.Store(len(e.all) > 0)
}

// setErasing takes over the setting that a namespace's own entry has.
func (tx *Tx) setErasing(ns godwit.NamespaceID, r *godwit.Record) {
	within := eraseWithin(r.Value.Inline)
	one := tx.erasing(ns)
	switch {
	case within == 0 && one == nil:
		return
	case within == 0:
		tx.keepErasing(ns, nil)
		tx.SetNote(eraseNote+ns.String(), nil)
		return
	case one == nil:
		tx.keepErasing(ns, &erasing{within: within})
	default:
		one.within, one.gone, one.noted = within, false, 0
	}
	tx.useless(ns)
}

// endErasing notes that a namespace is deleted, with its setting.
func (tx *Tx) endErasing(ns godwit.NamespaceID) {
	if one := tx.erasing(ns); one != nil {
		one.gone = true
	}
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
	one := tx.erasing(ns)
	if one == nil {
		return
	}
	if now := tx.s.cfg.Now().UnixMilli(); at <= 0 || at > now {
		at = now
	}
	if one.oldest == 0 || at < one.oldest {
		one.oldest = at
	}
	if one.noted != one.since() { // since an open it may count from then without a note
		one.note(tx, ns)
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

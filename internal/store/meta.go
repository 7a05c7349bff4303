package store

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/planted"
)

// load reads what the store keeps in memory, and writes a new store's first
// rows.
func (s *Store) load() error {
	found, err := s.getMeta(metaFormat)
	if err != nil {
		return err
	}
	if found == nil {
		if _, err := s.cfg.FS.Stat(filepath.Join(s.cfg.Dir, versionName)); err == nil && !s.cfg.Filling {
			return fmt.Errorf("the database has lost its rows: %w", ErrCorrupt)
		}
		if err := s.initialise(); err != nil {
			return err
		}
	} else if v := string(found); !knownVersion(v, strconv.Itoa) {
		return fmt.Errorf("%w: the database has format %q, this godwit reads formats %d to %d", ErrVersion, v, oldestFormat, FormatVersion)
	}
	id, err := s.getMeta(metaCluster)
	if err != nil || len(id) != nsLen {
		return errors.Join(fmt.Errorf("read cluster id: %w", ErrCorrupt), err)
	}
	cluster := hex.EncodeToString(id)
	s.cluster.Store(&cluster)
	if err := s.loadPosition(); err != nil {
		return err
	}
	if err := errors.Join(s.loadLineage(), s.loadReplaced()); err != nil {
		return err
	}
	if err := s.loadGeneration(); err != nil {
		return err
	}
	return errors.Join(s.counts.load(s.db), s.loadHistories(), s.loadErasures(), s.loadRequests(), s.loadWiped(), s.tombstoned.load(s.db))
}

func (s *Store) initialise() error {
	b := s.db.NewBatch()
	defer b.Close()
	id := make([]byte, nsLen)
	_, _ = rand.Read(id)
	_ = b.Set(metaFormat, []byte(strconv.Itoa(FormatVersion)), nil)
	_ = b.Set(metaCluster, id, nil)
	if err := b.Commit(pebble.Sync); err != nil {
		return fmt.Errorf("write first rows: %w", err)
	}
	return nil
}

// upgrade makes the database one of this version, before it gets rows that an older
// one does not know. All rows of older versions stay as they are.
func (s *Store) upgrade() error {
	found, err := s.getMeta(metaFormat)
	if err != nil || string(found) == strconv.Itoa(FormatVersion) {
		return err
	}
	if err := s.db.Set(metaFormat, []byte(strconv.Itoa(FormatVersion)), pebble.Sync); err != nil {
		return fmt.Errorf("write format: %w", err)
	}
	return nil
}

func (s *Store) loadPosition() error {
	row, err := s.getMeta(metaApplied)
	if err != nil {
		return err
	}
	if row != nil {
		rev, ms, err := decodePair(row)
		if err != nil {
			return err
		}
		s.applied.Store(rev)
		s.pending.Store(rev)
		s.logTime.Store(int64(ms))
		s.durable.advance(godwit.Revision(rev))
	}
	if row, err = s.getMeta(metaPurged); err != nil {
		return err
	}
	if row != nil {
		floor, _, err := decodePair(row)
		if err != nil {
			return err
		}
		s.purged.Store(floor)
	}
	return s.loadMixed()
}

func (s *Store) loadMixed() error {
	row, err := s.getMeta(metaMixed)
	if err != nil || row == nil {
		return err
	}
	ahead, _, err := decodePair(row)
	s.ahead = godwit.Revision(ahead)
	s.mixed.Store(true)
	return err
}

func (s *Store) getMeta(key []byte) ([]byte, error) {
	v, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key[1:], err)
	}
	defer closer.Close()
	return append([]byte{}, v...), nil
}

func (s *Store) loadLineage() error {
	var l godwit.Lineage
	err := scanPrefix(s.db, []byte{prefixLineage}, func(k, v []byte) error {
		if len(k) != 9 {
			return fmt.Errorf("read lineage: %w", ErrCorrupt)
		}
		e, err := decodeLineageRow(v)
		e.First = godwit.Revision(binary.BigEndian.Uint64(k[1:]))
		l = append(l, e)
		return err
	})
	s.lineage.Store(&l)
	return err
}

// Lineage returns the epochs of the log that this store was built from.
func (s *Store) Lineage() godwit.Lineage { return *s.lineage.Load() }

// Purged returns the purge floor: a follower that is behind it may have missed
// tombstones that are gone.
func (s *Store) Purged() godwit.Revision { return godwit.Revision(s.purged.Load()) }

// lastEpoch is the highest first revision of an epoch. By a clock that is right none comes
// near it before the year 2250.
const lastEpoch = godwit.MaxRevision - 1<<47

// FirstRevision is the first of an epoch that begins behind a revision: above all before
// it and at least the time in microseconds, so that an old copy of a directory, put back,
// never gives a revision twice. Error: the clock is so far ahead that few revisions would
// be left, which could never be taken back.
func FirstRevision(after godwit.Revision, now time.Time) (godwit.Revision, error) {
	first := max(after+1, godwit.Revision(max(now.UnixMicro(), 1)))
	if first > lastEpoch {
		return 0, fmt.Errorf("an epoch at revision %d leaves too few above it, and by this machine's clock it is %s: set the clock right", first, now.UTC().Format(time.RFC3339))
	}
	return first, nil
}

// OpenEpoch starts an epoch at FirstRevision. It is durable on return, and takes that
// first revision itself. Its generation is the store's. Epochs that the purge floor
// has passed are forgotten. Errors: the disk's, those of FirstRevision.
func (s *Store) OpenEpoch() (godwit.Epoch, error) {
	tx := s.Begin()
	now := s.cfg.Now()
	first, err := FirstRevision(tx.revision, now)
	if err != nil {
		tx.Rollback()
		return godwit.Epoch{}, err
	}
	e := godwit.Epoch{First: first, After: tx.revision, Generation: s.Generation()}
	if planted.ReuseRevision && tx.revision > 0 {
		e.First = tx.revision + 1
	}
	_, _ = rand.Read(e.ID[:])
	tx.Advance(now.UnixMilli())
	tx.StartEpoch(e)
	c, err := tx.Commit(Sync)
	if err != nil {
		return e, err
	}
	return e, c.Wait()
}

// StartEpoch starts an epoch, whose first revision it takes. It goes on from the
// position.
func (tx *Tx) StartEpoch(e godwit.Epoch) {
	tx.revision = e.First
	tx.RaiseGeneration(e.Generation)
	tx.set(appendLineageKey(tx.key[:0], e.First), appendLineageRow(nil, e))
	l := append(tx.s.trimLineage(tx), e)
	tx.lineage = &l
}

// trimLineage drops the epochs that ended at or below the purge floor.
func (s *Store) trimLineage(tx *Tx) godwit.Lineage {
	l := append(godwit.Lineage(nil), s.Lineage()...)
	for len(l) > 1 && l[1].First <= s.Purged() {
		tx.delete(appendLineageKey(tx.key[:0], l[0].First))
		l = l[1:]
	}
	return l
}

// scanPrefix calls fn for each row whose key starts with prefix. k and v are
// valid during the call.
func scanPrefix(r pebble.Reader, prefix []byte, fn func(k, v []byte) error) error {
	return scanRange(r, prefix, successor(prefix), fn)
}

func scanRange(r pebble.Reader, lower, upper []byte, fn func(k, v []byte) error) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return fmt.Errorf("open iterator: %w", err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err == nil {
			err = fn(it.Key(), v)
		}
		if err != nil {
			return errors.Join(err, it.Close())
		}
	}
	return errors.Join(it.Error(), it.Close())
}

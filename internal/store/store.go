// Package store owns the local copy: entries by key, by revision and by time,
// tombstones, counters, lineage and the position up to which the log has been
// applied, all in one Pebble database, and large values beside it.
//
// Everything that a batch of the log changes goes in one atomic write, so a
// crash leaves a prefix of the log and never half a transaction. Writes come in
// by [Store.Begin], from whoever follows the log; reads never wait for one,
// but for the moment until what they saw is durable.
//
// It decides nothing: which mutations take effect is state's to say. It is the
// only package that imports Pebble, and must not import state, the catalog or a
// log.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/blob"
	"github.com/godwitkv/godwit/internal/collectors"
)

// Config is what a store needs. Only Dir is required.
type Config struct {
	Dir         string
	FS          FS                    // default: the machine's
	Now         func() time.Time      // corrected clock; default: time.Now
	Sure        func() time.Time      // a time that has come for sure: what ends later is kept, though it is hidden by Now; default: Now
	Logger      *slog.Logger          // default: none
	Metrics     prometheus.Registerer // default: none
	InlineBytes int                   // longest value kept beside its key; default godwit.DefaultInlineBytes
	DiskReserve int64                 // bytes left free; 0: a tenth of the disk, 16 to 256 MiB; below 0: none
	CacheBytes  int64                 // memory for caches: a fifth for blocks, the rest for rows; default 512 MiB
	HotBytes    int64                 // memory for the entries read most, in front of that; default 32 MiB
	Retention   time.Duration         // how long tombstones stay; default 7 days
	BlobGrace   time.Duration         // how long a blob's file outlives its entry; default 1 minute

	// OnSystem is told the records of the system namespace once they are
	// durable, in order, before whoever proposed them.
	OnSystem func([]godwit.Record)

	// OnCommit is told what each commit changed once it is durable, in order,
	// before whoever proposed it.
	OnCommit func(*Committed)

	// OnExpired is told of entries that have expired, within a second of it, and
	// before anything can be put under their keys again. OnCommit may yet have to
	// tell of the entries themselves.
	OnExpired func([]Expired)

	// Follower is for a store whose log is at an upstream: what is committed
	// counts as durable at once, and entries may be newer than the position while
	// it catches up.
	Follower bool

	// History has a follower keep the earlier versions that namespaces' settings ask
	// for, from where it is exact on: a member of a shared log. Who is no follower
	// keeps them always.
	History bool

	// Backup is for a directory that MarkBackup has marked, and no other.
	Backup bool

	// Filling is for a directory that is being filled by a restore: all others refuse it
	// as ErrUnfinished until Promote has finished it.
	Filling bool

	// Keys are what the directory is encrypted with. Default: it is not.
	Keys *Keys

	// WipeAbove is how many keys, or tombstones, of a namespace a clearing of all of it
	// reads at the most; of more it reads none, and the sweeper removes what is noted of
	// them. Default 16,384; negative: it never reads them. It changes nothing that a
	// client sees.
	WipeAbove int64

	sweepEvery   time.Duration
	collectAfter int64 // see collectBound
	collectEach  int   // see collectEachRun
	rewritePart  int64 // see rewritePart
	promoting    bool  // the directory may be a backup, or unfinished
	mounted      bool  // FS encrypts, if it is to
}

func (c *Config) setDefaults() {
	if c.FS == nil {
		c.FS = Disk()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Sure == nil {
		c.Sure = c.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	if c.InlineBytes <= 0 {
		c.InlineBytes = godwit.DefaultInlineBytes
	}
	c.InlineBytes = min(c.InlineBytes, godwit.MaxInlineBytes)
	if c.CacheBytes <= 0 {
		c.CacheBytes = 512 << 20
	}
	if c.HotBytes <= 0 {
		c.HotBytes = 32 << 20
	}
	if c.Retention <= 0 {
		c.Retention = 7 * 24 * time.Hour
	}
	if c.BlobGrace <= 0 {
		c.BlobGrace = time.Minute
	}
	if c.WipeAbove == 0 {
		c.WipeAbove = wipeAbove
	}
	if c.sweepEvery <= 0 {
		c.sweepEvery = time.Second
	}
	if c.collectEach <= 0 {
		c.collectAfter, c.collectEach = collectBound, collectEachRun
	}
	if c.rewritePart <= 0 {
		c.rewritePart = rewritePart
	}
}

// ErrInUse tells that another process, or another store of this one, has the
// directory open.
var ErrInUse = errors.New("data directory is in use")

// Store is an open store. Its methods may be called from many goroutines.
type Store struct {
	cfg   Config
	db    *pebble.DB
	lock  *pebble.Lock
	blobs *blob.Store
	hot   *hotTable
	space *space

	cluster atomic.Pointer[string]
	lineage atomic.Pointer[godwit.Lineage]
	owner   atomic.Pointer[ownership]
	purged  atomic.Uint64 // the purge floor
	counts  counters

	histories histories
	erasures  erasures
	logs      *logsFS

	writing    sync.Mutex      // held by a Tx from Begin to Commit
	tx         Tx              // the one Tx there is at a time
	requests   requestFilter   // the open Tx's
	tombstoned tombstoned      // the open Tx's
	applied    atomic.Uint64   // what reads see; written under writing
	pending    atomic.Uint64   // the same from before reads can see it
	mixed      atomic.Bool     // there are entries of later states too; written under writing
	ahead      godwit.Revision // the newest of them, under writing
	logTime    atomic.Int64    // unix milliseconds; written under writing
	durable    durable         // what a crash leaves

	runOptions sstable.WriterOptions // of the files of runs
	runs       atomic.Uint64         // that were begun

	dropping sync.Mutex // held while the rows of deleted namespaces are cleared

	replaced     atomic.Int64 // revisions in the rows of u; written under writing
	replacedRows uint64       // the number of the next of them, under writing
	collecting   *collection  // the walk that clears them away, if there is one; under writing

	wiped  map[godwit.NamespaceID]wiped // as the rows of w are; under writing
	wiping *wiping                      // the walk through what they left, if there is one; under writing

	onDamaged  atomic.Pointer[func(Damage)] // nil: nobody is told
	registered *collectors.Set

	cancel  context.CancelFunc
	workers *errgroup.Group
}

var (
	_ godwit.Reader   = (*Store)(nil)
	_ godwit.Uploader = (*Store)(nil)
)

// Open opens the store in cfg.Dir, which it makes if it is not there. Errors, to
// be told by errors.Is: ErrInUse, ErrVersion, ErrCorrupt, ErrFollower, ErrBackup,
// ErrUnfinished, ErrRecopy, ErrEncrypted, ErrPlain, ErrKey, ErrUnfinishedKeys; each leaves the
// directory as it was.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	cfg.setDefaults()
	if err := cfg.mount(); err != nil {
		return nil, err
	}
	if err := cfg.checkDirectory(); err != nil {
		return nil, err
	}
	if err := (blobFS{cfg.FS}).MkdirAll(cfg.Dir); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	if cfg.Filling {
		if err := replaceVersion(cfg.FS, cfg.Dir, unfinishedText); err != nil {
			return nil, err
		}
	}
	s := &Store{cfg: cfg, hot: newHotTable(cfg.HotBytes, cfg.CacheBytes-cfg.CacheBytes/blockShare)}
	s.space = newSpace(cfg)
	s.space.corrupted = func() { s.tellDamaged(Damage{}) }
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.release())
	}
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.workers, ctx = errgroup.WithContext(ctx)
	s.workers.Go(func() error { return s.sweepLoop(ctx) })
	s.workers.Go(func() error { return s.eraseLoop(ctx) })
	s.registered = collectors.Register(cfg.Metrics, cfg.Logger, s.metrics()...)
	return s, nil
}

func (s *Store) open() (err error) {
	dir := filepath.Join(s.cfg.Dir, "db")
	if err := (blobFS{s.cfg.FS}).MkdirAll(dir); err != nil {
		return fmt.Errorf("make database directory: %w", err)
	}
	if s.lock, err = lockDirectory(s.cfg.FS, s.cfg.Dir); err != nil {
		return err
	}
	keep, err := s.clearMarked()
	if err != nil {
		return err
	}
	if err := s.openDatabase(dir); err != nil {
		return fmt.Errorf("%s: %w", s.cfg.Dir, err)
	}
	if err := s.upgrade(); err != nil {
		return err
	}
	if !s.cfg.Filling {
		if err := writeVersion(s.cfg.FS, s.cfg.Dir); err != nil {
			return err
		}
	}
	if err := errors.Join(s.removeRuns(), s.cfg.place().RemoveHalf()); err != nil {
		return err
	}
	if s.blobs, err = blob.Open(blobFS{s.cfg.FS}, s.blobDir()); err != nil {
		return err
	}
	if err := s.loseHistories(); err != nil {
		return err
	}
	return errors.Join(s.removeOrphans(), s.endClearing(keep))
}

// openDatabase leaves the directory as it was when it fails.
func (s *Store) openDatabase(dir string) (err error) {
	if err := errors.Join(checkSeal(s.cfg.FS, s.cfg.Dir), s.space.checkRoom()); err != nil {
		return err
	}
	s.logs = &logsFS{FS: s.cfg.FS}
	staged := newStagedFS(s.logs)
	defer func() {
		if err != nil {
			err = errors.Join(err, staged.undo())
		}
	}()
	defer recoverFatal(&err)
	before, err := s.databaseFiles(dir)
	if err != nil {
		return err
	}
	opts := s.pebbleOptions()
	s.runOptions = runOptions(opts)
	opts.Lock, opts.FS = s.lock, staged
	opts.ErrorIfNotExists = !s.cfg.Filling && hasVersion(s.cfg.FS, s.cfg.Dir)
	if s.db, err = openPebble(dir, opts); err != nil {
		return err
	}
	if err := errors.Join(s.load(), s.noteLeftovers(before)); err != nil {
		return errors.Join(corrupt(err), s.closeDatabase())
	}
	if err := s.checkOwner(); err != nil {
		return errors.Join(err, s.closeDatabase())
	}
	if err := removeSeal(s.cfg.FS, s.cfg.Dir); err != nil {
		return err
	}
	return staged.keep()
}

func (s *Store) closeDatabase() (err error) {
	if s.db != nil {
		err = s.db.Close()
		s.db = nil
	}
	return err
}

func (s *Store) blobDir() string { return filepath.Join(s.cfg.Dir, "blobs") }

// Close ends the store's own work and closes it. Nothing acknowledged depends on
// Close being called.
func (s *Store) Close() error {
	s.cancel()
	err := s.workers.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	s.registered.Unregister()
	if err = errors.Join(err, s.closeDatabase()); err == nil && s.durable.failure() == nil {
		s.seal()
	}
	return errors.Join(err, s.release())
}

func (s *Store) release() (err error) {
	err = s.closeDatabase()
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return errors.Join(err, s.hot.rows.close())
}

// SetOnSystem sets Config.OnSystem, before the first write.
func (s *Store) SetOnSystem(fn func([]godwit.Record)) { s.cfg.OnSystem = fn }

// SetOnCommit sets Config.OnCommit, before the first write.
func (s *Store) SetOnCommit(fn func(*Committed)) {
	s.writing.Lock() // the sweeper may be at work
	defer s.writing.Unlock()
	s.cfg.OnCommit = fn
}

// SetOnExpired sets Config.OnExpired.
func (s *Store) SetOnExpired(fn func([]Expired)) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.cfg.OnExpired = fn
}

// SetOnDamaged has fn told of what reads find damaged, at once, and from many
// goroutines.
func (s *Store) SetOnDamaged(fn func(Damage)) { s.onDamaged.Store(&fn) }

// WaitRevision returns once the store holds r durably. Errors: the context's, the
// disk's.
func (s *Store) WaitRevision(ctx context.Context, r godwit.Revision) error {
	return s.durable.wait(ctx, r)
}

// Revision implements godwit.Reader.
func (s *Store) Revision() godwit.Revision { return s.durable.revision() }

// Time is the log's, as reads see it, in unix milliseconds.
func (s *Store) Time() int64 { return s.logTime.Load() }

// Cluster is the id of the cluster whose log the store was built from.
func (s *Store) Cluster() string { return *s.cluster.Load() }

// Stats is the store's size and position.
type Stats struct {
	Keys      int64 // entries; one that has expired counts until it is swept, a second later
	Bytes     int64 // of their keys, values and metadata
	ClusterID string
	Revision  godwit.Revision
	Purged    godwit.Revision // the purge floor
	DiskFull  bool
	DiskFree  int64 // bytes; EndlessDisk: the file system cannot tell
	Reserve   int64 // of DiskFree, below which puts are refused
	Busy      bool  // the database is flushing or compacting
}

// Stats returns the store's size and position.
func (s *Store) Stats() Stats {
	keys, bytes := s.counts.total()
	m := s.db.Metrics()
	return Stats{
		Keys: keys, Bytes: bytes, ClusterID: s.Cluster(), Revision: s.Revision(),
		Purged: godwit.Revision(s.purged.Load()), DiskFull: s.space.full(), DiskFree: s.space.free(), Reserve: s.space.reserve(),
		Busy: m.Compact.NumInProgress+m.Flush.NumInProgress > 0,
	}
}

// NamespaceStats returns the number of entries of a namespace and the bytes of
// their keys, values and metadata.
func (s *Store) NamespaceStats(ns godwit.NamespaceID) (keys, bytes int64) { return s.counts.of(ns) }

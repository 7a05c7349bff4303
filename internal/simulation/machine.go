package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/node"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

// machine is a node with its disk and its clock. Its process comes and goes.
type machine struct {
	world *world
	plan  nodePlan
	clock *clock

	running sync.RWMutex // held to look into the store; written to end it
	disk    *store.MemFS
	old     *store.MemFS // an older copy of it; nil: none was taken
	node    *node.Node   // nil: down
	store   *store.Store
	zombies sync.WaitGroup // processes that were killed and have not ended
	doom    atomic.Pointer[func()]

	mu      sync.Mutex
	boot    int
	mixes   int             // changes between mixed and exact
	mixed   bool            // the copy is no prefix of the log for now
	since   time.Time       // of the last start
	ready   time.Time       // when the last start was seen to serve; zero: it was not
	reached bool            // the copy was exact since the last start
	at      godwit.Revision // the copy's position
	up      bool            // the process runs, and nobody has told it to end
	whole   bool            // the copy has all namespaces
	turned  bool            // it was told to carry another part of the namespaces once
	copied  time.Time       // since when there is a whole copy on the disk; zero: there may be none
}

func newMachine(w *world, p nodePlan) *machine {
	return &machine{
		world: w, plan: p, disk: store.NewCrashFS(),
		clock: &clock{start: w.start, offset: p.offset, drift: p.drift},
	}
}

// central tells whether the node has the log, member whether it shares that.
func (m *machine) central() bool { return len(m.plan.upstreams) == 0 }
func (m *machine) member() bool  { return m.central() && m.world.cluster != nil }

func (m *machine) url() string { return "http://" + m.plan.name + ":80" }

func (m *machine) note(format string, args ...any) { m.world.trace.note(m.plan.name, format, args...) }

// start runs the node's process on what its disk holds.
func (m *machine) start(back bool) error {
	m.zombies.Wait()
	p := m.world.network.start(m.plan.name)
	m.mu.Lock()
	m.boot++
	boot := m.boot
	m.reached, m.up, m.since, m.ready = false, true, time.Now(), time.Time{}
	m.whole = m.whole && !m.plan.partial
	if back || time.Since(m.copied) < copyTime {
		m.copied = time.Time{}
	}
	m.mu.Unlock()
	if m.central() && !m.member() {
		m.world.model.started(boot)
	}
	cfg := node.Config{
		Dir: dataDir, FS: m.doomedDisk(), Listen: m.plan.name + ":80", BindingListen: m.plan.name + ":81",
		Location: m.plan.name, AdvertiseURL: m.url(), Version: "simulated",
		ListenFunc: p.listen, Dial: p.dial, Now: m.clock.now, Logger: m.world.trace.logger(m.plan.name),
		Limits: limits(), InlineBytes: m.plan.inline, CacheBytes: 1 << 20, DiskReserve: diskReserve,
		EncryptionKeys: m.keys(), Retention: m.plan.retention, WipeAbove: m.plan.wipeAbove, DrainTimeout: time.Second, Observer: m.observer(boot, back),
	}
	switch {
	case m.member():
		cfg.Node = m.plan.name
		cfg.OpenShared = func(context.Context) (*node.Shared, error) { return m.world.cluster.open(m.plan.name), nil }
		fallthrough
	case m.central():
		cfg.RootToken, cfg.Account = rootToken, account
	default:
		cfg.UpstreamToken = m.world.replicate
		for _, name := range m.plan.upstreams {
			cfg.Upstreams = append(cfg.Upstreams, m.world.machines[name].url())
		}
		cfg.MaxValue, cfg.ValueCacheBytes = m.plan.maxValue, m.plan.valueCache
		if m.plan.partial {
			cfg.Namespaces = []string{m.world.spaces[0].String()}
		}
	}
	m.note("starts, as number %d", boot)
	n, err := node.Open(m.world.ctx, cfg)
	if err != nil {
		return fmt.Errorf("start %s: %w", m.plan.name, err)
	}
	m.running.Lock()
	m.node = n
	m.running.Unlock()
	return nil
}

// doomedDisk is the disk as the process sees it: a sync of the write-ahead log
// gives way to others for a while, and a crash may come right before it, when
// there is most to lose. It takes no time: a mutex may be held meanwhile, and in a
// bubble time stands still while someone waits for one.
func (m *machine) doomedDisk() store.FS {
	disk := storetest.NewFaults(m.disk)
	rng := m.world.plan.rng("disk", m.plan.name)
	var mu sync.Mutex
	disk.Inject(func(op storetest.Op, path string) error {
		if op != storetest.Sync || !strings.HasSuffix(path, ".log") {
			return nil
		}
		mu.Lock()
		turns := rng.IntN(30)
		mu.Unlock()
		for range turns {
			runtime.Gosched()
		}
		if die := m.doom.Swap(nil); die != nil {
			(*die)()
		}
		return nil
	})
	return disk
}

func limits() godwit.Limits {
	l := godwit.DefaultLimits()
	l.MinExpirationTTL, l.MinCacheTTL, l.MaxValueBytes = time.Second, time.Second, 256<<10
	return l
}

// down notes that the process ends.
func (m *machine) down() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.up = false
}

// doomWait is how long a crash waits for a sync to come before.
const doomWait = 300 * time.Millisecond

// crash ends the process in the middle of what it does: before it syncs, or soon
// where it does not. What was not synced stays by chance.
func (m *machine) crash(f *fault, rng *rand.Rand) {
	if m.node == nil {
		return
	}
	var clone *store.MemFS
	dead := make(chan struct{})
	die := func() {
		m.down()
		m.world.network.kill(m.plan.name, f.kind != faultPower)
		m.gone()
		clone = m.disk.CrashClone(store.CrashClone{UnsyncedDataPercent: f.loss, RNG: rng})
		m.note("dies")
		close(dead)
	}
	m.doom.Store(&die)
	select {
	case <-dead:
	case <-time.After(doomWait):
		if m.doom.CompareAndSwap(&die, nil) {
			die()
		}
		<-dead
	}
	m.end()
	m.disk = clone
	if f.kind == faultBack && m.old != nil {
		m.disk = m.old
	}
}

// end closes the process; what a killed one still does reaches nobody.
func (m *machine) end() {
	n := m.node
	m.node = nil
	m.zombies.Go(func() {
		m.running.Lock()
		m.store = nil
		m.running.Unlock()
		err := n.Close()
		if err == nil {
			return
		}
		m.note("closes: %v", err)
		if strings.Contains(err.Error(), "can go on no longer") {
			m.world.report(m.plan.name, broken(promiseAlive, "it closes: %v", err))
		}
	})
}

// stop ends the process in order. Should it not come to an end it is killed.
func (m *machine) stop() {
	if m.node == nil {
		return
	}
	m.down()
	m.end()
	m.zombies.Wait()
	m.world.network.kill(m.plan.name, true)
	m.gone()
}

// gone tells those who must know that the process is no more.
func (m *machine) gone() {
	switch {
	case m.member():
		m.world.cluster.gone(m.plan.name)
	case m.central():
		m.world.model.killed()
	}
}

// keep takes a copy of the disk, to go back to.
func (m *machine) keep(rng *rand.Rand) {
	if m.node != nil {
		m.old = m.disk.CrashClone(store.CrashClone{UnsyncedDataPercent: 100, RNG: rng})
	}
}

// keys are what the disk is encrypted with.
func (m *machine) keys() *store.Keys {
	if !m.plan.encrypted {
		return nil
	}
	return storetest.Keys(1)
}

// check looks for damage on the disk of a machine that is down.
func (m *machine) check(ctx context.Context) *violation {
	var problems []error
	err := store.Fsck(ctx, store.Config{
		Dir: dataDir, FS: m.disk, DiskReserve: -1, CacheBytes: 1 << 20, InlineBytes: m.plan.inline, Now: m.clock.now,
		Keys: m.keys(),
	}, func(problem string) { problems = append(problems, errors.New(problem)) })
	if err = errors.Join(append(problems, err)...); err != nil {
		return broken(promiseSound, "the disk of %s: %v", m.plan.name, err)
	}
	return nil
}

package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/central/jetstream/streamtest"
	"github.com/godwitkv/godwit/internal/edge"
	"github.com/godwitkv/godwit/internal/logtest"
	"github.com/godwitkv/godwit/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster is members on one stream, in a bubble.
type cluster struct {
	t        *testing.T
	log      *streamtest.Log
	registry *streamtest.Registry
	net      *network
	members  []*member
	rng      *rand.Rand
	tune     func(*jetstream.Config) // nil: nothing
}

// member is one of them, with its disk.
type member struct {
	*jetstream.Member
	c       *cluster
	name    string
	tune    func(*jetstream.Config) // nil: nothing
	fs      *store.MemFS
	store   *store.Store
	stream  *streamtest.Stream
	skew    atomic.Int64 // of its clock, nanoseconds
	metrics *prometheus.Registry
	disk    store.FS // in front of fs; nil: nothing is
	clock   *edge.Clock
	face    *face
	joiner  *jetstream.Joiner
	join    func(context.Context, []jetstream.MemberInfo) (jetstream.Place, error) // in its place; nil: none
	logs    logtest.Buffer
	running atomic.Pointer[jetstream.Member]
}

// play runs a test with n members that have caught up.
func play(t *testing.T, n int, fn func(c *cluster)) {
	t.Helper()
	playTuned(t, n, nil, fn)
}

// playTuned does with members whose configuration is changed.
func playTuned(t *testing.T, n int, tune func(*jetstream.Config), fn func(c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{
			t: t, log: streamtest.NewLog(1, time.Now), registry: streamtest.NewRegistry(), net: newNetwork(),
			rng: rand.New(rand.NewPCG(1, 2)), tune: tune,
		}
		if _, err := c.registry.Offer(t.Context(), jetstream.FollowSecret, rootToken); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			c.add(fmt.Sprintf("n%d", i+1)).start()
		}
		c.settle()
		fn(c)
		for _, m := range c.members {
			m.stop()
			m.fsck()
		}
		c.log.Wait()
	})
}

func (c *cluster) add(name string) *member {
	m := &member{c: c, name: name, fs: store.NewCrashFS()}
	c.members = append(c.members, m)
	return m
}

func (m *member) now() time.Time { return time.Now().Add(time.Duration(m.skew.Load())) }

// sure is what the store drops by.
func (m *member) sure() time.Time {
	if r := m.running.Load(); r != nil {
		return r.Sure()
	}
	return time.Time{}
}

func (m *member) start() {
	m.c.t.Helper()
	m.open()
	var err error
	if m.Member, err = jetstream.Open(context.Background(), m.config()); err != nil {
		m.c.t.Fatalf("%s: open: %v", m.name, err)
	}
	m.running.Store(m.Member)
	m.face.listen()
}

// open opens the member's store.
func (m *member) open() {
	m.c.t.Helper()
	m.clock = edge.NewClock(m.now)
	if m.disk == nil {
		m.disk = m.fs
	}
	s, err := store.Open(context.Background(), store.Config{
		Dir: "/data", FS: m.disk, Now: m.clock.Now, Sure: m.sure, Follower: true, History: true, InlineBytes: 1024, DiskReserve: -1,
		CacheBytes: 1 << 20, HotBytes: 64 << 10,
	})
	if err != nil {
		m.c.t.Fatalf("%s: open store: %v", m.name, err)
	}
	m.store, m.stream = s, m.c.log.Stream()
	m.follow()
}

func (m *member) config() jetstream.Config {
	log := slog.New(slog.NewTextHandler(&m.logs, nil))
	m.joiner = jetstream.NewJoiner(jetstream.JoinerConfig{
		Store: m.store, Clock: m.clock, Registry: m.c.registry, Dial: m.c.net.dial, Logger: log,
		Mixed: m.face.feed.Suspend, Exact: func(bool) { m.face.feed.Resume() },
	})
	m.metrics = prometheus.NewRegistry()
	cfg := jetstream.Config{
		Store: m.store, Stream: m.stream, Registry: m.c.registry, Now: m.now, Metrics: m.metrics,
		Join: m.joiner.Join, JoinProgress: m.joiner.Progress,
		Self: jetstream.MemberInfo{Name: m.name, Identity: m.name, URL: "http://" + m.name}, Logger: log,
	}
	if m.join != nil {
		cfg.Join = m.join
	}
	for _, tune := range []func(*jetstream.Config){m.c.tune, m.tune} {
		if tune != nil {
			tune(&cfg)
		}
	}
	return cfg
}

// exact and placeIn are of a member that may not be open yet.

func (m *member) exact() bool {
	is := m.running.Load()
	return is != nil && is.Exact()
}

func (m *member) placeIn(v *store.View) ([]byte, error) { return m.running.Load().PlaceIn(v) }

func (m *member) stop() {
	m.c.t.Helper()
	if m.store == nil {
		return
	}
	m.running.Store(nil)
	if err := errors.Join(m.face.close(), m.Close(), m.store.Close()); err != nil {
		m.c.t.Errorf("%s: close: %v", m.name, err)
	}
	m.store, m.disk = nil, nil
}

// crash ends the member as a power cut does.
func (m *member) crash(loss int) {
	m.c.t.Helper()
	clone := m.fs.CrashClone(store.CrashClone{UnsyncedDataPercent: 100 - loss, RNG: m.c.rng})
	m.stop()
	m.fs = clone
}

func (m *member) fsck() {
	m.c.t.Helper()
	err := store.Fsck(context.Background(), store.Config{Dir: "/data", FS: m.fs, Now: time.Now}, func(p string) {
		m.c.t.Errorf("%s: fsck: %s", m.name, p)
	})
	if err != nil {
		m.c.t.Errorf("%s: fsck: %v", m.name, err)
	}
}

// settle waits until all members that run have caught up and hold the same.
func (c *cluster) settle() {
	c.t.Helper()
	for range 600 {
		if c.same() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	for _, m := range c.members {
		if m.store != nil {
			c.t.Errorf("%s: revision %d, ready %t, problem %q", m.name, m.store.Revision(), m.Ready(), m.Problem())
		}
	}
	c.t.Fatal("the members do not become the same")
}

func (c *cluster) same() bool {
	c.t.Helper()
	var want [32]byte
	seen := false
	for _, m := range c.members {
		if m.store == nil {
			continue
		}
		if !m.Ready() {
			return false
		}
		sum, _, err := m.store.Digest(context.Background(), time.Now().Unix())
		if err != nil {
			c.t.Fatalf("%s: digest: %v", m.name, err)
		}
		if seen && sum != want {
			return false
		}
		want, seen = sum, true
	}
	return true
}

func (m *member) propose(txs ...godwit.Transaction) []godwit.Result {
	m.c.t.Helper()
	results, err := m.Propose(context.Background(), txs)
	if err != nil {
		m.c.t.Fatalf("%s: propose: %v", m.name, err)
	}
	return results
}

// value is what stands under a key, "" if nothing does.
func (m *member) value(key string) string {
	m.c.t.Helper()
	e, _, err := m.Get(context.Background(), ns, []byte(key), godwit.ReadOptions{})
	if errors.Is(err, godwit.ErrKeyNotFound) {
		return ""
	}
	if err != nil {
		m.c.t.Fatalf("%s: get %s: %v", m.name, key, err)
	}
	return string(e.Value.Inline)
}

var ns = godwit.NamespaceID{15: 1}

func createNamespace() godwit.Transaction {
	return godwit.Transaction{Mutations: []godwit.Mutation{{
		Op: godwit.OpPut, Namespace: godwit.SystemNamespace, Key: catalog.NamespaceKey(ns),
		Value: godwit.Value{Inline: []byte(`{}`)},
	}}}
}

func put(key, value string) godwit.Transaction {
	return godwit.Transaction{Mutations: []godwit.Mutation{{
		Op: godwit.OpPut, Namespace: ns, Key: key, Value: godwit.Value{Inline: []byte(value)},
	}}}
}

// onlyIf is a transaction that must find its key so.
func onlyIf(tx godwit.Transaction, kind godwit.ConditionKind, revisions ...godwit.Revision) godwit.Transaction {
	tx.Conditions = []godwit.Condition{{
		Kind: kind, Namespace: tx.Mutations[0].Namespace, Key: tx.Mutations[0].Key, Revisions: revisions,
	}}
	return tx
}

func isCode(err error, c godwit.Code) bool { return err != nil && godwit.CodeOf(err) == c }

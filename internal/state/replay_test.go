package state_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/state"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	replaySeeds = flag.Int("replay.seeds", 6/effort, "random logs to replay")
	replaySteps = flag.Int("replay.batches", 250, "batches in each")
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// TestReplay applies one random log to stores that differ in all that a node may
// choose: where values stand, when it sweeps and by which clock, how long it
// keeps tombstones, whether it syncs, how often it is opened. Results and
// digests are the same everywhere.
func TestReplay(t *testing.T) {
	for seed := range uint64(*replaySeeds) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			replay(t, seed)
		})
	}
}

func replay(t *testing.T, seed uint64) {
	replicas := []*replica{
		{name: "plain"},
		{name: "no inline values", cfg: store.Config{InlineBytes: 1}, sweepEvery: 3},
		{name: "fast clock", sweepEvery: 1, skew: 9 * time.Second},
		{name: "slow clock", sweepEvery: 2, skew: -9 * time.Second, cfg: store.Config{InlineBytes: 1500}},
		{name: "short memory", sweepEvery: 1, cfg: store.Config{Retention: 20 * time.Second, BlobGrace: 1}},
		{name: "follower", follower: true, sweepEvery: 5, openEvery: 40},
		{name: "one transaction a batch", single: true, sweepEvery: 4},
		{name: "often opened", sweepEvery: 7, openEvery: 10, cfg: store.Config{HotBytes: 1, CacheBytes: 1 << 20}},
		{name: "clears unread", sweepEvery: 8, openEvery: 30, cfg: store.Config{WipeAbove: -1}},
		{name: "clears some unread", follower: true, sweepEvery: 2, cfg: store.Config{WipeAbove: 3}},
		{name: "encrypted", sweepEvery: 6, openEvery: 25, cfg: store.Config{Keys: storetest.Keys(1)}},
	}
	log := newRandomLog(seed)
	for _, r := range replicas {
		r.open(t)
		defer r.close()
	}
	for i := range *replaySteps {
		b := log.next()
		var want []godwit.Result
		for n, r := range replicas {
			got := r.apply(b, i)
			if n == 0 {
				want = got
				log.learn(b, got)
			} else if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("batch %d at %q (-%q +here):\n%s", i, r.name, replicas[0].name, diff)
			}
		}
		if i%10 == 9 {
			compareDigests(t, i, replicas, log.now/1000+10)
		}
	}
	for _, r := range replicas {
		r.fsck()
	}
}

func compareDigests(t *testing.T, batch int, replicas []*replica, now int64) {
	t.Helper()
	want, at, err := replicas[0].store.Digest(context.Background(), now)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range replicas[1:] {
		got, revision, err := r.store.Digest(context.Background(), now)
		if err != nil || got != want || revision != at {
			t.Errorf("batch %d: digest of %q is %x at %d, want %x at %d (%v)", batch, r.name, got, revision, want, at, err)
		}
	}
	for _, r := range replicas {
		if got, want := r.digest(now), replicas[0].digest(now); got != want {
			t.Errorf("batch %d: digest of all of %q is %x, want %x", batch, r.name, got, want)
		}
	}
}

// digest is that of all that decisions read.
func (r *replica) digest(now int64) [32]byte {
	r.t.Helper()
	v, err := r.store.View(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	defer v.Close()
	sum, err := v.Digest(context.Background(), now, func() {})
	if err != nil {
		r.t.Fatal(err)
	}
	return sum
}

// replica is one store and how it is run.
type replica struct {
	name       string
	cfg        store.Config
	skew       time.Duration // of its clock against the log's
	sweepEvery int           // batches; 0: never
	openEvery  int           // batches; 0: once
	follower   bool
	single     bool // batches are cut into their transactions

	t     *testing.T
	store *store.Store
	now   atomic.Int64 // unix milliseconds
}

func (r *replica) open(t *testing.T) {
	t.Helper()
	r.t = t
	if r.cfg.FS == nil {
		r.cfg.Dir, r.cfg.FS, r.cfg.DiskReserve = "/data", store.NewMemFS(), -1
		r.cfg.Now = func() time.Time { return time.UnixMilli(r.now.Load()).Add(r.skew) }
		r.now.Store(start.UnixMilli())
		if r.cfg.CacheBytes == 0 {
			r.cfg.CacheBytes, r.cfg.HotBytes = 1<<20, 1<<16
		}
	}
	s, err := store.Open(context.Background(), r.cfg)
	if err != nil {
		t.Fatalf("open %q: %v", r.name, err)
	}
	r.store = s
}

func (r *replica) close() {
	if r.store == nil {
		return
	}
	if err := r.store.Close(); err != nil {
		r.t.Errorf("close %q: %v", r.name, err)
	}
	r.store = nil
}

func (r *replica) fsck() {
	r.close()
	err := store.Fsck(context.Background(), r.cfg, func(p string) { r.t.Errorf("fsck of %q: %s", r.name, p) })
	if err != nil {
		r.t.Errorf("fsck of %q: %v", r.name, err)
	}
}

func (r *replica) apply(b logBatch, n int) (results []godwit.Result) {
	r.t.Helper()
	r.now.Store(max(r.now.Load(), b.ms))
	var txs []godwit.Transaction
	for _, tx := range b.txs {
		txs = append(txs, r.upload(tx))
	}
	step := len(txs)
	if r.single {
		step = 1
	}
	for part := range slices.Chunk(txs, step) {
		results = append(results, r.commit(godwit.Batch{Time: b.ms, Transactions: part})...)
	}
	if r.sweepEvery > 0 && n%r.sweepEvery == 0 {
		if err := r.store.Sweep(context.Background()); err != nil {
			r.t.Errorf("sweep of %q: %v", r.name, err)
		}
	}
	if r.openEvery > 0 && n%r.openEvery == r.openEvery-1 {
		r.close()
		r.open(r.t)
	}
	return results
}

func (r *replica) commit(b godwit.Batch) []godwit.Result {
	r.t.Helper()
	tx := r.store.Begin()
	results, err := state.Apply(tx, b, nil)
	if err != nil {
		r.t.Fatalf("apply to %q: %v", r.name, err)
	}
	c, err := tx.Commit(store.Durability(!r.follower))
	if err == nil {
		err = c.Wait()
	}
	if err != nil {
		r.t.Fatalf("commit to %q: %v", r.name, err)
	}
	return results
}

// upload gives the store the values, which then stand where its configuration
// says.
func (r *replica) upload(tx logTransaction) godwit.Transaction {
	out := tx.Transaction
	out.Mutations = append([]godwit.Mutation(nil), tx.Mutations...)
	for i := range out.Mutations {
		if out.Mutations[i].Op != godwit.OpPut || out.Mutations[i].Namespace == godwit.SystemNamespace {
			continue
		}
		v, err := r.store.Upload(context.Background(), strings.NewReader(tx.values[i]), godwit.MaxValueBytes)
		if err != nil {
			r.t.Fatalf("upload to %q: %v", r.name, err)
		}
		out.Mutations[i].Value = v
	}
	return out
}

type logBatch struct {
	ms  int64
	txs []logTransaction
}

type logTransaction struct {
	godwit.Transaction
	values []string
}

// randomLog makes batches, with some idea of what the stores hold.
type randomLog struct {
	rng       *rand.Rand
	now       int64 // the log's, unix milliseconds
	spaces    []godwit.NamespaceID
	given     int
	revisions []godwit.Revision
}

func newRandomLog(seed uint64) *randomLog {
	return &randomLog{rng: rand.New(rand.NewPCG(seed, 7)), now: start.UnixMilli()}
}

// learn keeps revisions for later conditions.
func (l *randomLog) learn(b logBatch, results []godwit.Result) {
	for _, r := range results {
		l.revisions = append(l.revisions, r.Revision)
	}
	l.revisions = l.revisions[max(0, len(l.revisions)-50):]
	l.now = max(l.now, b.ms)
}

func (l *randomLog) next() logBatch {
	b := logBatch{ms: l.now + l.rng.Int64N(4000) - 1000} // sometimes back
	if l.rng.IntN(40) == 0 {
		b.ms = l.now + 700_000 // beyond the window of request keys
	}
	for len(l.spaces) < 3 {
		l.spaces = append(l.spaces, godwit.NamespaceID{14: byte(l.given + 1), 15: byte(l.given>>8 + 1)})
		l.given++
		b.txs = append(b.txs, l.system(godwit.OpPut, l.spaces[len(l.spaces)-1]))
	}
	if l.rng.IntN(10) == 0 { // another history
		b.txs = append(b.txs, l.system(godwit.OpPut, l.spaces[l.rng.IntN(len(l.spaces))]))
	}
	for range 1 + l.rng.IntN(8) {
		b.txs = append(b.txs, l.transaction(b.ms))
	}
	if l.rng.IntN(12) == 0 {
		b.txs = append(b.txs, l.clear(b.ms), l.transaction(b.ms), l.transaction(b.ms))
	}
	if l.rng.IntN(15) == 0 {
		i := l.rng.IntN(len(l.spaces))
		b.txs = append(b.txs, l.system(godwit.OpDelete, l.spaces[i]), l.transaction(b.ms), l.transaction(b.ms))
		l.spaces = append(l.spaces[:i], l.spaces[i+1:]...)
	}
	return b
}

func (l *randomLog) system(op godwit.Op, ns godwit.NamespaceID) logTransaction {
	m := godwit.Mutation{Op: op, Namespace: godwit.SystemNamespace, Key: catalog.NamespaceKey(ns)}
	if op == godwit.OpPut {
		values := []string{"{}", `{"settings":{"history":"2"}}`, `{"settings":{"history":"20s"}}`}
		m.Value.Inline = []byte(values[l.rng.IntN(len(values))])
	}
	return logTransaction{Transaction: godwit.Transaction{Mutations: []godwit.Mutation{m}}, values: []string{"{}"}}
}

// clear is a transaction that clears a namespace, or the keys with a prefix.
func (l *randomLog) clear(ms int64) logTransaction {
	ns, key := l.id()
	m := godwit.Mutation{
		Op: godwit.OpPut, Namespace: godwit.SystemNamespace, Key: "cleared/" + ns.String() + "/" + key[:l.rng.IntN(len(key)+1)],
		Value: godwit.Value{Inline: []byte{}}, Expiration: ms/1000 + l.rng.Int64N(20),
	}
	return logTransaction{Transaction: godwit.Transaction{Mutations: []godwit.Mutation{m}}, values: []string{""}}
}

func (l *randomLog) id() (godwit.NamespaceID, string) {
	return l.spaces[l.rng.IntN(len(l.spaces))], fmt.Sprintf("k%d", l.rng.IntN(10))
}

func (l *randomLog) transaction(ms int64) (tx logTransaction) {
	if l.rng.IntN(4) == 0 {
		m := godwit.Mutation{Op: godwit.OpAdd, Delta: l.rng.Int64N(100) - 50}
		m.Namespace, m.Key = l.id()
		if l.rng.IntN(2) == 0 {
			m.Expiration = ms/1000 + l.rng.Int64N(40) - 5
		}
		tx.Mutations, tx.values = append(tx.Mutations, m), append(tx.values, "")
		return tx
	}
	for range 1 + l.rng.IntN(3)*l.rng.IntN(2) {
		m := godwit.Mutation{Op: godwit.OpDelete}
		m.Namespace, m.Key = l.id()
		value := ""
		if l.rng.IntN(4) > 0 {
			m.Op = godwit.OpPut
			sizes := []int{0, 1, 200, 1023, 1024, 3000, 70_000}
			value = strings.Repeat(fmt.Sprintf("%08x", l.rng.Uint32()), 9000)[:sizes[l.rng.IntN(len(sizes))]]
			if l.rng.IntN(3) == 0 {
				value = strconv.FormatInt(l.rng.Int64N(100)-50, 10)
			}
			if l.rng.IntN(3) == 0 {
				m.Metadata = fmt.Appendf(nil, `[%d]`, l.rng.IntN(100))
			}
			if l.rng.IntN(2) == 0 {
				m.Expiration = ms/1000 + l.rng.Int64N(40) - 5
			}
		}
		tx.Mutations = append(tx.Mutations, m)
		tx.values = append(tx.values, value)
	}
	for range l.rng.IntN(3) * l.rng.IntN(2) {
		c := godwit.Condition{Kind: godwit.ConditionKind(1 + l.rng.IntN(4))}
		c.Namespace, c.Key = l.id()
		for range l.rng.IntN(3) * min(len(l.revisions), 1) {
			c.Revisions = append(c.Revisions, l.revisions[l.rng.IntN(len(l.revisions))])
		}
		tx.Conditions = append(tx.Conditions, c)
	}
	if l.rng.IntN(3) == 0 {
		tx.RequestKey[0] = byte(1 + l.rng.IntN(20))
	}
	return tx
}

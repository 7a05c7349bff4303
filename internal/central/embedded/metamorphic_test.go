package embedded_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

var (
	metamorphicSeeds = flag.Int("metamorphic.seeds", 12/effort, "random histories to run")
	metamorphicSteps = flag.Int("metamorphic.steps", 400, "steps in each")
	metamorphicSeed  = flag.Uint64("metamorphic.seed", 0, "the first seed")
)

// TestMetamorphic runs random operations against the store and against a model,
// with reopening, crashes, sweeps and time going by, and compares every answer.
func TestMetamorphic(t *testing.T) {
	for i := range *metamorphicSeeds {
		seed := *metamorphicSeed + uint64(i)
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 1))
			configs := []store.Config{
				{},
				{InlineBytes: 300, WipeAbove: -1},
				{Retention: 40 * time.Second, BlobGrace: time.Second, WipeAbove: 4},
			}
			h := &history{world: newWorld(t, configs[seed%3]), rng: rng, model: newModel()}
			h.model.revision = h.log.Epoch().First
			for i := range h.ids {
				h.freshID(i)
				h.write(h.createNamespace(h.ids[i]))
			}
			h.run(*metamorphicSteps)
		})
	}
}

// history is one random run.
type history struct {
	*world
	rng   *rand.Rand
	model *model
	sent  []sentTransaction // with request keys
	ids   [namespaces]godwit.NamespaceID
	given int // ids, which are never reused
}

type sentTransaction struct {
	tx     godwit.Transaction
	values []string
}

const (
	namespaces = 3
	keysEach   = 12
)

func (h *history) run(steps int) {
	for i := range steps {
		if h.t.Failed() {
			h.t.Fatalf("stopped before step %d", i)
		}
		h.step()
	}
	h.compareAll()
	h.close()
	h.fsck(h.fs)
}

func (h *history) step() {
	switch n := h.rng.IntN(100); {
	case n < 45:
		h.write(h.transaction())
	case n < 49:
		h.writeBatch()
	case n < 52:
		h.resend()
	case n < 56:
		h.namespaceStep()
	case n < 76:
		h.compareGet(h.id())
	case n < 80:
		for range 5 {
			h.comparePast(h.id())
		}
	case n < 84:
		h.compareList()
		h.compareScan()
	case n < 87:
		h.compareMany()
	case n < 93:
		h.clock.advance(time.Duration(h.rng.IntN(20_000)) * time.Millisecond)
	case n < 96:
		if err := h.store.Sweep(context.Background()); err != nil {
			h.t.Errorf("sweep: %v", err)
		}
	case n < 98:
		h.reopen()
	default:
		h.crash()
	}
}

func (h *history) freshID(i int) {
	h.ids[i] = namespaceID(h.given)
	h.given++
}

func (h *history) namespace() godwit.NamespaceID { return h.ids[h.rng.IntN(namespaces)] }

func (h *history) id() id {
	return id{h.namespace(), fmt.Sprintf("k%02d", h.rng.IntN(keysEach))}
}

// transaction makes one to three mutations with up to two conditions.
func (h *history) transaction() (tx godwit.Transaction, values []string) {
	named := make(map[id]bool)
	for range 1 + h.rng.IntN(3)*h.rng.IntN(2) {
		k := h.id()
		m := godwit.Mutation{Op: godwit.OpDelete, Namespace: k.ns, Key: k.key}
		var value string
		switch n := h.rng.IntN(8); {
		case n > 3:
			m.Op = godwit.OpPut
			m.Value, value = h.value()
		case n > 1 && !named[k]:
			m.Op, m.Delta = godwit.OpAdd, h.number()
		}
		if m.Op != godwit.OpDelete {
			if h.rng.IntN(3) == 0 {
				m.Metadata = fmt.Appendf(nil, `{"n":%d}`, h.rng.IntN(1000))
			}
			if h.rng.IntN(3) == 0 {
				m.Expiration = h.clock.Now().Unix() + int64(h.rng.IntN(60))
			}
		}
		if named[k] && slices.ContainsFunc(tx.Mutations, func(o godwit.Mutation) bool { return o.Op == godwit.OpAdd }) {
			continue // an add's key is named once
		}
		named[k] = true
		tx.Mutations = append(tx.Mutations, m)
		values = append(values, value)
	}
	for range h.rng.IntN(3) * h.rng.IntN(2) {
		tx.Conditions = append(tx.Conditions, h.condition())
	}
	if h.rng.IntN(4) == 0 {
		tx.RequestKey[0], tx.RequestKey[1] = 1, byte(len(h.sent))
		tx.RequestKey[2] = byte(len(h.sent) >> 8)
		h.sent = append(h.sent, sentTransaction{tx, values})
	}
	return tx, values
}

// number is one that is added, or to which is.
func (h *history) number() int64 {
	if h.rng.IntN(8) == 0 {
		return math.MaxInt64 - h.rng.Int64N(3)
	}
	return h.rng.Int64N(100) - 50
}

func (h *history) value() (godwit.Value, string) {
	sizes := []int{0, 1, 20, 288, 1023, 1024, 5000, 70_000}
	text := strings.Repeat(fmt.Sprintf("%08x", h.rng.Uint32()), 9000)[:sizes[h.rng.IntN(len(sizes))]]
	if h.rng.IntN(4) == 0 {
		text = strconv.FormatInt(h.number(), 10)
	}
	v, err := h.store.Upload(context.Background(), strings.NewReader(text), godwit.MaxValueBytes)
	if err != nil {
		h.t.Fatalf("upload: %v", err)
	}
	return v, text
}

func (h *history) condition() godwit.Condition {
	k := h.id()
	c := godwit.Condition{Kind: godwit.ConditionKind(1 + h.rng.IntN(4)), Namespace: k.ns, Key: k.key}
	if c.Kind == godwit.MustMatch || c.Kind == godwit.MustNotMatch {
		c.Revisions = []godwit.Revision{1, h.model.entries[k].revision}[h.rng.IntN(2):]
	}
	return c
}

func (h *history) write(tx godwit.Transaction, values []string) {
	want := h.model.apply(tx, values, h.clock.Now().UnixMilli())
	got := h.propose(tx)
	if diff := cmp.Diff([]godwit.Result{want}, got); diff != "" {
		h.t.Errorf("result (-want +got):\n%s", diff)
	}
}

func (h *history) writeBatch() {
	var txs []godwit.Transaction
	var want []godwit.Result
	for range 1 + h.rng.IntN(20) {
		tx, values := h.transaction()
		txs = append(txs, tx)
		want = append(want, h.model.apply(tx, values, h.clock.Now().UnixMilli()))
	}
	if diff := cmp.Diff(want, h.propose(txs...)); diff != "" {
		h.t.Errorf("results (-want +got):\n%s", diff)
	}
}

// resend sends again what was sent before: if it was applied, nothing changes.
func (h *history) resend() {
	if len(h.sent) == 0 {
		return
	}
	s := h.sent[h.rng.IntN(len(h.sent))]
	if _, applied := h.model.requests[s.tx.RequestKey]; !applied {
		return // its blobs were discarded with it, as a proposer would
	}
	h.write(s.tx, s.values)
}

func (h *history) namespaceStep() {
	i := h.rng.IntN(namespaces)
	if h.rng.IntN(3) == 0 {
		h.write(h.clear(), []string{""})
		return
	}
	if h.rng.IntN(8) == 0 {
		h.write(dropNamespace(h.ids[i]), []string{""})
		h.freshID(i)
		return
	}
	h.write(h.createNamespace(h.ids[i]))
}

// createNamespace makes a namespace exist, or gives it another history.
func (h *history) createNamespace(ns godwit.NamespaceID) (godwit.Transaction, []string) {
	settings := []string{`{}`, `{"settings":{"history":"1"}}`, `{"settings":{"history":"3"}}`, `{"settings":{"history":"20"}}`, `{"settings":{"history":"30s"}}`, `{"settings":{"history":"1h"}}`}
	value := settings[h.rng.IntN(len(settings))]
	tx := createNamespace(ns)
	tx.Mutations[0].Value.Inline = []byte(value)
	return tx, []string{value}
}

// clear is a transaction that clears a namespace, or the keys with a prefix.
func (h *history) clear() godwit.Transaction {
	k := h.id()
	return godwit.Transaction{Mutations: []godwit.Mutation{{
		Op: godwit.OpPut, Namespace: godwit.SystemNamespace, Key: "cleared/" + k.ns.String() + "/" + k.key[:h.rng.IntN(len(k.key)+1)],
		Value: godwit.Value{Inline: []byte{}}, Expiration: h.clock.Now().Unix() + int64(h.rng.IntN(60)),
	}}}
}

func (h *history) reopen() {
	h.close()
	h.fsck(h.fs)
	h.open()
	h.model.revision = h.log.Epoch().First
}

// crash leaves a random part of what was not synced. Everything that was
// acknowledged must be there.
func (h *history) crash() {
	clone := h.fs.CrashClone(store.CrashClone{UnsyncedDataPercent: h.rng.IntN(101), RNG: h.rng})
	h.close()
	h.fs = clone
	h.open()
	h.model.revision = h.log.Epoch().First
}

func (h *history) compareGet(k id) {
	h.t.Helper()
	ctx := context.Background()
	want, live := h.model.live(k, h.clock.Now().Unix())
	e, served, err := h.store.Get(ctx, k.ns, []byte(k.key), godwit.ReadOptions{})
	if !live {
		if !errors.Is(err, godwit.ErrKeyNotFound) {
			h.t.Errorf("get %s: %v, want absent", k.key, err)
		}
		return
	}
	if err != nil {
		h.t.Errorf("get %s: %v", k.key, err)
		return
	}
	if served.Revision < e.Revision {
		h.t.Errorf("get %s: served at %d, entry has %d", k.key, served.Revision, e.Revision)
	}
	if diff := cmp.Diff(want, h.read(k.ns, e), cmp.AllowUnexported(entry{})); diff != "" {
		h.t.Errorf("get %s (-want +got):\n%s", k.key, diff)
	}
}

func (h *history) read(ns godwit.NamespaceID, e *godwit.Entry) entry {
	h.t.Helper()
	r, err := h.store.OpenValue(context.Background(), ns, e)
	if err != nil {
		h.t.Fatalf("open value: %v", err)
	}
	defer r.Close()
	value, err := io.ReadAll(r)
	if err != nil {
		h.t.Fatalf("read value: %v", err)
	}
	return entry{string(value), string(e.Metadata), e.Expiration, e.Revision, e.Created, e.Modified}
}

// compareList pages through a namespace with random limits.
func (h *history) compareList() {
	h.t.Helper()
	ns := h.namespace()
	prefix := []string{"", "k", "k0", "k1", "zz"}[h.rng.IntN(5)]
	want := h.model.keys(ns, prefix, h.clock.Now().Unix())
	var got []string
	q := godwit.ListQuery{Prefix: prefix, Limit: 1 + h.rng.IntN(keysEach)}
	for {
		page, err := h.store.List(context.Background(), ns, q, godwit.ReadOptions{})
		if err != nil {
			h.t.Fatalf("list: %v", err)
		}
		for _, e := range page.Entries {
			got = append(got, e.Key)
			want := h.model.entries[id{ns, e.Key}]
			if e.Revision != want.revision || string(e.Metadata) != want.metadata || e.Expiration != want.expiration {
				h.t.Errorf("list: entry %+v, want %+v", e, want)
			}
		}
		if !page.More {
			break
		}
		q.Cursor = page.Cursor
	}
	if diff := cmp.Diff(want, got); diff != "" {
		h.t.Errorf("list %q (-want +got):\n%s", prefix, diff)
	}
}

// compareScan pages through a random range, in either order, with values.
func (h *history) compareScan() {
	h.t.Helper()
	ns := h.namespace()
	scan := godwit.Scan{Start: h.bound(), End: h.bound(), Reverse: h.rng.IntN(2) == 0, Values: true}
	want := slices.DeleteFunc(h.model.keys(ns, "", h.clock.Now().Unix()), func(k string) bool {
		return k < scan.Start || scan.End != "" && k >= scan.End
	})
	if scan.Reverse {
		slices.Reverse(want)
	}
	var got []string
	q := godwit.ListQuery{Limit: 1 + h.rng.IntN(keysEach), Scan: &scan}
	for more := true; more; {
		page, err := h.store.List(context.Background(), ns, q, godwit.ReadOptions{})
		if err != nil {
			h.t.Fatalf("scan: %v", err)
		}
		for i := range page.Entries {
			got = append(got, h.compareScanned(ns, &page.Entries[i]))
		}
		q.Cursor, more = page.Cursor, page.More
	}
	if !slices.Equal(want, got) {
		h.t.Errorf("scan %+v: got %q, want %q", scan, got, want)
	}
}

// bound is an end of a range, often none.
func (h *history) bound() string {
	if h.rng.IntN(2) == 0 {
		return ""
	}
	return fmt.Sprintf("k%02d", h.rng.IntN(keysEach))
}

func (h *history) compareScanned(ns godwit.NamespaceID, e *godwit.Entry) (key string) {
	h.t.Helper()
	want := h.model.entries[id{ns, e.Key}]
	got := entry{want.value, string(e.Metadata), e.Expiration, e.Revision, e.Created, e.Modified}
	if e.Value.Blob.IsZero() {
		got.value = string(e.Value.Inline)
	}
	if got != want || e.Value.Size() != int64(len(want.value)) {
		h.t.Errorf("scan: %s is %+v of %d bytes, want %+v", e.Key, got, e.Value.Size(), want)
	}
	return e.Key
}

func (h *history) compareMany() {
	h.t.Helper()
	ns := h.namespace()
	var keys []string
	for i := range keysEach {
		keys = append(keys, fmt.Sprintf("k%02d", i))
	}
	entries, _, err := h.store.GetMany(context.Background(), ns, keys, godwit.ReadOptions{})
	if err != nil {
		h.t.Fatalf("get many: %v", err)
	}
	for i, key := range keys {
		want, live := h.model.live(id{ns, key}, h.clock.Now().Unix())
		if (entries[i] != nil) != live || live && entries[i].Revision != want.revision {
			h.t.Errorf("get many: %s is %+v, want %+v (%v)", key, entries[i], want, live)
		}
	}
}

func (h *history) compareAll() {
	for n := range namespaces {
		for i := range keysEach {
			h.compareGet(id{h.ids[n], fmt.Sprintf("k%02d", i)})
		}
	}
}

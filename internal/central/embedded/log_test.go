package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/embedded"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

// fill makes the first namespace and returns it.
func (w *world) fill() godwit.NamespaceID {
	w.t.Helper()
	w.propose(createNamespace(namespaceID(0)))
	return namespaceID(0)
}

func (w *world) value(ns godwit.NamespaceID, key string) string {
	w.t.Helper()
	e, _, err := w.store.Get(context.Background(), ns, []byte(key), godwit.ReadOptions{})
	if errors.Is(err, godwit.ErrKeyNotFound) {
		return ""
	}
	if err != nil {
		w.t.Fatalf("get %s: %v", key, err)
	}
	return string(e.Value.Inline)
}

func keyed(tx godwit.Transaction, n byte) godwit.Transaction {
	tx.RequestKey[0] = n
	return tx
}

// TestRequestKeys: a transaction that is sent again is applied once, also in one
// batch and across reopening, for the window; then it is a new one.
func TestRequestKeys(t *testing.T) {
	w := newWorld(t, store.Config{})
	ns := w.fill()
	first := w.propose(keyed(put(ns, "k", []byte("1")), 1), keyed(put(ns, "k", []byte("2")), 1))
	want := godwit.Result{Outcome: godwit.Applied, Revision: first[0].Revision}
	repeated := want
	repeated.Repeated = true
	if diff := cmp.Diff([]godwit.Result{want, repeated}, first); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	again := func(why string, value string) {
		t.Helper()
		got := w.propose(keyed(put(ns, "k", []byte("again")), 1))
		if diff := cmp.Diff([]godwit.Result{repeated}, got); diff != "" {
			t.Errorf("%s: result (-want +got):\n%s", why, diff)
		}
		if got := w.value(ns, "k"); got != value {
			t.Errorf("%s: value %q, want %q", why, got, value)
		}
	}
	again("at once", "1")
	w.propose(put(ns, "k", []byte("other")))
	again("after another write", "other")
	w.close()
	w.open()
	again("after reopening", "other")
	w.clock.advance(store.RequestWindow)
	w.sweep()
	again("at the end of the window", "other")
	w.clock.advance(time.Millisecond)
	got := w.propose(keyed(put(ns, "k", []byte("new")), 1))
	if got[0].Repeated || got[0].Revision <= repeated.Revision || w.value(ns, "k") != "new" {
		t.Errorf("beyond the window: %+v, value %q", got, w.value(ns, "k"))
	}
	// What is swept now is the first one's memory, not this one's.
	repeated.Revision = got[0].Revision
	w.sweep()
	again("after the first was swept", "new")
	w.close()
	w.fsck(w.fs)
}

func (w *world) sweep() {
	w.t.Helper()
	if err := w.store.Sweep(context.Background()); err != nil {
		w.t.Errorf("sweep: %v", err)
	}
}

// TestFailedTransactionIsNotRemembered: its request key may be used again.
func TestFailedTransactionIsNotRemembered(t *testing.T) {
	w := newWorld(t, store.Config{})
	ns := w.fill()
	tx := keyed(put(ns, "k", []byte("1")), 1)
	tx.Conditions = []godwit.Condition{{Kind: godwit.MustExist, Namespace: ns, Key: "k"}}
	if got := w.propose(tx); got[0].Outcome != godwit.ConditionFailed || got[0].Revision == 0 {
		t.Errorf("result %+v", got)
	}
	w.propose(put(ns, "k", []byte("0")))
	if got := w.propose(tx); got[0].Outcome != godwit.Applied || got[0].Repeated || w.value(ns, "k") != "1" {
		t.Errorf("result %+v, value %q", got, w.value(ns, "k"))
	}
}

// TestGroupCommit: writers that wait while the disk syncs share the next sync,
// and each gets its own results in its own order.
func TestGroupCommit(t *testing.T) {
	w, faults := newFaultyWorld(t, store.Config{})
	ns := w.fill()
	var syncs atomic.Int64
	faults.Inject(func(op storetest.Op, path string) error {
		if op == storetest.Sync && strings.HasSuffix(path, ".log") {
			syncs.Add(1)
		}
		return nil
	})
	const together, each = 200, 5
	release := faults.HoldSyncs()
	var writers sync.WaitGroup
	defer writers.Wait()
	defer release()
	count := 0
	for ; w.log.Waiting() < together; count++ { // once the committer waits, all others do
		txs := writes(ns, fmt.Sprint(count), each)
		writers.Go(func() {
			results, err := w.log.Propose(context.Background(), txs)
			if err != nil {
				t.Errorf("propose: %v", err)
				return
			}
			compareResults(t, results, each)
		})
	}
	release()
	writers.Wait()
	if n := syncs.Load(); n > int64(count)/4 {
		t.Errorf("%d syncs for %d proposals", n, count)
	}
	for i := range count {
		if got := w.value(ns, fmt.Sprint(i)); got != fmt.Sprint(each-1) {
			t.Errorf("writer %d left %q", i, got)
		}
	}
}

// writes write a key again and again; the one in the middle fails.
func writes(ns godwit.NamespaceID, key string, n int) (txs []godwit.Transaction) {
	for i := range n {
		tx := put(ns, key, fmt.Append(nil, i))
		if i == n/2 {
			tx.Conditions = []godwit.Condition{{Kind: godwit.MustBeAbsent, Namespace: ns, Key: key}}
		}
		txs = append(txs, tx)
	}
	return txs
}

func compareResults(t *testing.T, results []godwit.Result, n int) {
	t.Helper()
	if len(results) != n {
		t.Errorf("%d results", len(results))
		return
	}
	for i, r := range results {
		want := godwit.Result{Outcome: godwit.Applied, Revision: results[0].Revision + godwit.Revision(i)}
		if i >= n/2 {
			want.Revision--
		}
		if i == n/2 {
			want.Outcome = godwit.ConditionFailed
		}
		if !cmp.Equal(r, want) {
			t.Errorf("result %d is %+v, want %+v", i, r, want)
		}
	}
}

// TestCloseWhileProposing: each proposal is carried out and durable, or refused
// and not done.
func TestCloseWhileProposing(t *testing.T) {
	for range 20 {
		w := newWorld(t, store.Config{})
		ns := w.fill()
		var acked [8]int
		var writers sync.WaitGroup
		started := make(chan struct{}, len(acked))
		for i := range acked {
			writers.Go(func() {
				for n := 1; ; n++ {
					_, err := w.log.Propose(context.Background(), []godwit.Transaction{put(ns, fmt.Sprint(i), fmt.Append(nil, n))})
					if n == 2 {
						started <- struct{}{}
					}
					if err != nil {
						if godwit.CodeOf(err) != godwit.CodeUnavailable {
							t.Errorf("writer %d: %v", i, err)
						}
						return
					}
					acked[i] = n
				}
			})
		}
		<-started
		if err := w.log.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		writers.Wait()
		w.close()
		w.fs = w.fs.CrashClone(store.CrashClone{})
		w.open()
		for i, n := range acked {
			if got := w.value(ns, fmt.Sprint(i)); n > 0 && got != fmt.Sprint(n) {
				t.Errorf("writer %d: %q is there, %d was acknowledged", i, got, n)
			}
		}
		w.close()
	}
}

// TestBusy: what waits is bounded, and who comes too late is told at once.
func TestBusy(t *testing.T) {
	w, faults := newFaultyWorld(t, store.Config{})
	ns := w.fill()
	release := faults.HoldSyncs()
	var writers sync.WaitGroup
	defer writers.Wait()
	defer release()
	writers.Go(func() { w.propose(put(ns, "first", nil)) })
	faults.AwaitHeld()

	const all, waiting, taken = 400, 128, 4*8 + 1 // MiB, half of the queue: it is one namespace; four batches leave it
	refused := make(chan error, all)
	var done atomic.Int64
	tx := put(ns, "k", bytes.Repeat([]byte("x"), 1<<20))
	tx.Conditions = []godwit.Condition{{Kind: godwit.MustExist, Namespace: ns, Key: "k"}}
	for range all {
		writers.Go(func() {
			if _, err := w.log.Propose(context.Background(), []godwit.Transaction{tx}); err != nil {
				refused <- err
				return
			}
			done.Add(1)
		})
	}
	for range all - waiting - taken {
		if err := <-refused; !errors.Is(err, godwit.ErrBusy) {
			t.Errorf("too much at once: %v", err)
		}
	}
	release()
	writers.Wait()
	if n := done.Load(); n < waiting-1 || n > waiting+taken {
		t.Errorf("%d of %d proposals were taken", n, all)
	}
	w.propose(put(ns, "k", []byte("later")))
}

// TestCancelled: a context that has ended before is told so, and nothing is
// done; one that ends later has its result all the same.
func TestCancelled(t *testing.T) {
	w, faults := newFaultyWorld(t, store.Config{})
	ns := w.fill()
	ctx, cancel := context.WithCancel(context.Background())
	release := faults.HoldSyncs()
	got := make(chan error, 1)
	go func() {
		_, err := w.log.Propose(ctx, []godwit.Transaction{put(ns, "k", []byte("1"))})
		got <- err
	}()
	faults.AwaitHeld()
	cancel()
	release()
	if err := <-got; err != nil && godwit.CodeOf(err) != godwit.CodeOutcomeUnknown {
		t.Errorf("cancelled while it was synced: %v", err)
	}
	if _, err := w.log.Propose(ctx, []godwit.Transaction{put(ns, "k", []byte("2"))}); godwit.CodeOf(err) != godwit.CodeUnavailable {
		t.Errorf("cancelled before: %v", err)
	}
	if got := w.value(ns, "k"); got != "1" {
		t.Errorf("value %q", got)
	}
}

// TestDiskFull: below the reserve puts are refused, deletes and reads are not.
func TestDiskFull(t *testing.T) {
	w := newWorld(t, store.Config{DiskReserve: 1 << 20})
	ns := w.fill()
	w.propose(put(ns, "k", []byte("1")), put(ns, "other", []byte("1")))
	w.close()
	storetest.SetDiskUsage(w.fs, 1<<30, 1<<20-1)
	w.open()
	for _, txs := range [][]godwit.Transaction{
		{put(ns, "k", []byte("2"))},
		{put(ns, "other", nil), remove(ns, "k")},
	} {
		if _, err := w.log.Propose(context.Background(), txs); !errors.Is(err, godwit.ErrDiskFull) {
			t.Errorf("put on a full disk: %v", err)
		}
	}
	if got := w.value(ns, "k"); got != "1" {
		t.Errorf("value %q", got)
	}
	w.propose(remove(ns, "k"))
	if got := w.value(ns, "k"); got != "" {
		t.Errorf("value %q after its deletion", got)
	}
	w.propose(godwit.Transaction{Mutations: []godwit.Mutation{{Op: godwit.OpPut, Key: godwit.ClearingKey(ns, "")}}})
	if got := w.value(ns, "other"); got != "" {
		t.Errorf("value %q after all keys were cleared", got)
	}
}

func remove(ns godwit.NamespaceID, key string) godwit.Transaction {
	return godwit.Transaction{Mutations: []godwit.Mutation{{Op: godwit.OpDelete, Namespace: ns, Key: key}}}
}

// TestBarrier: a barrier is at or above every acknowledged write.
func TestBarrier(t *testing.T) {
	w := newWorld(t, store.Config{})
	ns := w.fill()
	for range 10 {
		r := w.propose(put(ns, "k", nil))[0].Revision
		if b, err := w.log.Barrier(context.Background()); err != nil || b < r {
			t.Errorf("barrier at %d after %d was acknowledged, %v", b, r, err)
		}
	}
}

// TestFence: a batch that was taken from the queue before the log was fenced off, and whose
// turn at the store comes behind the fence, is refused: another centre has the log by then.
func TestFence(t *testing.T) {
	w := newWorld(t, store.Config{})
	ns := w.fill()
	const by = 7
	if err := w.store.Fence(by); err != nil { // as the log does, which has closed the queue before
		t.Fatal(err)
	}
	before := w.store.Revision()
	_, err := w.log.Propose(context.Background(), []godwit.Transaction{put(ns, "k", []byte("late"))})
	if want := godwit.Fenced(w.store.Generation(), by); err == nil || err.Error() != want.Error() {
		t.Errorf("propose: %v, want %v", err, want)
	}
	if got := w.value(ns, "k"); got != "" || w.store.Revision() != before {
		t.Errorf("%q was written behind the fence, at %d", got, w.store.Revision())
	}
	if err := w.log.Fence(by); err != nil {
		t.Error(err)
	}
}

// TestClockAhead: a log whose time a clock that was ahead has taken along tells so, in its
// log once, also after it was opened again, until the clock is there.
func TestClockAhead(t *testing.T) {
	w := newWorld(t, store.Config{})
	ns := w.fill()
	const ahead = 24 * time.Hour
	w.clock.advance(ahead)
	w.propose(put(ns, "k", nil))
	if p := w.log.Problem(); p != "" {
		t.Errorf("problem while nobody can know: %s", p)
	}
	w.clock.advance(-ahead)
	if p := w.log.Problem(); !strings.Contains(p, "24h0m0s ahead of this machine's clock") {
		t.Errorf("problem %q", p)
	}
	if err := w.log.Close(); err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	l, err := embedded.Open(context.Background(), embedded.Config{Store: w.store, Now: w.clock.Now, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	if err != nil {
		t.Fatal(err)
	}
	w.log = l
	for range 3 {
		w.propose(put(ns, "k", nil))
	}
	if n := strings.Count(logged.String(), "the log's time is ahead of this machine's clock"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, &logged)
	}
	w.clock.advance(ahead - 5*time.Second) // clocks that are corrected go back by as much
	if p := l.Problem(); p != "" {
		t.Errorf("problem %q once the clock is there", p)
	}
}

// TestOpenOnFullDisk holds that a start that would find no room says so, and
// works once there is some.
func TestOpenOnFullDisk(t *testing.T) {
	w := newWorld(t, store.Config{})
	w.close()
	storetest.SetDiskUsage(w.fs, 1<<30, 100)
	cfg := store.Config{Dir: "/data", FS: w.fs, Now: w.clock.Now}
	if _, err := store.Open(context.Background(), cfg); godwit.CodeOf(err) != godwit.CodeDiskFull {
		t.Fatalf("open: %v, want a full disk", err)
	}
	storetest.SetDiskUsage(w.fs, 1<<30, 1<<29)
	w.open()
}

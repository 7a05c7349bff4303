package gather_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/gather"
)

// puts is a proposal of n puts of a value of size bytes to namespace ns; its first
// key is name.
func puts(ns byte, name string, n, size int) *gather.Proposal {
	txs := make([]godwit.Transaction, n)
	for i := range txs {
		txs[i].Mutations = []godwit.Mutation{{
			Op: godwit.OpPut, Namespace: godwit.NamespaceID{ns}, Key: name, Value: godwit.Value{Inline: make([]byte, size)},
		}}
	}
	return gather.New(txs)
}

func add(t testing.TB, q *gather.Queue, all ...*gather.Proposal) {
	t.Helper()
	for _, p := range all {
		if err := q.Add(p); err != nil {
			t.Fatal(err)
		}
	}
}

// names are the first keys of proposals.
func names(all []*gather.Proposal) string {
	var out []string
	for _, p := range all {
		if len(p.Transactions) == 0 {
			out = append(out, "-")
			continue
		}
		out = append(out, p.Transactions[0].Mutations[0].Key)
	}
	return strings.Join(out, " ")
}

// many are n proposals of a namespace, named prefix1 and so on.
func many(ns byte, prefix string, n, txs, size int) (all []*gather.Proposal) {
	for i := range n {
		all = append(all, puts(ns, fmt.Sprint(prefix, i+1), txs, size))
	}
	return all
}

func TestOneNamespaceIsTakenInOrder(t *testing.T) {
	q := gather.NewQueue()
	add(t, q, many(1, "a", 5, 10, 100)...)
	for _, want := range []string{"a1 a2 a3", "a4 a5", ""} {
		if got := names(q.Take(35, 1<<20)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	add(t, q, puts(1, "large", 100, 1000), puts(1, "b", 1, 1))
	for _, want := range []string{"large", "b"} { // more than fits goes alone
		if got := names(q.Take(10, 100)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	add(t, q, many(1, "c", 3, 1, 100)...)
	if got := names(q.Take(10, 2*gather.Bytes(puts(1, "c", 1, 100).Transactions)+50)); got != "c1 c2" {
		t.Errorf("by bytes: got %q", got)
	}
}

// A namespace that has piled up more than a batch takes is passed over by those
// that have little.
func TestNamespacesTakeTurns(t *testing.T) {
	q := gather.NewQueue()
	add(t, q, many(1, "a", 40, 1, 100_000)...)
	add(t, q, puts(2, "b1", 1, 10), puts(3, "c1", 1, 10), puts(2, "b2", 1, 10), gather.New(nil))
	if got, want := names(q.Take(100, 1_000_000)), "a1 a2 b1 b2 c1 - a3 a4 a5 a6 a7 a8 a9"; got != want {
		t.Errorf("the first batch: got  %q, want %q", got, want)
	}
	add(t, q, puts(2, "b3", 1, 10))
	got := names(q.Take(100, 1_000_000))
	if !strings.Contains(got, "b3") || !strings.HasPrefix(got, "a10 ") {
		t.Errorf("the second batch: got %q", got)
	}
}

// What costs more than a turn is paid for over several, and comes.
func TestLargeProposalsComeToo(t *testing.T) {
	q := gather.NewQueue()
	add(t, q, puts(1, "large", 1, 4<<20), puts(3, "large too", 1, 4<<20))
	add(t, q, many(2, "s", 2000, 1, 1000)...)
	var small int
	for i := range 50 {
		taken := q.Take(100, 8<<20)
		if got := names(taken); strings.Contains(got, "large") {
			if i == 0 {
				t.Error("the large one comes before the small ones")
			}
			return
		}
		if small += len(taken); small == 0 {
			t.Fatal("nothing is taken")
		}
	}
	t.Error("the large ones never come while there are small ones")
}

// TestQueueKeepsOrder holds, for random proposals and batches, that all come, each
// namespace's in order, within the bounds of a batch, and that no namespace waits
// for more than a few batches.
func TestQueueKeepsOrder(t *testing.T) {
	const batch, batchBytes = 50, 1 << 20
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 1))
		q := gather.NewQueue()
		waits, taken := make(map[byte][]string), 0
		take := func() {
			all := q.Take(batch, batchBytes)
			txs, bytes := 0, int64(0)
			for _, p := range all {
				ns := p.Transactions[0].Mutations[0].Namespace[0]
				if got := names([]*gather.Proposal{p}); got != waits[ns][0] {
					t.Fatalf("seed %d: namespace %d: %s came, want %s", seed, ns, got, waits[ns][0])
				}
				waits[ns], txs, bytes = waits[ns][1:], txs+len(p.Transactions), bytes+gather.Bytes(p.Transactions)
			}
			if len(all) > 1 && (txs > batch || bytes > batchBytes) {
				t.Fatalf("seed %d: a batch of %d transactions, %d bytes", seed, txs, bytes)
			}
			if taken += len(all); len(all) == 0 && q.Len() > 0 {
				t.Fatalf("seed %d: %d wait, and none is taken", seed, q.Len())
			}
		}
		added := 400
		for i := range added {
			ns := byte(1 + r.IntN(1+r.IntN(6)))
			name := fmt.Sprint(i)
			waits[ns] = append(waits[ns], name)
			add(t, q, puts(ns, name, 1+r.IntN(20), r.IntN(1+r.IntN(40_000))))
			if r.IntN(8) == 0 {
				take()
			}
		}
		for q.Len() > 0 {
			take()
		}
		if taken != added || len(q.Take(1, 1)) != 0 {
			t.Fatalf("seed %d: %d of %d came", seed, taken, added)
		}
	}
}

// A namespace that fills the queue leaves room for others.
func TestOthersFindRoom(t *testing.T) {
	q := gather.NewQueue()
	fill := func(ns byte) (n int) {
		for ; ; n++ {
			if err := q.Add(puts(ns, "k", 1, 0)); errors.Is(err, godwit.ErrBusy) {
				return n
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, want := range []int{1 << 14, 1 << 13, 1 << 12, 1 << 11} {
		if n := fill(byte(i)); n != want {
			t.Errorf("namespace %d found room for %d proposals, want %d", i, n, want)
		}
	}
	q = gather.NewQueue()
	big := make([]byte, 1<<20-gather.Bytes([]godwit.Transaction{{Mutations: make([]godwit.Mutation, 1)}}))
	count := func(ns byte) (n int) {
		for ; ; n++ {
			p := gather.New([]godwit.Transaction{{Mutations: []godwit.Mutation{{Namespace: godwit.NamespaceID{ns}, Value: godwit.Value{Inline: big}}}}})
			if q.Add(p) != nil {
				return n
			}
		}
	}
	if a, b := count(1), count(2); a != 128 || b != 64 {
		t.Errorf("MiB of the first and of the second: %d, %d", a, b)
	}
	for q.Len() > 0 {
		q.Take(1000, 1<<30)
	}
	if a := count(1); a != 128 {
		t.Errorf("MiB of the first, once all is taken: %d", a)
	}
	q.Take(1000, 64<<20)
	if a := count(1); a != 64 {
		t.Errorf("MiB of the first, once half is taken: %d", a)
	}
}

func TestDrainAndClose(t *testing.T) {
	q := gather.NewQueue()
	var all []*gather.Proposal
	for ns := range byte(5) {
		all = append(all, many(ns, "k", 3, 1, 1)...)
	}
	add(t, q, all...)
	why := errors.New("it is over")
	q.Close(why)
	q.Close(errors.New("again"))
	q.Refuse()
	for _, p := range all {
		if _, err := p.Wait(); !errors.Is(err, why) {
			t.Fatalf("told %v", err)
		}
	}
	if err := q.Add(puts(1, "k", 1, 1)); !errors.Is(err, why) || q.Len() != 0 {
		t.Errorf("then %d wait, add: %v", q.Len(), err)
	}
	if got := q.Take(10, 10); len(got) != 0 {
		t.Errorf("then %d are taken", len(got))
	}
}

// Parts of one proposal stay together, whatever they name.
func TestParts(t *testing.T) {
	q := gather.NewQueue()
	first := puts(1, "one", 1, 200_000)
	lane := gather.Lane(first.Transactions)
	add(t, q, puts(2, "other", 1, 200_000), first, gather.NewIn(lane, puts(2, "two", 1, 200_000).Transactions))
	if got := names(q.Take(10, 1<<20)); got != "other one two" {
		t.Errorf("got %q", got)
	}
}

func BenchmarkQueue(b *testing.B) {
	for _, namespaces := range []int{1, 2, 100} {
		b.Run(fmt.Sprint(namespaces, " namespaces"), func(b *testing.B) {
			q := gather.NewQueue()
			all := make([]*gather.Proposal, 256)
			for i := range all {
				all[i] = puts(byte(i%namespaces), "k", 1, 288)
			}
			b.ReportAllocs()
			for b.Loop() {
				for _, p := range all {
					_ = q.Add(p)
				}
				for q.Len() > 0 {
					q.Take(4096, 8<<20)
				}
			}
		})
	}
}

package jetstream_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/central/jetstream/streamtest"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

// trim takes all messages out of the stream that all members have applied.
func (c *cluster) trim() {
	c.t.Helper()
	c.settle()
	time.Sleep(2 * time.Second) // flushes
	all := c.log.Messages()
	if err := c.members[0].stream.Trim(context.Background(), all[len(all)-1].Sequence+1); err != nil {
		c.t.Fatalf("trim: %v", err)
	}
}

// keyed is a transaction that can be told again.
func keyed(tx godwit.Transaction, n int) godwit.Transaction {
	tx.RequestKey = godwit.RequestKey{0: 1, 14: byte(n >> 8), 15: byte(n)}
	return tx
}

// remembered is what decisions read of a store beside its entries, as text.
func (m *member) remembered() string {
	m.c.t.Helper()
	v, err := m.store.View(context.Background())
	if err != nil {
		m.c.t.Fatalf("%s: view: %v", m.name, err)
	}
	defer v.Close()
	var b strings.Builder
	fmt.Fprintf(&b, "revision %d time %d lineage %v\n", v.Revision(), v.Time(), m.store.Lineage())
	err = v.Proposers(context.Background(), func(p store.KnownProposer) error {
		fmt.Fprintf(&b, "proposer %v\n", p)
		return nil
	})
	if err == nil {
		err = v.Requests(context.Background(), func(r store.KnownRequest) error {
			fmt.Fprintf(&b, "request %v\n", r)
			return nil
		})
	}
	if err != nil {
		m.c.t.Fatalf("%s: read what is remembered: %v", m.name, err)
	}
	return b.String()
}

// alike checks that all members hold the same, to the last row that decisions read,
// at the same message.
func (c *cluster) alike() {
	c.t.Helper()
	c.settle()
	c.log.SetLeader(false) // nothing moves any more
	time.Sleep(5 * time.Second)
	want := ""
	for _, m := range c.members {
		if m.store == nil {
			continue
		}
		got := m.remembered()
		if want == "" {
			want = got
		}
		if got != want {
			c.t.Errorf("%s differs in what it remembers:\n%.2000s", m.name, cmp.Diff(want, got))
		}
	}
	c.log.SetLeader(true)
	time.Sleep(2 * time.Second)
	c.settle()
}

// TestFirstJoin: a member that joins among writers is one of the cluster, and
// knows the requests that were applied before it was there.
func TestFirstJoin(t *testing.T) {
	play(t, 2, func(c *cluster) {
		a, b := c.members[0], c.members[1]
		a.propose(createNamespace())
		c.settle()
		var before []godwit.Result
		for n := range 200 {
			before = append(before, a.propose(keyed(put(fmt.Sprint("before", n%50), fmt.Sprint(n)), n))...)
		}
		large := a.large("large", 3<<20)
		c.trim()
		var writers sync.WaitGroup
		h := newHistory(t)
		for i := range 4 {
			m := c.members[i%2]
			writers.Go(func() { h.write(m, i) })
		}
		j := c.add("joined")
		j.start()
		if _, _, err := j.Get(context.Background(), ns, []byte("large"), godwit.ReadOptions{}); !isCode(err, godwit.CodeUnavailable) {
			t.Errorf("a read before the first copy: %v", err)
		}
		writers.Wait()
		c.settle()
		if j.logs.Count("becoming a copy") != 1 {
			t.Errorf("%d joins", j.logs.Count("becoming a copy"))
		}
		j.holds("large", large)
		for n := range 200 {
			r := j.propose(keyed(put(fmt.Sprint("before", n%50), "again"), n))
			if !r[0].Repeated || r[0].Revision != before[n].Revision {
				t.Fatalf("request %d again: %+v, was %+v", n, r[0], before[n])
			}
		}
		h.check(j)
		h.check(b)
		c.alike()
	})
}

// large puts a value that is a blob, and returns it.
func (m *member) large(key string, size int) []byte {
	m.c.t.Helper()
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(size), byte(size >> 8), byte(size >> 16)}).Read(content)
	v, err := m.Upload(context.Background(), bytes.NewReader(content), 25<<20)
	if err != nil {
		m.c.t.Fatal(err)
	}
	tx := put(key, "")
	tx.Mutations[0].Value = v
	m.propose(tx)
	return content
}

// TestLateReturn: a member that comes back after the stream was trimmed is the same
// as the others again, deletions too, and as one that follows on if it was not.
func TestLateReturn(t *testing.T) {
	for _, trimmed := range []bool{true, false} {
		t.Run(fmt.Sprint(trimmed), func(t *testing.T) {
			play(t, 3, func(c *cluster) {
				a, late := c.members[0], c.members[2]
				a.propose(createNamespace())
				for n := range 50 {
					a.propose(keyed(put(fmt.Sprint("key", n), "old"), n))
				}
				c.settle()
				late.crash(50)
				for n := range 80 {
					a.propose(keyed(put(fmt.Sprint("key", n), "new"), 1000+n))
				}
				a.propose(godwit.Transaction{Mutations: []godwit.Mutation{{Op: godwit.OpDelete, Namespace: ns, Key: "key7"}}})
				large := a.large("large", 2<<20)
				if trimmed {
					c.trim()
				}
				late.start()
				c.settle()
				late.holds("large", large)
				if late.value("key7") != "" || late.value("key79") != "new" {
					t.Errorf("key7 %q, key79 %q", late.value("key7"), late.value("key79"))
				}
				if got := late.logs.Count("becoming a copy"); got != 0 && !trimmed || got == 0 && trimmed {
					t.Errorf("%d joins", got)
				}
				c.alike()
			})
		})
	}
}

// TestDuplicatesAcrossJoin: batches that the stream appends twice or late, one time
// before a member joined and one behind, are taken once there too.
func TestDuplicatesAcrossJoin(t *testing.T) {
	play(t, 2, func(c *cluster) {
		c.members[0].propose(createNamespace())
		c.settle()
		c.log.SetFaults(streamtest.Faults{Twice: 0.5, Mute: 0.1})
		h := newHistory(t)
		var writers sync.WaitGroup
		for i := range 6 {
			m := c.members[i%2]
			writers.Go(func() { h.write(m, i) })
		}
		time.Sleep(20 * time.Millisecond)
		all := c.log.Messages()
		if err := c.members[0].stream.Trim(context.Background(), all[len(all)-1].Sequence-3); err != nil {
			t.Fatal(err)
		}
		j := c.add("joined")
		j.start()
		writers.Wait()
		c.log.SetFaults(streamtest.Faults{})
		time.Sleep(5 * time.Second)
		c.settle()
		if j.logs.Count("becoming a copy") == 0 {
			t.Error("it did not join")
		}
		h.check(j)
		c.alike()
	})
}

// TestCrashInJoin: wherever a crash hits a member that becomes a copy, the next
// start never follows the stream with half of what it needs.
func TestCrashInJoin(t *testing.T) {
	for seed := range uint64(8 / effort) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			play(t, 2, func(c *cluster) {
				rng := rand.New(rand.NewPCG(seed, 5))
				a, j := c.members[0], c.add("joined")
				a.propose(createNamespace())
				if seed%2 == 0 { // else it is empty
					j.start()
					c.settle()
					j.propose(put("key1", "old"), put("gone", "old"))
					c.settle()
					j.stop()
				}
				var many []godwit.Transaction // so that what is remembered of them is many writes to the disk
				for n := range 1500 {
					many = append(many, keyed(put(fmt.Sprint("key", n%40), fmt.Sprint(n)), n))
				}
				a.propose(many...)
				a.propose(godwit.Transaction{Mutations: []godwit.Mutation{{Op: godwit.OpDelete, Namespace: ns, Key: "gone"}}})
				large := a.large("large", 200<<10)
				c.trim()
				for range 3 {
					if seed%4 == 1 {
						j.dieIn(1+rng.IntN(60), rng, "/walk")
					} else {
						j.dieIn(1+rng.IntN(25), rng, "/state")
					}
				}
				j.start()
				c.settle()
				j.holds("large", large)
				if j.value("gone") != "" {
					t.Error("what was deleted is there")
				}
				c.alike()
			})
		})
	}
}

// dieIn starts the member and lets its disk lose power at one of the operations
// that follow on a request for path, if so many do.
func (m *member) dieIn(operations int, rng *rand.Rand, path string) {
	m.c.t.Helper()
	faults := storetest.NewFaults(m.fs)
	var clone *store.MemFS
	fs := m.fs
	died := make(chan struct{})
	count := 0
	var asked atomic.Bool
	for _, peer := range m.c.members[:2] {
		peer.face.told(func(p string) {
			if p == path {
				asked.Store(true)
			}
		})
	}
	m.disk = faults
	m.start()
	faults.Inject(func(storetest.Op, string) error {
		if !asked.Load() {
			return nil
		}
		if count++; count == operations {
			clone = fs.CrashClone(store.CrashClone{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			close(died)
		}
		return nil
	})
	select {
	case <-died:
	case <-time.After(2 * time.Second):
	}
	m.stop()
	select {
	case <-died: // if late, while it closed
		m.fs = clone
	default:
	}
}

// TestPeerDies: a peer that dies in the middle of a join, wherever that is, costs
// time and nothing else.
func TestPeerDies(t *testing.T) {
	for path, nth := range map[string]int{"/walk": 1, "/value": 1, "/state": 1, "": 2} {
		t.Run(strings.TrimPrefix(path, "/"), func(t *testing.T) {
			play(t, 3, func(c *cluster) {
				peer := c.members[0]
				peer.propose(createNamespace())
				for n := range 300 {
					peer.propose(keyed(put(fmt.Sprint("key", n), strings.Repeat("value", 100)), n))
				}
				large := peer.large("large", 1<<20)
				c.trim()
				asked := make(chan struct{}, 8)
				peer.face.told(func(p string) {
					if p == path {
						asked <- struct{}{}
					}
				})
				j := c.add("x-joined")
				j.start()
				for range nth {
					<-asked
				}
				peer.stop()
				c.settle()
				j.holds("large", large)
				c.alike()
				peer.start()
				c.settle()
			})
		})
	}
}

// TestUnnamedValues: a value whose chunks all come before a member's place, and
// whose batch comes behind it, is there: after a restart, and after a join.
func TestUnnamedValues(t *testing.T) {
	play(t, 2, func(c *cluster) {
		a := c.members[0]
		a.propose(createNamespace())
		content := bytes.Repeat([]byte("chunk"), 50_000)
		blob := godwit.Blob{ID: godwit.BlobID{7}, Size: int64(len(content)), Hash: sha256.Sum256(content)}
		a.propose(put("before", "the chunks"))
		c.trim()
		c.log.Append(jetstream.ChunkMessage(blob, 0, content[:100_000]))
		c.log.Append(jetstream.ChunkMessage(blob, 100_000, content[100_000:]))
		a.propose(put("behind", "the chunks"))
		c.settle()
		time.Sleep(2 * time.Second)
		restarted := c.members[1]
		restarted.crash(100)
		restarted.start()
		joined := c.add("joined")
		joined.start()
		c.settle()
		if restarted.logs.Count("becoming a copy") != 0 || joined.logs.Count("becoming a copy") != 1 {
			t.Errorf("joins: %d and %d", restarted.logs.Count("becoming a copy"), joined.logs.Count("becoming a copy"))
		}
		tx := put("large", "")
		tx.Mutations[0].Value = godwit.Value{Blob: blob}
		batch := godwit.Batch{Time: time.Now().UnixMilli(), Transactions: []godwit.Transaction{tx}}
		c.log.Append(jetstream.BatchMessage(store.ProposerID{9}, 1, &batch))
		time.Sleep(2 * time.Second)
		c.settle()
		for _, m := range c.members {
			m.holds("large", content)
		}
		for _, m := range c.members { // named, it holds up nothing
			m.stop()
			m.start()
		}
		c.settle()
		for _, m := range c.members {
			m.holds("large", content)
		}
	})
}

// TestOldImage: a member whose disk is an older image of itself goes on from there
// if the stream still holds what comes next, and becomes a copy if not.
func TestOldImage(t *testing.T) {
	for _, trimmed := range []bool{false, true} {
		t.Run(fmt.Sprint(trimmed), func(t *testing.T) {
			play(t, 3, func(c *cluster) {
				m := c.members[1]
				m.propose(createNamespace(), keyed(put("key", "1"), 1))
				c.settle()
				time.Sleep(2 * time.Second)
				image := m.fs.CrashClone(store.CrashClone{UnsyncedDataPercent: 50, RNG: c.rng})
				for n := range 30 {
					m.propose(keyed(put(fmt.Sprint("key", n), "2"), 10+n))
				}
				m.large("large", 1<<20)
				c.settle()
				if trimmed {
					c.trim()
				}
				m.stop()
				m.fs = image
				m.start()
				c.settle()
				if got := m.logs.Count("becoming a copy"); got != 0 && !trimmed || got == 0 && trimmed {
					t.Errorf("%d joins", got)
				}
				if r := m.propose(keyed(put("key", "again"), 15)); !r[0].Repeated {
					t.Errorf("a request again: %+v", r)
				}
				c.alike()
			})
		})
	}
}

// TestStreamIsBehind: a member that has applied what the stream has lost does not
// follow it, says so, and is none to become a copy of for the others' log.
func TestStreamIsBehind(t *testing.T) {
	play(t, 1, func(c *cluster) {
		m := c.members[0]
		m.propose(createNamespace(), put("key", "value"))
		time.Sleep(3 * time.Second)
		m.stop()
		c.log.Lose(2)
		m.start()
		time.Sleep(12 * time.Second)
		if p := m.Problem(); !strings.Contains(p, "a quorum of the cluster has lost what it had") {
			t.Errorf("problem %q", p)
		}
		if m.logs.Count("a quorum of the cluster has lost what it had") != 1 {
			t.Error("the log does not say so once")
		}
		if _, err := m.Propose(context.Background(), []godwit.Transaction{put("key", "other")}); !isCode(err, godwit.CodeUnavailable) {
			t.Errorf("a write: %v", err)
		}
		if _, served, err := m.Get(context.Background(), ns, []byte("key"), godwit.ReadOptions{}); err != nil || served.Status != godwit.StatusStale {
			t.Errorf("a read: %v, %v", served, err)
		}
		n := len(c.log.Messages())
		time.Sleep(time.Minute)
		if got := len(c.log.Messages()); got != n {
			t.Errorf("it has sent %d messages", got-n)
		}
	})
}

// TestNoPeer: a member that nobody can be copied to says what it waits for.
func TestNoPeer(t *testing.T) {
	play(t, 2, func(c *cluster) {
		c.members[0].propose(createNamespace())
		c.trim()
		c.members[0].stop()
		c.members[1].stop()
		j := c.add("joined")
		j.start()
		time.Sleep(5 * time.Second)
		if j.Ready() || !strings.Contains(j.Progress(), "looking for a peer") {
			t.Errorf("ready %t, progress %q", j.Ready(), j.Progress())
		}
		c.members[1].start()
		c.members[0].start()
		c.settle()
		if j.Progress() != "" {
			t.Errorf("progress %q", j.Progress())
		}
	})
}

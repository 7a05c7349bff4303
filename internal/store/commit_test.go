package store_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

// told keeps what OnCommit was told.
type told struct {
	t    testing.TB
	d    *disk
	last godwit.Revision // of the commit before
	all  []store.Committed
}

// hear sets OnCommit, and checks that each commit is told in order, before it
// counts as durable.
func (d *disk) hear() *told {
	h := &told{t: d.t, d: d, last: d.Revision()}
	d.SetOnCommit(func(c *store.Committed) {
		if c.Prev != h.last {
			h.t.Errorf("told of %d to %d after %d", c.Prev, c.Revision, h.last)
		}
		if c.Revision > c.Prev && d.Revision() >= c.Revision {
			h.t.Errorf("told of %d when it had been shown", c.Revision)
		}
		h.last = c.Revision
		keep := *c
		keep.Records = nil
		for i := range c.Records {
			keep.Records = append(keep.Records, keepRecord(&c.Records[i]))
		}
		h.all = append(h.all, keep)
	})
	return h
}

// text is what was told since the last call.
func (h *told) text() string {
	var out strings.Builder
	for _, c := range h.all {
		fmt.Fprintf(&out, "%d..%d", c.Prev, c.Revision)
		if c.Exact {
			out.WriteString(" exact")
		}
		for _, r := range c.Records {
			fmt.Fprintf(&out, " %d:%s=%s", r.Revision, r.Key, r.Value.Inline)
		}
		out.WriteByte('\n')
	}
	h.all = nil
	return out.String()
}

func (h *told) want(text string) {
	h.t.Helper()
	if diff := cmp.Diff(text, h.text()); diff != "" {
		h.t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestOnCommit(t *testing.T) {
	d := newDisk(t, store.Config{})
	h := d.hear()
	value := []byte("1")
	m := put(ns1, "a", "")
	m.Value.Inline = value
	release := d.faults.HoldSyncs()
	c := d.commit(store.Sync, m, put(ns1, "b", "2"), put(godwit.SystemNamespace, "s", "3"))
	next := d.commit(store.Sync, del(ns1, "a"))
	d.faults.AwaitHeld()
	h.want("")
	release()
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	value[0] = 'x' // the record's bytes are the proposer's again
	h.want("0..3 exact 1:a=1 2:b=2 3:s=3\n")
	if err := next.Wait(); err != nil {
		t.Fatal(err)
	}
	h.want("3..4 exact 4:a=\n")

	e := d.openEpoch()
	h.want(fmt.Sprintf("4..%d exact\n", e.First))
	tx := d.Begin() // a batch whose conditions failed
	if c, err := tx.Commit(store.Sync); err != nil || c.Wait() != nil {
		t.Fatal(err)
	}
	tx = d.Begin() // one that is only remembered
	tx.Remember(request, godwit.Result{Revision: 1})
	if c, err := tx.Commit(store.Sync); err != nil || c.Wait() != nil {
		t.Fatal(err)
	}
	tx = d.Begin()
	if err := tx.Apply(&godwit.Record{Mutation: put(ns1, "c", "v"), Revision: e.First + 1}); err != nil {
		t.Fatal(err)
	}
	tx.Rollback()
	h.want("")
	d.write(putUntil(ns1, "brief", "v", d.clock.Now().Unix()+1))
	d.clock.advance(time.Second)
	d.sweep()
	h.want(fmt.Sprintf("%d..%d exact %d:brief=v\n", e.First, e.First+1, e.First+1))
	if got := d.Lineage(); len(got) != 1 || got[0] != e {
		t.Errorf("lineage %v", got)
	}
}

// TestOnCommitSeesLineage: who is told of an epoch's first revision finds the
// epoch.
func TestOnCommitSeesLineage(t *testing.T) {
	d := newDisk(t, store.Config{})
	var seen godwit.Lineage
	d.SetOnCommit(func(*store.Committed) { seen = d.Lineage() })
	if e := d.openEpoch(); len(seen) != 1 || seen[0] != e {
		t.Errorf("lineage %v, want %v", seen, e)
	}
}

// TestOnCommitFails: what could not be synced is told to nobody.
func TestOnCommitFails(t *testing.T) {
	d := newDisk(t, store.Config{})
	h := d.hear()
	d.faults.FailLog(storetest.Sync)
	if err := d.commit(store.Sync, put(ns1, "k", "v")).Wait(); err == nil {
		t.Error("synced")
	}
	h.want("")
	d.faults.Inject(nil)
	_ = d.Store.Close() // which may tell of the failure again
	d.Store = nil
}

// TestOnCommitConcurrently: one goroutine commits while another waits for what it
// committed, as logs do, and a sweeper works. Every revision is told once, in
// order, with its bytes.
func TestOnCommitConcurrently(t *testing.T) {
	d := newDisk(t, store.Config{Retention: time.Second})
	next := godwit.Revision(1)
	d.SetOnCommit(func(c *store.Committed) {
		if c.Prev != next-1 || !c.Exact {
			t.Errorf("%d..%d (exact: %v), want it to begin at %d", c.Prev, c.Revision, c.Exact, next-1)
		}
		for _, r := range c.Records {
			if r.Revision != next || string(r.Value.Inline) != fmt.Sprint(next) {
				t.Errorf("told of %d with %q, want %d", r.Revision, r.Value.Inline, next)
			}
			next++
		}
		if c.Revision != next-1 {
			t.Errorf("%d..%d ends with %d", c.Prev, c.Revision, next-1)
		}
	})
	batches, revision := 1500/effort, godwit.Revision(0)
	commits := make(chan store.Commit, 4)
	stop := make(chan struct{})
	var working sync.WaitGroup
	working.Go(func() {
		for c := range commits {
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
		}
	})
	working.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				d.sweep()
				d.clock.advance(200 * time.Millisecond)
			}
		}
	})
	rng := rand.New(rand.NewPCG(1, 1))
	for range batches {
		var ms []godwit.Mutation
		for range 1 + rng.IntN(20) {
			revision++
			ms = append(ms, putUntil(ns1, keyN(rng.IntN(50)), fmt.Sprint(revision), d.clock.Now().Unix()+1+rng.Int64N(3)))
		}
		commits <- d.commit(store.Sync, ms...)
	}
	close(commits)
	close(stop)
	working.Wait()
	if next != revision+1 {
		t.Errorf("told up to %d of %d", next-1, revision)
	}
}

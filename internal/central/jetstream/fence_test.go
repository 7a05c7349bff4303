package jetstream_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/jetstream/streamtest"
	"github.com/godwitkv/godwit/internal/store"
)

// TestFence: once one member knows that another centre has taken the log over, none
// takes a write any more, also after a restart, and one that was away learns of it.
func TestFence(t *testing.T) {
	play(t, 3, func(c *cluster) {
		c.members[0].propose(createNamespace(), put("key", "before"))
		c.settle()
		away := c.members[2]
		away.stop()
		const by = 7
		c.members[1].Fence(by)
		c.members[1].Fence(by) // each follower says so
		time.Sleep(time.Second)
		c.members[0].crash(100)
		c.members[0].start()
		away.start()
		time.Sleep(time.Second)
		for _, m := range c.members {
			if got := m.store.Fenced(); got != by {
				t.Errorf("%s: fenced off by generation %d", m.name, got)
			}
			_, err := m.Propose(context.Background(), []godwit.Transaction{put("key", "after")})
			if !isCode(err, godwit.CodeUnavailable) || !strings.Contains(err.Error(), "was replaced") {
				t.Errorf("%s: a write: %v", m.name, err)
			}
			if _, _, err := m.Get(context.Background(), ns, []byte("key"), godwit.ReadOptions{Strong: true}); !isCode(err, godwit.CodeUnavailable) {
				t.Errorf("%s: a strong read: %v", m.name, err)
			}
		}
		time.Sleep(time.Minute)
		for _, m := range c.members {
			e, served, err := m.Get(context.Background(), ns, []byte("key"), godwit.ReadOptions{})
			if err != nil || string(e.Value.Inline) != "before" || served.Status != godwit.StatusStale {
				t.Errorf("%s: a read: %v %v", m.name, served.Status, err)
			}
		}
	})
}

// TestFenceEndsTheLog: what stands behind a fence is taken by no member.
func TestFenceEndsTheLog(t *testing.T) {
	play(t, 2, func(c *cluster) {
		c.members[0].propose(createNamespace(), put("key", "before"))
		c.log.Append([]byte{1, 'x', 7})
		for _, m := range c.members {
			if _, err := m.Propose(context.Background(), []godwit.Transaction{put("key", "behind")}); err == nil {
				t.Errorf("%s: a write behind the log's end was acknowledged", m.name)
			}
		}
		time.Sleep(10 * time.Second)
		for _, m := range c.members {
			if got := m.value("key"); got != "before" {
				t.Errorf("%s: %q", m.name, got)
			}
		}
	})
}

// TestFoundPromoted: the log goes on from a store of a later generation, which all
// members then are of.
func TestFoundPromoted(t *testing.T) {
	play(t, 1, func(c *cluster) {
		old := c.members[0]
		old.propose(createNamespace(), put("key", "kept"))
		revision := old.store.Revision()
		old.stop()
		generation, err := store.Promote(context.Background(), store.Config{Dir: "/data", FS: old.fs, Now: time.Now, Follower: true}, revision)
		if err != nil {
			t.Fatal(err)
		}
		c.log.Wait()
		c.log = streamtest.NewLog(2, time.Now) // of a new cluster
		old.start()
		c.add("n2").start()
		c.add("n3").start()
		c.settle()
		for _, m := range c.members {
			if got := m.store.Generation(); got != generation {
				t.Errorf("%s is of generation %d, the store that was promoted of %d", m.name, got, generation)
			}
			if got := m.value("key"); got != "kept" {
				t.Errorf("%s: %q", m.name, got)
			}
		}
	})
}

package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/store"
)

func comparing(cfg *jetstream.Config) { cfg.CompareEvery = 20 * time.Second }

// tamper changes what a member's store holds behind the log's back, at the same
// position.
func (m *member) tamper(fn func(tx *store.Tx) error) {
	m.c.t.Helper()
	tx := m.store.Begin()
	if err := errors.Join(fn(tx), tx.Reach(tx.Revision())); err != nil {
		m.c.t.Fatal(err)
	}
	c, err := tx.Commit(store.NoSync)
	if err == nil {
		err = c.Wait()
	}
	if err != nil {
		m.c.t.Fatal(err)
	}
}

// changeValue is a tampering with the value of a key.
func (m *member) changeValue(key string) func(tx *store.Tx) error {
	return func(tx *store.Tx) error {
		h, err := tx.Head(ns, key)
		if err != nil {
			return err
		}
		return tx.Install(&godwit.Record{Mutation: put(key, "tampered").Mutations[0], Revision: h.Revision, Created: h.Created, Modified: h.Created})
	}
}

// TestCompare: members that hold the same find that they do, whatever expires
// meanwhile and whoever's clock is off by what is allowed.
func TestCompare(t *testing.T) {
	playTuned(t, 2, comparing, func(c *cluster) {
		fast := c.add("n3")
		fast.skew.Store(int64(8 * time.Second))
		fast.start()
		c.members[0].propose(createNamespace())
		var at uint64
		for n := range 150 {
			tx := put(fmt.Sprint("key", n%50), "value")
			tx.Mutations[0].Expiration = time.Now().Unix() + int64(n%100)
			tx.RequestKey[0] = byte(n)
			c.members[n%3].propose(tx)
			time.Sleep(time.Second)
			at = max(at, c.members[0].Status().Compared)
		}
		if at == 0 {
			t.Fatal("nothing was compared")
		}
		time.Sleep(25 * time.Second)
		want := c.members[0].Status()
		if want.Compared <= at {
			t.Errorf("compared at message %d and not again", at)
		}
		for _, m := range c.members {
			if s := m.Status(); s.Compared != want.Compared || s.Digest != want.Digest || s.Problem != "" {
				t.Errorf("%s: %+v\nwant as %+v", m.name, s, want)
			}
		}
		if n := c.compares(); n < 5 || n > 9 {
			t.Errorf("%d comparisons", n)
		}
	})
}

// compares is how many messages of the log compare.
func (c *cluster) compares() int { return c.count('d') }

// count is how many messages of the log are of a kind.
func (c *cluster) count(kind byte) (n int) {
	for _, m := range c.log.Messages() {
		if m.Data[1] == kind {
			n++
		}
	}
	return n
}

// TestDivergedMember: a member whose store differs from that of a majority stops
// for good, by whatever decisions read; the others go on.
func TestDivergedMember(t *testing.T) {
	for name, fn := range map[string]func(m *member) func(tx *store.Tx) error{
		"value": func(m *member) func(tx *store.Tx) error { return m.changeValue("key") },
		"request": func(*member) func(tx *store.Tx) error {
			return func(tx *store.Tx) error { tx.Remember(godwit.RequestKey{7}, godwit.Result{Revision: 1}); return nil }
		},
		"proposer": func(*member) func(tx *store.Tx) error {
			return func(tx *store.Tx) error { tx.SetProposer(store.ProposerID{7}, 1); return nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			playTuned(t, 3, comparing, func(c *cluster) {
				c.members[0].propose(createNamespace(), put("key", "value"))
				c.settle()
				bad := c.members[1]
				bad.tamper(fn(bad))
				why := bad.failure()
				for _, want := range []string{"differs", "n1 and n3", "Save a copy", "godwit cluster remove n2", bad.Status().Digest, c.members[0].Status().Digest} {
					if !strings.Contains(why, want) {
						t.Errorf("stopped by %q, which does not say %q", why, want)
					}
				}
				bad.stop()
				bad.refusesToOpen(why)
				c.members[2].propose(put("key", "again"))
				time.Sleep(time.Minute)
				c.settle()
				if p := c.members[0].Problem(); p != "" {
					t.Errorf("the others have problem %q", p)
				}
			})
		})
	}
}

// refusesToOpen holds that the member cannot be started, for the same reason.
func (m *member) refusesToOpen(why string) {
	m.c.t.Helper()
	m.open()
	_, err := jetstream.Open(m.c.t.Context(), m.config())
	if err == nil || err.Error() != why {
		m.c.t.Errorf("opened again: %v", err)
	}
	if err := m.store.Close(); err != nil {
		m.c.t.Error(err)
	}
	m.store = nil
}

// TestNoMajority: where no majority agrees all say so, and go on.
func TestNoMajority(t *testing.T) {
	playTuned(t, 2, comparing, func(c *cluster) {
		a, b := c.members[0], c.members[1]
		a.propose(createNamespace(), put("key", "value"))
		c.settle()
		b.tamper(b.changeValue("key"))
		time.Sleep(30 * time.Second)
		for _, m := range c.members {
			if p := m.Problem(); !strings.Contains(p, "no majority agrees") || !strings.Contains(p, a.Status().Digest) || !strings.Contains(p, "n2: ") || !m.Ready() {
				t.Errorf("%s: ready %t, problem %q", m.name, m.Ready(), p)
			}
		}
		a.propose(put("key", "the same for both"))
		time.Sleep(time.Minute)
		for _, m := range c.members {
			if p := m.Problem(); p != "" {
				t.Errorf("%s: healed, problem %q", m.name, p)
			}
		}
	})
}

// TestComparesLate: who comes late to the messages that compare has dropped what
// has expired since, and is not taken for one that differs.
func TestComparesLate(t *testing.T) {
	playTuned(t, 3, comparing, func(c *cluster) {
		m, late := c.members[0], c.members[2]
		m.propose(createNamespace())
		late.stop()
		for n := range 20 {
			tx := put(fmt.Sprint("key", n), "value")
			tx.Mutations[0].Expiration = time.Now().Unix() + 90
			m.propose(tx)
			time.Sleep(10 * time.Second)
		}
		before, back := m.Status().Compared, time.Now()
		late.start()
		time.Sleep(time.Second)
		at := late.Status().Compared
		if at == 0 || at > before || back.Sub(time.UnixMilli(c.log.Messages()[at-1].Time)) >= time.Minute {
			t.Errorf("compared at message %d, the last was %d", at, before)
		}
		time.Sleep(time.Minute)
		if s := late.Status(); s.Compared <= before || s.Digest != m.Status().Digest || !late.Ready() {
			t.Errorf("afterwards: %+v", s)
		}
	})
}

// lagging is a stream whose messages come late.
type lagging struct {
	jetstream.Stream
	by time.Duration
}

func (s lagging) Read(ctx context.Context, from uint64, fn func(jetstream.Message) error) error {
	select {
	case <-time.After(s.by):
		return s.Stream.Read(ctx, from, fn)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestComparesLateByMost: who comes late to a message that compares is late also by a clock
// of its own that is behind: it has dropped by that of most what has expired since.
func TestComparesLateByMost(t *testing.T) {
	playTuned(t, 3, func(cfg *jetstream.Config) { cfg.CompareEvery = -1 }, func(c *cluster) {
		m, late := c.members[0], c.members[2]
		m.propose(createNamespace())
		tx := put("key", "value")
		tx.Mutations[0].Expiration = time.Now().Unix() + 120
		m.propose(tx)
		c.settle()
		time.Sleep(2 * time.Second) // flushes
		late.stop()
		at := c.log.Append([]byte{1, 'd'})
		time.Sleep(4 * time.Minute)
		late.skew.Store(-int64(10 * time.Minute))
		late.tune = func(cfg *jetstream.Config) { cfg.Stream = lagging{cfg.Stream, 10 * time.Second} }
		late.start()
		select {
		case err := <-late.Failed():
			t.Errorf("it is stopped: %v", err)
		case <-time.After(time.Minute):
		}
		if s := m.Status(); s.Compared != at || late.Status().Compared == at {
			t.Errorf("compared at message %d, and who is late at %d", s.Compared, late.Status().Compared)
		}
	})
}

// TestNeverCompares: a member that is told so sends no message that compares, and
// one that is alone has nobody to compare with.
func TestNeverCompares(t *testing.T) {
	playTuned(t, 2, func(cfg *jetstream.Config) { cfg.CompareEvery = -1 }, func(c *cluster) {
		time.Sleep(5 * time.Minute)
		if n := c.compares(); n != 0 {
			t.Errorf("%d comparisons", n)
		}
	})
	playTuned(t, 1, comparing, func(c *cluster) {
		time.Sleep(5 * time.Minute)
		if n := c.compares(); n != 0 {
			t.Errorf("%d comparisons of one", n)
		}
	})
}

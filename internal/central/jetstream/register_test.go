package jetstream_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/internal/central/jetstream"
)

// failure is why a member stopped, "" if it did not within a minute.
func (m *member) failure() string {
	select {
	case err := <-m.Failed():
		return err.Error()
	case <-time.After(time.Minute):
		return ""
	}
}

func (c *cluster) registered() (names []string) {
	c.t.Helper()
	all, err := c.registry.Members(context.Background())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, m := range all {
		names = append(names, m.Name)
	}
	return names
}

// TestRegisters: a member is registered as soon as the registry takes it, and is a
// member before that as well.
func TestRegisters(t *testing.T) {
	play(t, 1, func(c *cluster) {
		c.registry.SetAway(true)
		late := c.add("late")
		late.start()
		time.Sleep(5 * time.Second)
		if !strings.Contains(late.Problem(), "registry") {
			t.Errorf("problem %q", late.Problem())
		}
		late.propose(createNamespace(), put("key", "value"))
		c.registry.SetAway(false)
		time.Sleep(3 * time.Second)
		if diff := cmp.Diff([]string{"late", "n1"}, c.registered()); diff != "" {
			t.Errorf("registered (-want +got):\n%s", diff)
		}
		time.Sleep(20 * time.Second)
		if p := late.Problem(); p != "" {
			t.Errorf("problem %q", p)
		}
	})
}

// TestTakenName: who comes with another disk under the name of a member is not
// ready and says what to do; once the old one is removed it takes its place, and the
// old one, should it still be there, stops.
func TestTakenName(t *testing.T) {
	play(t, 2, func(c *cluster) {
		twin := c.add("n2")
		twin.tune = func(cfg *jetstream.Config) { cfg.Self.Identity = "another disk" }
		twin.start()
		time.Sleep(5 * time.Second)
		if why := twin.Problem(); !strings.Contains(why, "godwit cluster remove n2") || twin.Ready() {
			t.Errorf("problem %q, ready %t", why, twin.Ready())
		}
		if err := c.registry.Remove(context.Background(), "n2"); err != nil {
			t.Fatal(err)
		}
		old := c.members[1]
		if why := old.failure(); !strings.Contains(why, "godwit cluster remove n2") {
			t.Errorf("the old one is stopped by %q", why)
		}
		old.stop()
		c.settle()
	})
}

// TestRemoved: a member that was removed while it runs says so.
func TestRemoved(t *testing.T) {
	play(t, 3, func(c *cluster) {
		if err := c.registry.Remove(context.Background(), "n3"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		m := c.members[2]
		if !strings.Contains(m.Problem(), "removed from the cluster") {
			t.Errorf("problem %q", m.Problem())
		}
		m.stop()
		m.start()
		time.Sleep(time.Minute)
		if m.Problem() != "" || !slices.Contains(c.registered(), "n3") {
			t.Errorf("afterwards: problem %q, registered %v", m.Problem(), c.registered())
		}
	})
}

// TestStatus: each member shows all of them, and the stream.
func TestStatus(t *testing.T) {
	play(t, 3, func(c *cluster) {
		c.members[0].propose(createNamespace(), put("key", "value"))
		time.Sleep(3 * time.Second)
		for _, m := range c.members {
			s := m.Status()
			if s.Name != m.name || s.Leader != "leader" || s.First != 1 || s.Last < 4 || s.Bytes == 0 || s.Format != jetstream.LastFormat ||
				s.StalenessMS < 0 || s.StalenessMS > 2000 || s.Problem != "" || len(s.Members) != 3 {
				t.Errorf("%s: %+v", m.name, s)
			}
			for i, o := range s.Members {
				if o.Name != c.members[i].name || !o.Present || !o.Ready || o.AgeMS < 0 || o.AgeMS > 1000 || o.Lag > 4 ||
					o.Applied == 0 || o.Flushed == 0 || o.Revision != m.store.Revision().String() {
					t.Errorf("%s shows %+v", m.name, o)
				}
			}
		}
		c.members[2].stop()
		c.members[1].stream.Cut(true)
		time.Sleep(15 * time.Second)
		s := c.members[0].Status().Members
		if s[2].Present || s[2].AgeMS < 14000 || s[2].Lag < 10 {
			t.Errorf("one that stopped: %+v", s[2])
		}
		if !s[1].Present || s[1].Lag < 10 || !strings.Contains(s[1].Problem, "no quorum") {
			t.Errorf("one that is cut off: %+v", s[1])
		}
		if s := c.members[1].Status(); s.Leader != "" || s.StalenessMS < 14000 {
			t.Errorf("it shows: %+v", s)
		}
		c.members[1].stream.Cut(false)
	})
}

// TestMetrics: the numbers tell what happens.
func TestMetrics(t *testing.T) {
	play(t, 3, func(c *cluster) {
		m := c.members[0]
		m.propose(createNamespace(), put("key", "value"))
		time.Sleep(2 * time.Second)
		c.log.SetLeader(false)
		time.Sleep(1500 * time.Millisecond)
		if v := m.gathered()["godwit_cluster_batches_in_flight"]; v != 1 {
			t.Errorf("%v batches are on their way to a log without a leader", v)
		}
		time.Sleep(3500 * time.Millisecond)
		got := m.gathered()
		for name, want := range map[string]func(float64) bool{
			"members":                func(v float64) bool { return v == 3 },
			"members_present":        func(v float64) bool { return v == 3 },
			"leader_known":           func(v float64) bool { return v == 0 },
			"log_bytes":              func(v float64) bool { return v > 100 },
			"lag_messages":           func(v float64) bool { return v == 0 },
			"staleness_seconds":      func(v float64) bool { return v > 4 && v < 8 },
			"batches_in_flight":      func(v float64) bool { return v == 0 },
			"proposals_waiting":      func(v float64) bool { return v == 0 },
			"batches_sent_total":     func(v float64) bool { return v >= 3 },
			"batches_resent_total":   func(v float64) bool { return v >= 10 },
			"batches_given_up_total": func(v float64) bool { return v == 1 },
			"messages_applied_total": func(v float64) bool { return v >= 5 },
			"batch_seconds":          func(v float64) bool { return v >= 2 }, // how many
			"verdicts_total":         func(v float64) bool { return v >= 5 }, // of all kinds
			"trimmed_messages_total": func(v float64) bool { return v == 0 },
			"format":                 func(v float64) bool { return v == jetstream.LastFormat },
		} {
			v, ok := got["godwit_cluster_"+name]
			if !ok || !want(v) {
				t.Errorf("%s is %v, there %t", name, v, ok)
			}
			delete(got, "godwit_cluster_"+name)
		}
		if len(got) > 0 {
			t.Errorf("not looked at: %v", got)
		}
		c.log.SetLeader(true)
		c.settle()
	})
}

// gathered are the member's metrics: of those with labels the sum, of a histogram
// the count.
func (m *member) gathered() map[string]float64 {
	m.c.t.Helper()
	families, err := m.metrics.Gather()
	if err != nil {
		m.c.t.Fatal(err)
	}
	all := make(map[string]float64)
	for _, f := range families {
		for _, v := range f.GetMetric() {
			all[f.GetName()] += v.GetGauge().GetValue() + v.GetCounter().GetValue() + float64(v.GetHistogram().GetSampleCount())
		}
	}
	return all
}

// TestSettledIn: a member is not ready before it has settled in, and what kept it from
// that is no problem any more once it has.
func TestSettledIn(t *testing.T) {
	failures := 0
	playTuned(t, 1, func(cfg *jetstream.Config) {
		cfg.Serving = func(context.Context) error {
			if failures--; failures >= 0 {
				return errors.New("not yet")
			}
			return nil
		}
	}, func(c *cluster) {
		failures = 3
		m := c.add("n2")
		m.start()
		time.Sleep(1500 * time.Millisecond)
		if why := m.Problem(); m.Ready() || why != "not yet" {
			t.Errorf("ready %t, problem %q", m.Ready(), why)
		}
		time.Sleep(5 * time.Second)
		if why := m.Problem(); failures >= 0 || why != "" || !m.Ready() {
			t.Errorf("%d failures are left, ready %t, problem %q", failures, m.Ready(), why)
		}
	})
}

// uncounted is a stream that does not count on who asks until it is told to.
type uncounted struct {
	jetstream.Stream
	counts atomic.Bool
}

func (u *uncounted) Counts(context.Context) (bool, error) { return u.counts.Load(), nil }

func (u *uncounted) State(ctx context.Context) (jetstream.State, error) {
	st, err := u.Stream.State(ctx)
	st.Uncounted = !u.counts.Load()
	return st, err
}

// TestCountedOn: a member is not ready before the log counts on it, which is waited for no
// longer than a minute, and tells for as long as it does not.
func TestCountedOn(t *testing.T) {
	for name, counts := range map[string]bool{"in the end": true, "never": false} {
		t.Run(name, func(t *testing.T) {
			var streams []*uncounted
			playTuned(t, 1, func(cfg *jetstream.Config) {
				u := &uncounted{Stream: cfg.Stream}
				u.counts.Store(len(streams) == 0)
				streams = append(streams, u)
				cfg.Stream = u
			}, func(c *cluster) {
				m := c.add("n2")
				m.start()
				time.Sleep(30 * time.Second)
				const yet = "the cluster's log does not count on this member yet"
				if why := m.Problem(); m.Ready() || why != yet {
					t.Errorf("ready %t, problem %q", m.Ready(), why)
				}
				streams[1].counts.Store(counts)
				if !counts {
					time.Sleep(time.Minute)
				}
				time.Sleep(2 * time.Second)
				if why := m.Problem(); (why == "") != counts || !m.Ready() {
					t.Errorf("ready %t, problem %q", m.Ready(), why)
				}
				streams[1].counts.Store(false) // as for one that was cut off
				time.Sleep(2 * time.Second)
				if why := m.Problem(); why != yet || !m.Ready() {
					t.Errorf("ready %t, problem %q of what counts no longer", m.Ready(), why)
				}
			})
		})
	}
}

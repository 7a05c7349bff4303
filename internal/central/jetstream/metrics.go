package jetstream

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit/internal/state"
)

// metrics are those of a member. What is counted anyway is read when it is asked
// for.
type metrics struct {
	applied  prometheus.Histogram
	trimmed  prometheus.Counter
	registry prometheus.Registerer
	all      []prometheus.Collector
}

func newMetrics(m *Member) *metrics {
	met := &metrics{
		applied: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "godwit_cluster_batch_seconds", Help: "From when a batch of this member was made until it was applied here.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2},
		}),
		trimmed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "godwit_cluster_trimmed_messages_total", Help: "Messages that this member has removed from the log.",
		}),
		registry: m.cfg.Metrics,
	}
	met.all = append([]prometheus.Collector{met.applied, met.trimmed}, append(gauges(m), counters(m)...)...)
	for i, c := range met.all {
		if err := m.cfg.Metrics.Register(c); err != nil {
			m.log.Warn("register metric", logError, err.Error())
			met.all[i] = nil
		}
	}
	return met
}

func (m *metrics) unregister() {
	for _, c := range m.all {
		if c != nil {
			m.registry.Unregister(c)
		}
	}
}

func gauge(name, help string, fn func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "godwit", Subsystem: "cluster", Name: name, Help: help}, fn)
}

func gauges(m *Member) []prometheus.Collector {
	return []prometheus.Collector{
		gauge("members", "Members that are registered.", func() float64 { return float64(len(m.roster.members())) }),
		gauge("members_present", "Members that were heard lately, this one included.", func() float64 {
			n, now := 0, time.Now()
			for _, p := range m.roster.members() {
				if p.present(now) {
					n++
				}
			}
			return float64(n)
		}),
		gauge("leader_known", "1 while the log's stream has a leader that answers.", func() float64 {
			if m.extent.get().Leader == "" {
				return 0
			}
			return 1
		}),
		gauge("log_bytes", "Bytes of the messages that the log's stream holds.", func() float64 { return float64(m.extent.get().Bytes) }),
		gauge("lag_messages", "Messages of the log that this member has yet to apply.", func() float64 {
			return float64(lag(m.extent.get().Last, m.applied.Load()))
		}),
		gauge("staleness_seconds", "For how long the copy may have missed a write; NaN: not known.", func() float64 {
			if d, ok := m.fresh.staleness(); ok {
				return d.Seconds()
			}
			return math.NaN()
		}),
		gauge("batches_in_flight", "Batches of this member that are on their way.", func() float64 { return float64(m.proposer.inFlight()) }),
		gauge("proposals_waiting", "Writers that wait for a batch to leave.", func() float64 { return float64(m.proposer.queue.Len()) }),
		gauge("format", "Format that the log's messages are written in.", func() float64 { return float64(m.proposer.form()) }),
	}
}

func counters(m *Member) []prometheus.Collector {
	count := func(name, help string, fn func() int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "godwit", Subsystem: "cluster", Name: name, Help: help},
			func() float64 { return float64(fn()) })
	}
	all := []prometheus.Collector{
		count("batches_sent_total", "Batches made and sent, each counted once.", m.proposer.sent.Load),
		count("batches_resent_total", "Times that a batch was sent again.", m.proposer.resent.Load),
		count("batches_given_up_total", "Batches that did not come back in time.", m.proposer.abandoned.Load),
		count("messages_applied_total", "Messages of the log that were applied.", m.messages.Load),
	}
	for v := state.Taken; v <= state.TooLate; v++ {
		all = append(all, prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "godwit_cluster_verdicts_total", Help: "Batches of the log, whoever sent them, by what became of them.",
			ConstLabels: prometheus.Labels{"verdict": v.String()},
		}, func() float64 { return float64(m.board.count(v)) }))
	}
	return all
}

// lag is how many messages a member at one is behind the last.
func lag(last, at uint64) uint64 { return max(last, at) - at }

func (p *proposer) inFlight() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.flights)
}

func (b *board) count(v state.Verdict) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.verdicts[v]
}

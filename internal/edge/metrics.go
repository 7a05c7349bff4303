package edge

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit/internal/collectors"
)

type metrics struct {
	applied    prometheus.Counter
	reconciles prometheus.Counter
	fetched    prometheus.Counter
	failovers  prometheus.Counter
	all        []prometheus.Collector
	registered *collectors.Set // from start on
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func gauge(name, help string, fn func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, fn)
}

func newMetrics(e *Edge) *metrics {
	m := &metrics{
		applied:    counter("godwit_edge_applied_records_total", "Records of the feed that were applied."),
		reconciles: counter("godwit_edge_reconciles_total", "Walks of all of the upstream's keys that were begun."),
		fetched:    counter("godwit_edge_fetched_values_total", "Values fetched from upstream."),
		failovers:  counter("godwit_edge_upstream_failovers_total", "Changes from one upstream to another."),
	}
	m.all = []prometheus.Collector{
		m.applied, m.reconciles, m.fetched, m.failovers,
		gauge("godwit_edge_connected", "1 while the upstream's feed is open.", func() float64 {
			return number(e.status.get().Connected)
		}),
		gauge("godwit_edge_exact", "1 while the copy is a whole prefix of the log.", func() float64 {
			return number(e.follow.exact())
		}),
		gauge("godwit_edge_staleness_seconds", "For how long the copy may have missed a write; NaN: not known.", func() float64 {
			if d, ok := e.follow.staleness(); ok {
				return d.Seconds()
			}
			return math.NaN()
		}),
		gauge("godwit_edge_lag_revisions", "Revisions behind the upstream.", func() float64 { return float64(e.status.get().Lag) }),
		gauge("godwit_edge_missing_values", "Values still to be fetched.", func() float64 { return float64(e.values.missing()) }),
		gauge("godwit_edge_clock_offset_seconds", "What is added to the machine's clock.", func() float64 {
			return e.cfg.Clock.Offset().Seconds()
		}),
	}
	return m
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

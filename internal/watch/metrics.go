package watch

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit/internal/collectors"
)

type metrics struct {
	watches prometheus.Gauge
	rounds  prometheus.Counter
	events  map[Kind]prometheus.Counter

	registered *collectors.Set
}

func newMetrics(cfg Config) *metrics {
	m := &metrics{
		watches: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "godwit_watches",
			Help: "Open watches.",
		}),
		rounds: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "godwit_watch_rounds_total",
			Help: "Times that a watch read the store, since the ring of recent changes did not go back far enough.",
		}),
		events: make(map[Kind]prometheus.Counter),
	}
	events := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "godwit_watch_events_total",
		Help: "Events told to watches, by kind.",
	}, []string{"kind"})
	for _, k := range []Kind{Put, Deleted, Expired, Ready, Reset, Heartbeat} {
		m.events[k] = events.WithLabelValues(string(k))
	}
	m.registered = collectors.Register(cfg.Metrics, cfg.Logger, m.watches, m.rounds, events)
	return m
}

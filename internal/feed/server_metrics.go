package feed

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
)

// serverMetrics are those of a Server.
type serverMetrics struct {
	frames, bytes, encoded, rounds prometheus.Counter
	ended                          *prometheus.CounterVec
	walks                          prometheus.Gauge

	registerer prometheus.Registerer
	collectors []prometheus.Collector
}

func newServerMetrics() *serverMetrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "godwit", Subsystem: "feed", Name: name, Help: help})
	}
	m := &serverMetrics{
		frames:  counter("frames_sent_total", "Frames sent to followers."),
		bytes:   counter("bytes_sent_total", "Bytes of frames sent to followers."),
		encoded: counter("batches_encoded_total", "Times a batch was filtered and compressed for followers."),
		rounds:  counter("rounds_total", "Rounds of catching up begun for followers behind the recent batches."),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "godwit", Subsystem: "feed", Name: "streams_ended_total", Help: "Streams and walks that ended, by why.",
		}, []string{"reason"}),
		walks: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "godwit", Subsystem: "feed", Name: "walks", Help: "Walks of reconciling nodes.",
		}),
	}
	return m
}

// register adds those that are read when they are asked for, and lets all be
// asked for.
func (m *serverMetrics) register(s *Server) {
	m.registerer = s.cfg.Metrics
	gauge := func(name, help string, fn func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "godwit", Subsystem: "feed", Name: name, Help: help}, fn)
	}
	for _, c := range []prometheus.Collector{
		m.frames, m.bytes, m.encoded, m.rounds, m.ended, m.walks,
		gauge("followers", "Followers of this node.", func() float64 { return float64(s.countFollowers()) }),
		gauge("ring_bytes", "Bytes of recent batches kept for followers.", func() float64 { return float64(s.ring.bytes.Load()) }),
	} {
		if err := m.registerer.Register(c); err != nil {
			s.cfg.Logger.Warn("register metric", slog.String(logError, err.Error()))
			continue
		}
		m.collectors = append(m.collectors, c)
	}
}

func (m *serverMetrics) unregister() {
	for _, c := range m.collectors {
		m.registerer.Unregister(c)
	}
}

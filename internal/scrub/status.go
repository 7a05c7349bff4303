package scrub

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Status is how far a scrub is. Times are unix seconds, 0 for none.
type Status struct {
	Running  bool
	Began    int64 // the pass under way
	Bytes    int64 // that it has read
	Found    int64 // damaged values that it has found
	Mended   int64
	Unmended int64 // damaged, as far as is known now

	LastBegan, LastEnded int64 // the last pass that came to its end
	LastBytes, LastFound int64
	LastMended           int64
	Next                 int64 // when the next one begins; 0: when it is asked for
}

// Status tells how far the scrub is.
func (s *Scrubber) Status() Status {
	s.mu.Lock()
	n, lost := s.note, int64(len(s.lost))
	s.mu.Unlock()
	st := Status{Running: n.Began != 0, Began: n.Began, Bytes: n.Bytes, Found: n.Found, Mended: n.Mended, Unmended: lost}
	if l := n.Last; l != nil {
		st.LastBegan, st.LastEnded, st.LastBytes, st.LastFound, st.LastMended = l.Began, l.Ended, l.Bytes, l.Found, l.Mended
	}
	if !st.Running && s.cfg.Every > 0 {
		st.Next = s.due(&n).Unix()
	}
	return st
}

type metrics struct {
	s                   *Scrubber
	read, found, mended prometheus.Counter
	all                 []prometheus.Collector
}

func newMetrics(s *Scrubber) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "godwit", Subsystem: "scrub", Name: name, Help: help})
	}
	gauge := func(name, help string, fn func(Status) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "godwit", Subsystem: "scrub", Name: name, Help: help},
			func() float64 { return fn(s.Status()) })
	}
	m := &metrics{
		s:      s,
		read:   counter("read_bytes_total", "Bytes that the scrub has read."),
		found:  counter("damaged_values_total", "Damaged values found, by the scrub and by reads."),
		mended: counter("mended_values_total", "Damaged values replaced by what another node has."),
	}
	m.all = []prometheus.Collector{
		m.read, m.found, m.mended,
		gauge("unmended_values", "Values known to be damaged now; a damaged database counts as one.", func(st Status) float64 { return float64(st.Unmended) }),
		gauge("running", "1 while a pass is under way.", func(st Status) float64 {
			if st.Running {
				return 1
			}
			return 0
		}),
		gauge("last_completed_timestamp_seconds", "When the last pass came to its end; 0: none has.", func(st Status) float64 { return float64(st.LastEnded) }),
	}
	for _, c := range m.all {
		if err := s.cfg.Metrics.Register(c); err != nil {
			s.log.Warn("register metric", logError, err.Error())
		}
	}
	return m
}

func (m *metrics) unregister() {
	for _, c := range m.all {
		m.s.cfg.Metrics.Unregister(c)
	}
}

package store

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are read when they are asked for; keeping them costs a read or a
// write nothing.
func (s *Store) metrics() []prometheus.Collector {
	gauge := func(name, help string, fn func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "godwit", Subsystem: "store", Name: name, Help: help}, fn)
	}
	return []prometheus.Collector{
		gauge("keys", "Entries in all namespaces.", func() float64 { k, _ := s.counts.total(); return float64(k) }),
		gauge("bytes", "Bytes of keys, values and metadata in all namespaces.", func() float64 { _, b := s.counts.total(); return float64(b) }),
		gauge("history_versions", "Earlier versions of keys that are kept.", func() float64 { v, _ := s.histories.total(); return float64(v) }),
		gauge("history_bytes", "Bytes of keys, values and metadata of earlier versions.", func() float64 { _, b := s.histories.total(); return float64(b) }),
		gauge("revision", "Last durable revision.", func() float64 { return float64(s.Revision()) }),
		gauge("purged_revision", "Purge floor: tombstones up to this revision may be gone.", func() float64 { return float64(s.Purged()) }),
		gauge("generation", "Generation of the log: it grows when a copy is made a centre.", func() float64 { return float64(s.Generation()) }),
		gauge("fenced", "1 if a later generation has taken the log over: no write is taken.", func() float64 { return float64(min(s.Fenced(), 1)) }),
		gauge("disk_free_bytes", "Bytes free on the data directory's disk.", func() float64 { return float64(s.space.free()) }),
		gauge("disk_reserve_bytes", "Bytes below which puts are refused.", func() float64 { return float64(s.space.reserve()) }),
		gauge("database_bytes", "Bytes of the database on disk.", func() float64 { return float64(s.db.Metrics().DiskSpaceUsage()) }),
		gauge("cache_bytes", "Bytes of database blocks in memory.", func() float64 { return float64(s.db.Metrics().BlockCache.Size) }),
		gauge("hot_bytes", "Bytes of entries kept in front of the database.", func() float64 { return float64(s.hot.used.Load()) }),
		gauge("read_amplification", "Levels that a read may have to look at.", func() float64 { m := s.db.Metrics(); return float64(m.ReadAmp()) }),
		gauge("compaction_debt_bytes", "Bytes that wait for compaction.", func() float64 { return float64(s.db.Metrics().Compact.EstimatedDebt) }),
	}
}

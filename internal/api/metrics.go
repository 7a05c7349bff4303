package api

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
)

// op is an operation as the metrics name it.
type op uint8

const (
	opGet op = iota
	opBulkGet
	opList
	opPut
	opDelete
	opBulkPut
	opBulkDelete
	opTransact
	opCopy
	opCount
)

func (o op) String() string {
	return [opCount]string{"get", "bulk_get", "list", "put", "delete", "bulk_put", "bulk_delete", "transact", "copy"}[o]
}

// status is how an operation ended, as the metrics name it.
type status uint8

const (
	statusOK      status = iota
	statusAbsent         // no such key
	statusRefused        // the client's doing
	statusFailed         // ours: full, busy, unknown outcome, a fault
	statusCount
)

func (s status) String() string {
	return [statusCount]string{"ok", "absent", "refused", "failed"}[s]
}

func statusOf(err error) status {
	if err == nil {
		return statusOK
	}
	if errors.Is(err, godwit.ErrKeyNotFound) { // a hot path: nothing is allocated
		return statusAbsent
	}
	switch godwit.CodeOf(err) {
	case godwit.CodeInternal, godwit.CodeDamaged, godwit.CodeDiskFull, godwit.CodeUnavailable, godwit.CodeOutcomeUnknown:
		return statusFailed
	default:
		return statusRefused
	}
}

// metrics holds every child, so that an operation costs only additions.
type metrics struct {
	answered atomic.Uint64 // operations in all
	requests [opCount][statusCount]prometheus.Counter
	seconds  [opCount]prometheus.Observer
}

func newMetrics(reg prometheus.Registerer) *metrics {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "godwit_requests_total",
		Help: "Operations carried out, by operation and how they ended.",
	}, []string{"op", "status"})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "godwit_request_duration_seconds",
		Help:    "How long operations took, without sending the answer.",
		Buckets: prometheus.ExponentialBuckets(5e-6, 4, 12), // 5 us to 21 s
	}, []string{"op"})
	reg.MustRegister(requests, seconds)

	m := new(metrics)
	for o := range opCount {
		m.seconds[o] = seconds.WithLabelValues(o.String())
		for s := range statusCount {
			m.requests[o][s] = requests.WithLabelValues(o.String(), s.String())
		}
	}
	return m
}

// done counts an operation that began at start, and returns how long it took and how
// it ended. Durations are measured on the monotonic clock, not on the corrected one.
func (m *metrics) done(o op, start time.Time, err error) (took time.Duration, s status) {
	took, s = time.Since(start), statusOf(err)
	m.answered.Add(1)
	m.requests[o][s].Inc()
	m.seconds[o].Observe(took.Seconds())
	return took, s
}

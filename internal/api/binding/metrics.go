package binding

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the server's. The hot path's are looked up beforehand.
type metrics struct {
	conns    prometheus.Gauge
	rejected prometheus.Counter
	requests *prometheus.CounterVec
	found    [opCount]prometheus.Counter // requests with status 200
	absent   prometheus.Counter          // gets with status 404
	timeouts [phaseCount]prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		conns: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "godwit_binding_connections", Help: "Open connections of the binding protocol."}),
		rejected: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "godwit_binding_connections_rejected_total", Help: "Connections refused because there were too many."}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "godwit_binding_requests_total", Help: "Requests of the binding protocol by operation and status."},
			[]string{"op", "status"}),
	}
	timeouts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "godwit_binding_timeouts_total", Help: "Connections ended because the client was too slow, by what they waited for."},
		[]string{"phase"})
	for o := range opCount {
		m.found[o] = m.requests.WithLabelValues(o.String(), "200")
	}
	m.absent = m.requests.WithLabelValues(opGet.String(), "404")
	for p := range phaseCount {
		m.timeouts[p] = timeouts.WithLabelValues(p.String())
	}
	if reg != nil {
		reg.MustRegister(m.conns, m.rejected, m.requests, timeouts)
	}
	return m
}

// request counts a request. How long it took is package api's to say.
func (m *metrics) request(o op, status int) {
	switch {
	case status == 200:
		m.found[o].Inc()
	case status == 404 && o == opGet:
		m.absent.Inc()
	default:
		m.requests.WithLabelValues(o.String(), strconv.Itoa(status)).Inc()
	}
}

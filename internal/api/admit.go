package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// requestRate bounds the requests a second of tokens and on namespaces that have a
// limit, as far as this node answers them.
type requestRate struct {
	rate       *writeRate
	tokens     prometheus.Counter
	namespaces prometheus.Counter
}

func newRequestRate(reg prometheus.Registerer) *requestRate {
	limited := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "godwit_requests_limited_total",
		Help: "Requests refused because their token or their namespace had as many in a second as it may.",
	}, []string{"limit"})
	reg.MustRegister(limited)
	return &requestRate{
		rate:       newWriteRate(),
		tokens:     limited.WithLabelValues("token"),
		namespaces: limited.WithLabelValues("namespace"),
	}
}

// AdmitToken counts a request of p's. One without a limit costs a comparison.
// Error: godwit.ErrTokenRate.
func (s *Service) AdmitToken(p *catalog.Principal) error {
	if p == nil || p.Token == nil || p.Token.RequestsPerSecond <= 0 {
		return nil
	}
	// No namespace that has requests is the system's: a token is no other's key.
	if s.requests.rate.take(godwit.SystemNamespace, p.Token.ID, p.Token.RequestsPerSecond, s.cfg.Now()) {
		return nil
	}
	s.requests.tokens.Inc()
	return godwit.ErrTokenRate
}

// AdmitNamespace counts a read or a write of keys of ns. One without a limit costs
// a comparison. Error: godwit.ErrNamespaceRate.
func (s *Service) AdmitNamespace(ns *godwit.Namespace) error {
	limit := ns.Settings.RequestsPerSecond
	if limit == nil || s.requests.rate.take(ns.ID, "", *limit, s.cfg.Now()) {
		return nil
	}
	s.requests.namespaces.Inc()
	return godwit.ErrNamespaceRate
}

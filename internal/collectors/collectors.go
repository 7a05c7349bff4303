// Package collectors owns how metrics come into a registry that may have them already:
// whoever embeds a replica may open several, or one after another.
//
// It imports nothing of the module.
package collectors

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
)

// Set is collectors that are registered.
type Set struct {
	reg prometheus.Registerer
	in  []prometheus.Collector
}

// Register registers all. One that the registry does not take is logged and left out.
func Register(reg prometheus.Registerer, log *slog.Logger, all ...prometheus.Collector) *Set {
	s := &Set{reg: reg}
	for _, c := range all {
		if err := reg.Register(c); err != nil {
			log.Warn("register metric", "error", err.Error())
			continue
		}
		s.in = append(s.in, c)
	}
	return s
}

// Unregister takes back those that Register registered, and not those of somebody else
// that are alike.
func (s *Set) Unregister() {
	for _, c := range s.in {
		s.reg.Unregister(c)
	}
}

package native

import (
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/analytics"
)

// analyticsReport is what was asked of a namespace at this node, and what it holds.
type analyticsReport struct {
	Since    int64                  `json:"since"` // unix seconds
	Keys     int64                  `json:"keys"`
	Bytes    int64                  `json:"bytes"`
	LastHour map[string]actionTotal `json:"last_hour"`
	LastDay  map[string]actionTotal `json:"last_day"`
}

// actionTotal is what was asked of one kind.
type actionTotal struct {
	Requests uint64    `json:"requests"`
	Keys     uint64    `json:"keys"`
	Bytes    uint64    `json:"bytes"`
	Failed   uint64    `json:"failed"`
	Latency  quantiles `json:"latency_ms"`
}

type quantiles struct {
	P25  float64 `json:"p25"`
	P50  float64 `json:"p50"`
	P75  float64 `json:"p75"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
}

func (h *Handler) analytics(r *request) (any, error) {
	ns, err := h.resolve(r, godwit.PermissionRead)
	if err != nil {
		return nil, err
	}
	counted, err := h.cfg.Service.Analytics(ns)
	if err != nil {
		return nil, err
	}
	keys, bytes := h.cfg.Size(ns.ID)
	return analyticsReport{
		Since: counted.Since.Unix(), Keys: keys, Bytes: bytes, LastHour: totals(&counted.Hour), LastDay: totals(&counted.Day),
	}, nil
}

// totals are those of each action, by its name.
func totals(of *[analytics.Actions]analytics.Totals) map[string]actionTotal {
	all := make(map[string]actionTotal)
	for a := range analytics.Actions {
		t := &of[a]
		ms := func(q float64) float64 {
			return float64(t.Quantile(q).Round(time.Microsecond)) / float64(time.Millisecond)
		}
		all[a.String()] = actionTotal{
			Requests: t.Requests, Keys: t.Keys, Bytes: t.Bytes, Failed: t.Failed,
			Latency: quantiles{ms(0.25), ms(0.5), ms(0.75), ms(0.9), ms(0.99), ms(0.999)},
		}
	}
	return all
}

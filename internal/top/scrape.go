package top

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const maxMetricsBytes = 16 << 20

// counters are a node's at one time.
type counters struct {
	at          time.Time
	requests    map[string]float64 // by op
	failed      map[string]float64
	took        map[string]buckets
	connections float64
}

// buckets are how many took no longer than each bound, in seconds.
type buckets map[float64]float64

// scrape reads the node's metrics, for which it asks for no token.
func (w *Watch) scrape(ctx context.Context) (*counters, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(w.cfg.URL, "/")+"/metrics", nil)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	res, err := w.cfg.HTTP.Do(q)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read metrics: HTTP status %d", res.StatusCode)
	}
	at := w.cfg.Now()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(io.LimitReader(res.Body, maxMetricsBytes))
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	return count(at, families), nil
}

func count(at time.Time, families map[string]*dto.MetricFamily) *counters {
	c := &counters{at: at, requests: make(map[string]float64), failed: make(map[string]float64), took: make(map[string]buckets)}
	for _, m := range families["godwit_requests_total"].GetMetric() {
		op, n := label(m, "op"), m.GetCounter().GetValue()
		c.requests[op] += n
		if label(m, "status") == "failed" {
			c.failed[op] += n
		}
	}
	for _, m := range families["godwit_request_duration_seconds"].GetMetric() {
		all := make(buckets)
		for _, b := range m.GetHistogram().GetBucket() {
			all[b.GetUpperBound()] = float64(b.GetCumulativeCount())
		}
		c.took[label(m, "op")] = all
	}
	for _, m := range families["godwit_binding_connections"].GetMetric() {
		c.connections += m.GetGauge().GetValue()
	}
	return c
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// compare tells what came since the last time.
func (w *Watch) compare(f *Frame, now *counters) {
	last := w.last
	w.last, f.Connections = now, int64(now.connections)
	if last == nil {
		return
	}
	f.Over = now.at.Sub(last.at).Seconds()
	for _, op := range slices.Sorted(maps.Keys(now.requests)) {
		asked := now.requests[op] - last.requests[op]
		if f.Over <= 0 || asked < 0 { // it was started anew
			f.Over = 0
			f.Operations = []Operation{}
			return
		}
		took := now.took[op].since(last.took[op])
		ms := func(q float64) float64 { return took.quantile(q) * 1000 }
		f.Operations = append(f.Operations, Operation{
			Op: op, PerSecond: asked / f.Over, Failed: (now.failed[op] - last.failed[op]) / f.Over, P50: ms(0.5), P90: ms(0.9), P99: ms(0.99),
		})
	}
}

// since is what b has more than last.
func (b buckets) since(last buckets) buckets {
	d := make(buckets, len(b))
	for bound, n := range b {
		d[bound] = n - last[bound]
	}
	return d
}

// quantile is the time that this part of all did not exceed, between the bounds around
// it as if they stood evenly there; 0 if there were none. What took longer than the last
// bound counts as that.
func (b buckets) quantile(q float64) float64 {
	bounds := slices.Sorted(maps.Keys(b))
	if len(bounds) == 0 || b[bounds[len(bounds)-1]] <= 0 {
		return 0
	}
	rank := q * b[bounds[len(bounds)-1]]
	below, under := 0.0, 0.0
	for _, bound := range bounds {
		n := b[bound]
		switch {
		case n < rank:
			below, under = bound, n
			continue
		case math.IsInf(bound, 1):
			return below
		}
		return below + (bound-below)*(rank-under)/(n-under)
	}
	return below
}

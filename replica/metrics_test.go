package replica_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit/replica"
)

// TestMetricsOfOneRegistry: a registry has the metrics of a replica while it is open, and
// of the first of several. One that could not be opened leaves none behind.
func TestMetricsOfOneRegistry(t *testing.T) {
	c := openCentre(t)
	reg := prometheus.NewRegistry()
	dir := t.TempDir()
	cfg := replica.Config{Upstreams: []string{c.node.APIURL()}, Token: rootToken, Dir: dir, Metrics: reg}
	first, err := replica.Open(t.Context(), cfg)
	check(t, err)
	all := families(t, reg)
	if all == 0 {
		t.Fatal("no metrics")
	}
	second, _ := c.open(t, replica.Config{Metrics: reg})
	check(t, second.Close())
	if got := families(t, reg); got != all {
		t.Errorf("%d metrics after a second replica has come and gone, %d before", got, all)
	}
	if _, err := replica.Open(t.Context(), cfg); err == nil {
		t.Fatal("a directory was opened twice")
	}
	check(t, first.Close())
	if got := families(t, reg); got != 0 {
		t.Errorf("%d metrics after Close", got)
	}
	bad := cfg
	bad.Upstreams = []string{"no url"}
	if _, err := replica.Open(t.Context(), bad); err == nil {
		t.Fatal("followed what is no URL")
	}
	if got := families(t, reg); got != 0 {
		t.Errorf("%d metrics of a replica that could not be opened", got)
	}
	again, err := replica.Open(t.Context(), cfg)
	check(t, err)
	if got := families(t, reg); got != all {
		t.Errorf("%d metrics when opened again, %d at first", got, all)
	}
	check(t, again.Close())
}

func families(t *testing.T, reg *prometheus.Registry) int {
	t.Helper()
	f, err := reg.Gather()
	check(t, err)
	return len(f)
}

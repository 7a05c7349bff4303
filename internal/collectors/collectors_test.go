package collectors_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit/internal/collectors"
)

func TestRegister(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	reg := prometheus.NewRegistry()
	gauge := func(name string) prometheus.Collector {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name})
	}
	want := func(names string) {
		t.Helper()
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range families {
			got = append(got, f.GetName())
		}
		if strings.Join(got, " ") != names {
			t.Errorf("the registry has %q, want %q", got, names)
		}
	}
	first := collectors.Register(reg, slog.New(slog.NewTextHandler(&log, nil)), gauge("a"), gauge("b"))
	want("a b")
	if log.Len() > 0 {
		t.Errorf("logged %s", &log)
	}
	second := collectors.Register(reg, slog.New(slog.NewTextHandler(&log, nil)), gauge("b"), gauge("c"))
	want("a b c")
	if n := strings.Count(log.String(), "register metric"); n != 1 {
		t.Errorf("%d lines: %s", n, &log)
	}
	second.Unregister()
	want("a b")
	first.Unregister()
	want("")
}

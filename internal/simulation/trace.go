package simulation

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// trace is what happened in a world, line by line.
type trace struct {
	mu    sync.Mutex
	start time.Time
	lines []string
}

// maxLines bounds a trace: what comes first is dropped.
const maxLines = 1 << 17

func newTrace() *trace { return &trace{start: time.Now()} }

// note adds a line about a host.
func (t *trace) note(who, format string, args ...any) {
	line := fmt.Sprintf("%10.4fs %-8s %s", time.Since(t.start).Seconds(), who, fmt.Sprintf(format, args...))
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == maxLines {
		t.lines = append(t.lines[:0], t.lines[maxLines/2:]...)
	}
	t.lines = append(t.lines, line)
}

func (t *trace) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n") + "\n"
}

// logger returns a logger whose lines go into the trace.
func (t *trace) logger(who string) *slog.Logger {
	return slog.New(&traceHandler{trace: t, who: who})
}

// traceHandler is a slog.Handler.
type traceHandler struct {
	trace *trace
	who   string
	attrs []slog.Attr
}

// Enabled implements slog.Handler.
func (h *traceHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

// Handle implements slog.Handler.
func (h *traceHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.Level, r.Message)
	add := func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	h.trace.note(h.who, "%s", b.String())
	return nil
}

// WithAttrs implements slog.Handler.
func (h *traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &traceHandler{trace: h.trace, who: h.who, attrs: append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

// WithGroup implements slog.Handler.
func (h *traceHandler) WithGroup(string) slog.Handler { return h }

package nats_test

import (
	"slices"
	"testing"

	"github.com/godwitkv/godwit/internal/central/jetstream/nats"
)

// TestCurrent: a server is current once it follows a leader in all that it keeps.
func TestCurrent(t *testing.T) {
	t.Parallel()
	w := prepare(t, 3)
	if a := w.start("n1"); a.server.Current() {
		t.Error("a server alone of three is current")
	}
	for _, name := range []string{"n2", "n3"} {
		w.start(name)
	}
	for _, m := range w.servers {
		w.wait(m)
		w.until(m.name+" is current", m.server.Current)
	}
}

// TestHandOverWaits: once a server has handed over, others lead the cluster's metadata and
// the stream.
func TestHandOverWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	for _, name := range []string{"n1", "n2", "n3"} {
		w.lead(w.servers["n1"], name)
		led := w.servers[name].server.HandOver()
		if len(led) != 2 || slices.Contains(led, nats.PeerID(w.servers[name].server.Name())) || slices.Contains(led, "") {
			t.Errorf("%s has handed over, and these lead: %q", name, led)
		}
	}
}

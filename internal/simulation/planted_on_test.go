//go:build planted

package simulation

import (
	"slices"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/internal/planted"
)

// buildFlags are those that a replay needs.
const buildFlags = " -tags planted"

// most is how many worlds may pass before a planted bug is found.
const most = 100

// ofCluster are the bugs of a cluster: they are looked for in worlds that have one.
var ofCluster = []string{"skip-gap-check", "stale-barrier", "early-member"}

// TestPlantedBugsAreFound plants one bug after another and runs worlds until one
// of them breaks a promise.
func TestPlantedBugsAreFound(t *testing.T) {
	if *worker {
		t.Skip("this process is a worker")
	}
	for _, bug := range planted.Bugs() {
		t.Run(bug, func(t *testing.T) {
			d := newDriver(*firstSeed, most)
			if slices.Contains(ofCluster, bug) {
				d = newDriver(clusters, clusters*most)
				d.step = clusters
			}
			d.say, d.first = t.Logf, true
			d.env = []string{planted.Variable + "=" + bug}
			s := d.run()
			if s.firstBroken == nil {
				t.Fatalf("not found: %v", s)
			}
			t.Logf("found by seed %d, after %d worlds: %s", s.firstBroken.Seed, s.seeds, strings.Join(s.firstBroken.Broken, "; "))
			if s.firstBroken.Promise == promiseAlive {
				t.Errorf("a node ended by itself")
			}
		})
	}
}

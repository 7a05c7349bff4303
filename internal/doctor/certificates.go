package doctor

import (
	"fmt"
	"strings"
	"time"

	"github.com/godwitkv/godwit/client"
)

// certificates judges those that a node has, and those that whoever answers at its URL
// shows, if those are others.
func (d *Deployment) certificates(n *Node) []Finding {
	var all []Finding
	seen := make(map[int64]bool)
	if n.Status != nil {
		for _, c := range n.Status.Certificates {
			seen[c.NotAfter] = true
			all = append(all, d.certificate("certificate of the "+useOf(c.Use), c))
		}
	}
	for _, c := range n.Presented {
		if !seen[c.NotAfter] {
			all = append(all, d.certificate("certificate at "+n.URL, c))
		}
	}
	return all
}

func useOf(use string) string {
	if use == "cluster" {
		return "cluster's port"
	}
	return "ports"
}

// certificate judges by days, and by what is left of its life: those that live shortly
// are renewed by a machine.
func (d *Deployment) certificate(check string, c client.Certificate) Finding {
	ends := time.Unix(c.NotAfter, 0)
	left, life := ends.Sub(d.Now), time.Duration(c.NotAfter-c.NotBefore)*time.Second
	names := strings.Join(c.Names, ", ")
	f := Finding{Level: OK, Check: check, Found: fmt.Sprintf("good for %s, until %s: %s", days(left), ends.UTC().Format(time.DateOnly), names)}
	switch {
	case left <= 0:
		f.Level, f.Found = Problem, fmt.Sprintf("it expired at %s: %s", ends.UTC().Format(time.RFC3339), names)
		f.Means = "who checks it does not connect: clients, edges and members are cut off"
	case left < min(3*day, life/10):
		f.Level, f.Means = Problem, "then who checks it does not connect: clients, edges and members are cut off"
	case left < min(14*day, life/3):
		f.Level, f.Means = Warning, "then who checks it does not connect"
	default:
		return f
	}
	f.Do = "renew it in its files: the node looks there each minute, and upon SIGHUP"
	return f
}

const day = 24 * time.Hour

func days(d time.Duration) string {
	if d < 2*day {
		return d.Round(time.Minute).String()
	}
	return fmt.Sprintf("%d days", (d+day/2)/day)
}

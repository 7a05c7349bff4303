package doctor

import (
	"fmt"
	"strings"

	"github.com/godwitkv/godwit/client"
)

// membersOf judges the cluster, as the first member that shows it does.
func membersOf(d *Deployment) []Finding {
	for _, n := range d.shown() {
		if c := n.Status.Cluster; c != nil {
			return clusterOf(c)
		}
	}
	return nil
}

func clusterOf(c *client.Cluster) []Finding {
	all := []Finding{quorumOf(c), leaderOf(c), logOf(c)}
	if strings.Contains(c.Durability, "could not be verified") {
		all = append(all, Finding{
			Level: Warning, Check: "durability", Found: c.Durability,
			Means: "a power cut may take back what was acknowledged",
			Do:    "set sync_interval: always in the configuration of each NATS server, jetstream block",
		})
	} else if c.Durability != "" {
		all = append(all, *ok("durability", c.Durability))
	}
	for i := range c.Members {
		if m := &c.Members[i]; m.Present && m.Problem != "" {
			all = append(all, Finding{
				Level: Problem, Check: "members", Found: m.Name + ": " + m.Problem,
				Means: "it applies nothing, or is not to be relied on", Do: "see docs/operations.md, failures of a cluster, for this line",
			})
		}
	}
	return all
}

func quorumOf(c *client.Cluster) Finding {
	const check = "members"
	var away []string
	for i := range c.Members {
		if !c.Members[i].Present {
			away = append(away, c.Members[i].Name)
		}
	}
	n, present := len(c.Members), len(c.Members)-len(away)
	f := Finding{Level: OK, Check: check, Found: fmt.Sprintf("all %d are present", n)}
	if len(away) == 0 {
		return f
	}
	f.Found = fmt.Sprintf("%d of %d are present; away: %s", present, n, strings.Join(away, ", "))
	f.Do = `start them again; one whose disk is gone: "godwit cluster remove NAME", then start it with an empty directory`
	switch quorum := n/2 + 1; {
	case present < quorum:
		f.Level, f.Means = Problem, "no majority is there: nothing can be written, and reads are STALE"
	case present == quorum:
		f.Level, f.Means = Warning, "one more that goes stops all writes"
	default:
		f.Level, f.Means = Warning, "writes go on, and stop when no majority is left"
	}
	return f
}

func leaderOf(c *client.Cluster) Finding {
	if c.Leader == "" {
		return Finding{
			Level: Problem, Check: "leader", Found: "nobody is known to lead the log",
			Means: "nothing can be written until one is elected", Do: "see that a majority runs and reaches each other on --cluster-listen",
		}
	}
	return *ok("leader", c.Leader)
}

// logOf compares the size of the log with its cap.
func logOf(c *client.Cluster) Finding {
	f := Finding{Level: OK, Check: "log", Found: fmt.Sprintf("%s of %s, messages %d to %d", mebibytes(c.Bytes), mebibytes(c.CapBytes), c.First, c.Last)}
	if c.CapBytes <= 0 || c.Bytes < c.CapBytes/2 {
		return f
	}
	f.Level, f.Means = Warning, "it grows because a member is away; past its cap that one must become a copy anew"
	if c.Bytes >= c.CapBytes/10*9 {
		f.Level, f.Means = Problem, "at its cap, with fewer than two members that take it up, writes are refused"
	}
	f.Do = "bring the members back that are away, or remove them"
	return f
}

package doctor

import (
	"fmt"
	"time"
)

// scrubOf judges what a node found damaged on its disk.
func scrubOf(d *Deployment, n *Node) *Finding {
	const check = "scrub"
	s := &n.Status.Scrub
	switch {
	case s.Unmended > 0:
		return &Finding{
			Level: Problem, Check: check, Found: fmt.Sprintf("%d values on its disk are damaged, and nobody had them to mend", s.Unmended),
			Means: "reads of them fail at this node", Do: "see the disk, and restore them from a backup; the node's log names each",
		}
	case s.Found > s.Mended || s.LastFound > 0 || s.Found > 0:
		return &Finding{
			Level: Warning, Check: check, Found: fmt.Sprintf("%d values on its disk were damaged, of which %d are mended", s.Found+s.LastFound, s.Mended+s.LastMended),
			Means: "the disk, or the memory, does not keep what it is given", Do: "see the machine's log for errors of the disk, and replace it",
		}
	case s.LastEnded == 0:
		return ok(check, "no pass over the disk has come to its end yet")
	}
	ended := time.Unix(s.LastEnded, 0)
	if ended.After(d.Now) { // by a clock that one of the two has, or had, wrong
		return ok(check, "nothing was damaged in the last pass over the disk, which ended by the node's clock at "+ended.UTC().Format(time.RFC3339))
	}
	return ok(check, "nothing was damaged in the last pass over the disk, which ended "+after(d.Now.Sub(ended))+" ago")
}

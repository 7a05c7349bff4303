package dashboard

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

const samplesPath = Prefix + "overview/samples"

// Bounds of the tree of nodes as it is shown.
const (
	maxTreeRows  = 500
	maxTreeDepth = 8
)

// treeNode is a node and those that follow it, as the native API has them.
type treeNode struct {
	ID          string     `json:"id"`
	Role        string     `json:"role"`
	Location    string     `json:"location"`
	URL         string     `json:"url"`
	Version     string     `json:"version"`
	Revision    string     `json:"revision"`
	Ready       bool       `json:"ready"`
	Lag         int64      `json:"lag"`
	StalenessMS int64      `json:"staleness_ms"`
	Keys        int64      `json:"keys"`
	Bytes       int64      `json:"bytes"`
	Progress    string     `json:"progress"`
	Uptime      int64      `json:"uptime_seconds"`
	Followers   []treeNode `json:"followers"`

	Jurisdictions []string `json:"jurisdictions"`
}

// treeRow is a node in the table of all.
type treeRow struct {
	treeNode
	Depth int
	Above *treeNode // that it follows; nil: nobody that is known
}

// Kind is what the node is to the others.
func (r treeRow) Kind() string {
	if r.Role == "edge" && len(r.Followers) > 0 {
		return "relay"
	}
	return r.Role
}

// Name is what the node is called.
func (n *treeNode) Name() string { return cmp.Or(n.Location, n.URL, n.Role) }

// State is whether the node serves reads, or how far it came.
func (r treeRow) State() string {
	switch {
	case r.Progress != "":
		return r.Progress
	case r.Ready:
		return "ready"
	default:
		return "not ready"
	}
}

// overviewPage is what the overview shows beside the charts.
type overviewPage struct {
	Status nodeStatus
	Rows   []treeRow
	More   bool // nodes were left out
	Anew   bool // it is put in the place of what was shown
}

func (d *Dashboard) overview(c *call) error {
	page, err := d.nodes(c)
	if err != nil {
		return err
	}
	d.show(c, "overview", view{Title: "Overview", Section: "overview", Body: page})
	return nil
}

// overviewNodes shows the nodes anew, for a page that stays open.
func (d *Dashboard) overviewNodes(c *call) error {
	page, err := d.nodes(c)
	if err != nil {
		return err
	}
	page.Anew = true
	d.writePart(c.w, c.Request, 0, "overview", "anew", page)
	return nil
}

func (d *Dashboard) nodes(c *call) (page overviewPage, err error) {
	if err := catalog.Authorize(c.principal, godwit.PermissionRead, nil); err != nil {
		return page, err
	}
	if err := d.ask(c, http.MethodGet, "/godwit/v1/status?tree=1", nil, &page.Status); err != nil {
		return page, err
	}
	if page.Status.Tree != nil {
		page.Rows, page.More = nodeRows(page.Status.Tree)
	}
	return page, nil
}

// nodeRows are a tree's nodes as they are shown. More: nodes were left out.
func nodeRows(root *treeNode) (rows []treeRow, more bool) {
	shown, more := nearest(root)
	return flatten(nil, shown, root, nil, 0), more
}

// nearest are the nodes of a tree that are shown: those near its root. More: there are
// others.
func nearest(root *treeNode) (shown map[*treeNode]bool, more bool) {
	shown = make(map[*treeNode]bool)
	level := []*treeNode{root}
	for range maxTreeDepth + 1 {
		var below []*treeNode
		for _, n := range level {
			if len(shown) == maxTreeRows {
				return shown, true
			}
			shown[n] = true
			for i := range n.Followers {
				below = append(below, &n.Followers[i])
			}
		}
		level = below
	}
	return shown, len(level) > 0
}

// flatten appends a node and those that follow it, each below the one it follows.
func flatten(rows []treeRow, shown map[*treeNode]bool, n, above *treeNode, depth int) []treeRow {
	if !shown[n] {
		return rows
	}
	rows = append(rows, treeRow{*n, depth, above})
	for i := range n.Followers {
		rows = flatten(rows, shown, &n.Followers[i], n, depth+1)
	}
	return rows
}

// findNode finds a node in a tree by its id; nil: it is not there.
func findNode(root *treeNode, id string) *treeRow {
	level := []treeRow{{*root, 0, nil}}
	for len(level) > 0 && id != "" {
		var below []treeRow
		for i := range level {
			r := &level[i]
			if r.ID == id {
				return r
			}
			for j := range r.Followers {
				below = append(below, treeRow{r.Followers[j], r.Depth + 1, &r.treeNode})
			}
		}
		level = below
	}
	return nil
}

// samplesAnswer is what the charts are drawn of.
type samplesAnswer struct {
	Run     int64        `json:"run"`
	Count   uint64       `json:"count"` // to ask for what comes after
	Samples [][8]float64 `json:"samples"`
}

// overviewSamples answers, as JSON, the samples behind those that a page has.
func (d *Dashboard) overviewSamples(c *call) error {
	if err := catalog.Authorize(c.principal, godwit.PermissionRead, nil); err != nil {
		return err
	}
	n, _ := strconv.ParseUint(c.query.Get("after"), 10, 64) // else from the first
	kept, count, run := d.samples.after(n)
	answer := samplesAnswer{Run: run, Count: count, Samples: make([][8]float64, len(kept))}
	for i, s := range kept {
		answer.Samples[i] = [8]float64{
			float64(s.At) / 1000, s.Reads, s.Writes, s.Failed, s.ReadP50, s.ReadP99, s.WriteP50, s.WriteP99,
		}
	}
	c.w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(c.w).Encode(answer) // the client is gone
	return nil
}

package dashboard

import (
	"fmt"
	"math"
)

// point is a place on a map, in its units.
type point struct{ X, Y float64 }

// box is a part of a map.
type box struct{ X, Y, W, H float64 }

func (b box) overlaps(o box) bool {
	return b.X < o.X+o.W && o.X < b.X+b.W && b.Y < o.Y+o.H && o.Y < b.Y+b.H
}

func (b box) holds(o box) bool {
	return o.X >= b.X && o.Y >= b.Y && o.X+o.W <= b.X+b.W && o.Y+o.H <= b.Y+b.H
}

// drawing is a map with nodes on it.
type drawing struct {
	View  box
	Unit  float64 // what is a thousandth of the map's width
	Nodes []drawnNode
	Links []drawnLink
}

// drawnNode is a node on the map.
type drawnNode struct {
	treeRow
	At     point
	Label  string
	Text   point  // where the label begins, or ends
	Anchor string // "start", "middle" or "end"
	Far    bool   // the label stands away from its node: a line leads to it
	Hidden bool   // there is no room for the label
}

// drawnLink is the way from a node to one that follows it.
type drawnLink struct {
	ID   string // of the follower
	Path string
	Node *drawnNode
}

// ViewBox is the attribute of the SVG.
func (d *drawing) ViewBox() string {
	return fmt.Sprintf("%.1f %.1f %.1f %.1f", d.View.X, d.View.Y, d.View.W, d.View.H)
}

// Units is a length of so many units, as an attribute.
func (d *drawing) Units(n float64) string { return fmt.Sprintf("%.2f", n*d.Unit) }

// draw places the nodes whose locations are known on a map that shows no more than is
// needed, and returns the others beside it.
func draw(rows []treeRow) (*drawing, []treeRow) {
	d := &drawing{}
	var others []treeRow
	for _, r := range rows {
		if p, ok := placeOf(r.Location); ok {
			d.Nodes = append(d.Nodes, drawnNode{treeRow: r, At: p.At(), Label: r.Location + " " + staleness(r.StalenessMS)})
		} else {
			others = append(others, r)
		}
	}
	d.frame()
	d.spread()
	d.link()
	d.label()
	return d, others
}

const (
	minMapWidth = 320  // less would show how coarse the coasts are
	mapMargin   = 1.35 // of what the nodes take
	mapShape    = float64(mapWidth) / mapHeight
)

// frame chooses the part of the map that is shown.
func (d *drawing) frame() {
	d.View = box{0, 0, mapWidth, mapHeight}
	if len(d.Nodes) > 0 {
		low, high := d.Nodes[0].At, d.Nodes[0].At
		for _, n := range d.Nodes {
			low = point{min(low.X, n.At.X), min(low.Y, n.At.Y)}
			high = point{max(high.X, n.At.X), max(high.Y, n.At.Y)}
		}
		w := min(max((high.X-low.X)*mapMargin, (high.Y-low.Y)*mapMargin*mapShape, minMapWidth), mapWidth)
		h := w / mapShape
		d.View = box{within((low.X+high.X-w)/2, mapWidth-w), within((low.Y+high.Y-h)/2, mapHeight-h), w, h}
	}
	d.Unit = d.View.W / mapWidth
}

func within(n, most float64) float64 { return max(0, min(n, most)) }

// spread moves nodes at one place apart, on a spiral around it.
func (d *drawing) spread() {
	seen := make(map[point]int)
	for i := range d.Nodes {
		n := &d.Nodes[i]
		at := n.At
		if k := float64(seen[at]); k > 0 {
			const golden = 2.39996 // radians: no two lie in one direction
			r := 11 * math.Sqrt(k) * d.Unit
			n.At = point{at.X + r*math.Cos(k*golden), at.Y + r*math.Sin(k*golden)}
		}
		seen[at]++
	}
}

// link draws the ways between nodes that are on the map.
func (d *drawing) link() {
	byID := make(map[string]*drawnNode, len(d.Nodes))
	for i := range d.Nodes {
		byID[d.Nodes[i].ID] = &d.Nodes[i]
	}
	for i := range d.Nodes {
		n := &d.Nodes[i]
		if n.Above == nil || byID[n.Above.ID] == nil {
			continue
		}
		a, b := byID[n.Above.ID].At, n.At
		bend := 0.14 * math.Hypot(b.X-a.X, b.Y-a.Y)
		d.Links = append(d.Links, drawnLink{n.ID, fmt.Sprintf("M%.1f %.1fQ%.1f %.1f %.1f %.1f",
			a.X, a.Y, (a.X+b.X)/2, (a.Y+b.Y)/2-bend, b.X, b.Y), n})
	}
}

const (
	labelSize = 13  // units high
	labelWide = 7.6 // units for a character
	dotSize   = 7   // units from the middle to the edge
)

// label gives each label a place where it covers no other and no node, the nearest one
// first.
func (d *drawing) label() {
	var taken []box
	for i := range d.Nodes {
		at, r := d.Nodes[i].At, dotSize*d.Unit
		taken = append(taken, box{at.X - r, at.Y - r, 2 * r, 2 * r})
	}
	for i := range d.Nodes {
		n := &d.Nodes[i]
		n.Hidden = true
		for _, c := range candidates {
			text := point{n.At.X + c.dx*d.Unit, n.At.Y + c.dy*d.Unit}
			b := d.textBox(n.Label, text, c.anchor)
			if !d.View.holds(b) || overlapsAny(b, taken) {
				continue
			}
			n.Text, n.Anchor, n.Far, n.Hidden = text, c.anchor, c.far, false
			taken = append(taken, b)
			break
		}
	}
}

// candidate is where a label may stand, in units from its node.
type candidate struct {
	dx, dy float64
	anchor string
	far    bool
}

var candidates = []candidate{
	{11, 5, "start", false}, {-11, 5, "end", false}, {0, -12, "middle", false}, {0, 22, "middle", false},
	{24, -14, "start", true}, {24, 22, "start", true}, {-24, -14, "end", true}, {-24, 22, "end", true},
	{0, -30, "middle", true}, {0, 42, "middle", true}, {46, -30, "start", true}, {46, 40, "start", true},
	{-46, -30, "end", true}, {-46, 40, "end", true}, {0, -52, "middle", true}, {0, 62, "middle", true},
}

// textBox is what a label takes whose line begins, or ends, at a point.
func (d *drawing) textBox(text string, at point, anchor string) box {
	w, h := float64(len([]rune(text)))*labelWide*d.Unit, labelSize*1.25*d.Unit
	b := box{at.X, at.Y - labelSize*d.Unit, w, h}
	switch anchor {
	case "middle":
		b.X -= w / 2
	case "end":
		b.X -= w
	}
	return b
}

func overlapsAny(b box, taken []box) bool {
	for _, t := range taken {
		if b.overlaps(t) {
			return true
		}
	}
	return false
}

// Shape is the outline of a node that is not fresh: a diamond for a late one, a square
// for others.
func (d *drawing) Shape(n drawnNode) string {
	r := 6.5 * d.Unit
	if n.Mark() == "late" {
		return fmt.Sprintf("M%.2f %.2fl%.2f %.2f %.2f %.2f %.2f %.2fz", n.At.X, n.At.Y-r, r, r, -r, r, -r, -r)
	}
	r *= 0.8
	return fmt.Sprintf("M%.2f %.2fh%.2fv%.2fh%.2fz", n.At.X-r, n.At.Y-r, 2*r, 2*r, -2*r)
}

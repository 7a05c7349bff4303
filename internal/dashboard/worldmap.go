package dashboard

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// mapPage is what the map shows.
type mapPage struct {
	overviewPage
	Land    string
	Drawing *drawing
	Others  []treeRow // whose locations are not known
}

func (d *Dashboard) worldMap(c *call) error {
	page, err := d.mapPage(c)
	if err != nil {
		return err
	}
	d.show(c, "map", view{Title: "Map", Section: "map", Body: page})
	return nil
}

// mapNodes shows the nodes anew, for a page that stays open.
func (d *Dashboard) mapNodes(c *call) error {
	page, err := d.mapPage(c)
	if err != nil {
		return err
	}
	d.writePart(c.w, c.Request, 0, "map", "drawn", page)
	return nil
}

func (d *Dashboard) mapPage(c *call) (*mapPage, error) {
	nodes, err := d.nodes(c)
	if err != nil {
		return nil, err
	}
	page := &mapPage{overviewPage: nodes, Land: theWorld().land}
	page.Drawing, page.Others = draw(nodes.Rows)
	return page, nil
}

// Bounds of staleness, as maps and pages of nodes name it.
const (
	freshFor = 5 * time.Second
	lateFor  = time.Minute
)

// Freshness is how far the node can be believed, in a word.
func (r treeRow) Freshness() string {
	switch stale := time.Duration(r.StalenessMS) * time.Millisecond; {
	case !r.Ready:
		return "not ready"
	case r.StalenessMS < 0:
		return "unknown"
	case stale < freshFor:
		return "fresh"
	case stale < lateFor:
		return "late"
	default:
		return "stale"
	}
}

// Mark is the class by which its colour and shape are chosen.
func (r treeRow) Mark() string {
	switch f := r.Freshness(); f {
	case "fresh", "late":
		return f
	default:
		return "stale"
	}
}

// Place is where the node is; "": that is not known.
func (r treeRow) Place() string {
	p, _ := placeOf(r.Location)
	return p.Name
}

// nodePage is what the page of a node shows.
type nodePage struct {
	treeRow
	Below []treeRow
	Web   *url.URL // of its own dashboard; nil: that is not known
}

func (d *Dashboard) node(c *call) error {
	page, err := d.nodePage(c)
	if err != nil {
		return err
	}
	d.show(c, "node", view{Title: "Node " + shown(page.Name()), Section: "overview", Body: page})
	return nil
}

// nodeAnew shows a node anew, for a page that stays open.
func (d *Dashboard) nodeAnew(c *call) error {
	page, err := d.nodePage(c)
	if err != nil {
		return err
	}
	d.writePart(c.w, c.Request, 0, "node", "about", page)
	return nil
}

// nodePage finds the node that the query names. Error: it is not there.
func (d *Dashboard) nodePage(c *call) (*nodePage, error) {
	nodes, err := d.nodes(c)
	if err != nil {
		return nil, err
	}
	if root := nodes.Status.Tree; root != nil {
		if r := findNode(root, c.query.Get("id")); r != nil {
			page := &nodePage{treeRow: *r, Web: webAddress(r.URL)}
			for i := range r.Followers[:min(len(r.Followers), maxTreeRows)] {
				page.Below = append(page.Below, treeRow{r.Followers[i], r.Depth + 1, &page.treeNode})
			}
			return page, nil
		}
	}
	return nil, &problem{
		status: http.StatusNotFound, title: "No such node",
		text: "Nobody tells of this node now. It may have been stopped, or started again: then it has another id.",
	}
}

// maxHost bounds the host and port of a link.
const maxHost = 261

// webAddress is where a node's own pages are, as it told of itself: whoever sees the host
// must see where the link leads, so that has no letters that look like others.
func webAddress(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || len(u.Host) > maxHost {
		return nil
	}
	const usual = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]"
	if strings.Trim(u.Host, usual) != "" {
		return nil
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: Prefix + "overview"}
}

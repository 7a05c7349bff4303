package dashboard

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/catalog"
)

// FoundKeys is a page of keys as it is found. Links are parameters of other pages.
type FoundKeys struct {
	Keys       []string
	Prev, Next url.Values // nil: there is none
	Cut        bool
}

// FindKeys finds the page of keys that parameters name.
func (d *Dashboard) FindKeys(t *testing.T, ns *godwit.Namespace, q url.Values) FoundKeys {
	t.Helper()
	page := &keysPage{NS: ns, Prefix: q.Get("prefix")}
	at := place{q.Get("prefix"), q.Get("from"), q.Get("before"), q.Get("cursor")}
	found, err := d.find(t.Context(), page, at, godwit.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out := FoundKeys{Cut: page.Cut}
	for i := range found {
		out.Keys = append(out.Keys, found[i].Key)
	}
	for link, into := range map[string]*url.Values{page.Prev: &out.Prev, page.Next: &out.Next} {
		if u, err := url.Parse(link); err == nil && link != "" {
			*into = u.Query()
		}
	}
	return out
}

// Samples returns the times of the samples that are kept behind the first n, and of how
// many.
func (d *Dashboard) Samples(n uint64) (times []int64, count uint64) {
	all, count, _ := d.samples.after(n)
	for _, s := range all {
		times = append(times, s.At)
	}
	return times, count
}

// Quantile is quantile.
func Quantile(o api.Operations, q float64) float64 { return quantile(o, q) }

// Compare is compare, each line with its mark before it.
func Compare(theirs, mine string) []string {
	var lines []string
	for _, line := range compare(theirs, mine) {
		lines = append(lines, line.Mark+line.Text)
	}
	return lines
}

// IndentedSize is indentedSize.
func IndentedSize(text string) int64 { return indentedSize(text) }

// Site is site.
type Site = site

// Places are all that are known.
func Places() map[string]Site { return theWorld().places }

// PlaceOf is placeOf, by name.
func PlaceOf(location string) string {
	p, _ := placeOf(location)
	return p.Name
}

// Land is the path of the coasts.
func Land() string { return theWorld().land }

// Box is box.
type Box = box

// Overlaps is overlaps.
func (b box) Overlaps(o Box) bool { return b.overlaps(o) }

// Holds is holds.
func (b box) Holds(o Box) bool { return b.holds(o) }

// Drawn is a drawing as tests look at it.
type Drawn struct {
	View   Box
	Nodes  []DrawnNode
	Ways   []string
	Others []string
}

// DrawnNode is a node of one. Text is zero where it is not shown.
type DrawnNode struct {
	Label     string
	Dot, Text Box
}

// Draw is draw, of a tree as the native API tells it.
func Draw(t *testing.T, tree map[string]any) (out Drawn) {
	t.Helper()
	text, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	var root treeNode
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	rows, _ := nodeRows(&root)
	d, others := draw(rows)
	out.View = d.View
	for _, n := range d.Nodes {
		r := dotSize * d.Unit
		one := DrawnNode{Label: n.Label, Dot: box{n.At.X - r, n.At.Y - r, 2 * r, 2 * r}}
		if !n.Hidden {
			one.Text = d.textBox(n.Label, n.Text, n.Anchor)
		}
		out.Nodes = append(out.Nodes, one)
	}
	for _, l := range d.Links {
		out.Ways = append(out.Ways, l.Path)
	}
	for _, r := range others {
		out.Others = append(out.Others, r.Location)
	}
	return out
}

// TreePages are the pages about the nodes that an API tells of, for an administrator.
func TreePages(t *testing.T, nodes http.Handler, id string) map[string]string {
	t.Helper()
	d := New(Config{API: nodes, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	pages := make(map[string]string)
	for path, show := range map[string]action{
		"/dashboard/map/nodes": (*Dashboard).mapNodes, "/dashboard/overview/nodes": (*Dashboard).overviewNodes, "/dashboard/node/about?id=" + url.QueryEscape(id): (*Dashboard).nodeAnew,
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, path, nil)
		c := &call{Request: r, w: w, session: &session{}, principal: &catalog.Principal{Root: true, Token: &godwit.Token{Permission: godwit.PermissionAdmin}}, query: r.URL.Query()}
		if err := show(d, c); err != nil {
			t.Fatal(err)
		}
		pages[path] = w.Body.String()
	}
	return pages
}

// WebAddress is where a link to the pages of a node leads; "": there is none.
func WebAddress(text string) string {
	if u := webAddress(text); u != nil {
		return u.String()
	}
	return ""
}

// Parsed is a command as tests look at it.
type Parsed struct {
	Verb    string
	Args    []string
	Flags   map[string]string
	History string
}

// Parse is parseCommand.
func Parse(text string) (Parsed, error) {
	c, err := parseCommand(text)
	if err != nil {
		return Parsed{}, err
	}
	return Parsed{c.verb.Name, c.args, c.flags, c.String()}, nil
}

// QuoteWord is quoteWord.
func QuoteWord(s string) string { return quoteWord(s) }

// Away says how far t is from now.
func Away(t, now time.Time) string { return momentOf(t, now).Away }

// Jobs are those of a dashboard.
type Jobs struct{ jobs jobs }

// NewJobs returns none.
func NewJobs() *Jobs { return &Jobs{newJobs()} }

// Begin is begin; end is nil if too many run.
func (j *Jobs) Begin(p *catalog.Principal) (end func()) {
	one, err := j.jobs.begin("", p)
	if err != nil {
		return nil
	}
	return func() { j.jobs.end(one) }
}

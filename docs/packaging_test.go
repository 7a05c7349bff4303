package docs_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	rulesFile     = "../packaging/prometheus/godwit.rules.yaml"
	rulesTests    = "../packaging/prometheus/godwit.rules.test.yaml"
	dashboardFile = "../packaging/grafana/godwit.json"
)

var (
	usedMetric = regexp.MustCompile(`\b(godwit_[a-z_]+)\b`)
	alertName  = regexp.MustCompile(`(?m)^\s+- alert: (\w+)$`)
)

// TestAlertsAndDashboardKnowTheMetrics holds that each metric that they ask for is one
// that nodes have. A histogram's series have the names of its parts.
func TestAlertsAndDashboardKnowTheMetrics(t *testing.T) {
	registered := registeredMetrics(t)
	var d dashboard
	readDashboard(t, &d)
	texts := map[string]string{rulesFile: read(t, rulesFile), rulesTests: read(t, rulesTests), dashboardFile: strings.Join(d.queries(), "\n")}
	for path, text := range texts {
		used := usedMetric.FindAllString(text, -1)
		for _, name := range used {
			if !registered[name] && !registered[strings.TrimSuffix(name, "_bucket")] {
				t.Errorf("%s asks for %s, which no node has", path, name)
			}
		}
		if len(used) < 20 {
			t.Errorf("%s asks for %d metrics: nothing is tested", path, len(used))
		}
	}
}

// TestAlertsAreDescribed holds that each alert is in the page of them, and has a test in
// which it fires and one in which it does not.
func TestAlertsAreDescribed(t *testing.T) {
	page, tests := read(t, "observability.md"), read(t, rulesTests)
	alerts := alertName.FindAllStringSubmatch(read(t, rulesFile), -1)
	for _, m := range alerts {
		if !strings.Contains(page, "| `"+m[1]+"` |") {
			t.Errorf("observability.md does not tell of %s", m[1])
		}
		for _, want := range []string{"\n          - exp_labels:", " []"} {
			if !regexp.MustCompile(`alertname: ` + m[1] + `\n\s+exp_alerts: ?` + regexp.QuoteMeta(want)).MatchString(tests) {
				t.Errorf("%s has no test with %q", m[1], strings.TrimSpace(want))
			}
		}
	}
	for _, m := range regexp.MustCompile("\\| `(Godwit\\w+)` \\|").FindAllStringSubmatch(page, -1) {
		if !strings.Contains(read(t, rulesFile), "alert: "+m[1]+"\n") {
			t.Errorf("observability.md tells of %s, which there is not", m[1])
		}
	}
	if len(alerts) < 10 {
		t.Errorf("%d alerts were found: nothing is tested", len(alerts))
	}
}

// dashboard is what Grafana needs to find in its file.
type dashboard struct {
	UID           string
	Title         string
	SchemaVersion int
	Templating    struct{ List []variable }
	Panels        []panel
}

type variable struct {
	Name, Type string
	Query      any
}

type source struct{ Type, UID string }

type panel struct {
	ID         int
	Type       string
	Title      string
	GridPos    struct{ X, Y, W, H int }
	Datasource source
	Targets    []struct {
		RefID      string `json:"refId"`
		Expr       string
		Datasource source
	}
}

func readDashboard(t *testing.T, d *dashboard) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), d); err != nil {
		t.Fatal(err)
	}
}

func (d *dashboard) queries() (all []string) {
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			all = append(all, q.Expr)
		}
	}
	return all
}

// TestDashboardIsWellFormed holds that Grafana can show it: panels that stand beside each
// other on its 24 columns, each with an id of its own, and queries of the data source
// that its variable names.
func TestDashboardIsWellFormed(t *testing.T) {
	var d dashboard
	readDashboard(t, &d)
	if d.UID == "" || d.Title == "" || d.SchemaVersion < 36 {
		t.Errorf("uid %q, title %q, schema version %d", d.UID, d.Title, d.SchemaVersion)
	}
	if !slices.ContainsFunc(d.Templating.List, func(v variable) bool {
		return v.Name == "datasource" && v.Type == "datasource" && v.Query == "prometheus"
	}) {
		t.Error("there is no variable for the data source")
	}
	variables := regexp.MustCompile(`\$\{?(\w+)`)
	known := []string{"__rate_interval"}
	for _, v := range d.Templating.List {
		known = append(known, v.Name)
	}
	ids, taken := make(map[int]bool), make(map[string]string)
	for _, p := range d.Panels {
		if p.ID <= 0 || ids[p.ID] || p.Title == "" {
			t.Errorf("panel %q has the id %d", p.Title, p.ID)
		}
		ids[p.ID] = true
		g := p.GridPos
		if g.X < 0 || g.Y < 0 || g.W <= 0 || g.H <= 0 || g.X+g.W > 24 {
			t.Errorf("panel %q stands at %+v", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				at := fmt.Sprint(x, " ", y)
				if other := taken[at]; other != "" {
					t.Fatalf("panels %q and %q overlap", p.Title, other)
				}
				taken[at] = p.Title
			}
		}
		p.check(t)
	}
	for _, q := range d.queries() {
		for _, m := range variables.FindAllStringSubmatch(q, -1) {
			if !slices.Contains(known, m[1]) {
				t.Errorf("there is no variable %s: %s", m[1], q)
			}
		}
	}
	if len(d.Panels) < 20 {
		t.Errorf("%d panels: nothing is tested", len(d.Panels))
	}
}

func (p *panel) check(t *testing.T) {
	t.Helper()
	if p.Type == "row" {
		return
	}
	want := source{"prometheus", "${datasource}"}
	if len(p.Targets) == 0 || p.Datasource != want {
		t.Errorf("panel %q has %d queries, of %+v", p.Title, len(p.Targets), p.Datasource)
	}
	refs := make(map[string]bool)
	for _, q := range p.Targets {
		if q.Expr == "" || q.RefID == "" || refs[q.RefID] || q.Datasource != want {
			t.Errorf("panel %q has the query %+v", p.Title, q)
		}
		refs[q.RefID] = true
	}
}

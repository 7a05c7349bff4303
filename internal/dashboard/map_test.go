package dashboard_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/internal/dashboard"
	"github.com/godwitkv/godwit/internal/node"
)

// TestPlaces holds every place to the bounds of the earth, and well known ones to where
// they are.
func TestPlaces(t *testing.T) {
	all := dashboard.Places()
	if len(all) < 500 {
		t.Errorf("there are %d places", len(all))
	}
	code := regexp.MustCompile(`^[A-Z]{3}$`)
	for name, p := range all {
		if !code.MatchString(name) || p.Lat < -58 || p.Lat > 84 || p.Lon < -180 || p.Lon > 180 || p.Lat == 0 && p.Lon == 0 || !regexp.MustCompile(`^.+, [A-Z]{2}$`).MatchString(p.Name) {
			t.Errorf("%s is %+v", name, p)
		}
	}
	for name, want := range map[string][2]float64{
		"FRA": {50, 9}, "LHR": {51, 0}, "IAD": {39, -77}, "SFO": {38, -122}, "SIN": {1, 104}, "NRT": {36, 140},
		"SYD": {-34, 151}, "GRU": {-23, -46}, "JNB": {-26, 28}, "AKL": {-37, 175}, "KEF": {64, -23}, "SCL": {-33, -71}, "ITJ": {-27, -49}, "LLK": {39, 49},
	} {
		p := all[name]
		if d := p.Lat - want[0]; d < -1 || d > 1 {
			t.Errorf("%s is at latitude %v", name, p.Lat)
		}
		if d := p.Lon - want[1]; d < -1 || d > 1 {
			t.Errorf("%s is at longitude %v", name, p.Lon)
		}
	}
}

func TestPlaceOf(t *testing.T) {
	for location, want := range map[string]string{
		"lhr": "London, GB", "LHR": "London, GB", "lhr-2": "London, GB", "fra1": "Frankfurt am Main, DE", "nrt_a": "Narita, JP",
		"": "", "eu-west": "", "london": "", "zzz": "", "l": "", "-lhr": "",
	} {
		if got := dashboard.PlaceOf(location); got != want {
			t.Errorf("%q is in %q, want %q", location, got, want)
		}
	}
}

// TestLand holds the coasts to what may stand in a path, and to its size.
func TestLand(t *testing.T) {
	land := dashboard.Land()
	if !regexp.MustCompile(`^(M\d+ \d+l[-\d ]+z)+$`).MatchString(land) || len(land) > 20_000 {
		t.Errorf("%d bytes: %.100s", len(land), land)
	}
	for ring := range strings.SplitSeq(strings.TrimSuffix(land, "z"), "z") {
		start, steps, _ := strings.Cut(strings.TrimPrefix(ring, "M"), "l")
		at := numbers(t, start)
		for pair := numbers(t, steps); len(pair) > 1; pair = pair[2:] {
			at[0], at[1] = at[0]+pair[0], at[1]+pair[1]
			if at[0] < 0 || at[0] > 1000 || at[1] < 0 || at[1] > 395 {
				t.Fatalf("a coast is at %v", at)
			}
			if pair[0] > 300 || pair[0] < -300 {
				t.Errorf("a coast goes %d far at once", pair[0])
			}
		}
	}
}

func numbers(t *testing.T, text string) (all []int) {
	t.Helper()
	for _, n := range regexp.MustCompile(`-?\d+`).FindAllString(text, -1) {
		i, err := strconv.Atoi(n)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, i)
	}
	return all
}

// treeAPI is a node's own API whose tree is a test's.
func treeAPI(tree map[string]any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"role": "central", "ready": true, "tree": tree})
	})
}

// TestDrawing draws many nodes, and holds that no label covers another or a node, and
// that all are in the picture.
func TestDrawing(t *testing.T) {
	var followers []map[string]any
	for i, code := range []string{"lhr", "waw", "ams", "cdg", "mad", "lhr", "lhr-3", "sin", "nrt", "syd", "gru", "sfo", "akl", "kef", "moon"} {
		followers = append(followers, map[string]any{"id": fmt.Sprint("n", i), "role": "edge", "location": code, "ready": true, "staleness_ms": 1000 * i * i})
	}
	tree := map[string]any{"id": "root", "role": "central", "location": "fra", "ready": true, "followers": followers}
	d := dashboard.Draw(t, tree)
	if len(d.Nodes) != 15 || len(d.Ways) != 14 || strings.Join(d.Others, ",") != "moon" {
		t.Fatalf("%d nodes, %d ways, others %v", len(d.Nodes), len(d.Ways), d.Others)
	}
	shown := 0
	for i, a := range d.Nodes {
		if !d.View.Holds(a.Dot) {
			t.Errorf("%s is not in the picture", a.Label)
		}
		if a.Text == (dashboard.Box{}) {
			continue
		}
		shown++
		for j, b := range d.Nodes {
			if i != j && (a.Text.Overlaps(b.Text) && b.Text != (dashboard.Box{})) || a.Text.Overlaps(b.Dot) {
				t.Errorf("the label of %s covers %s", a.Label, b.Label)
			}
		}
	}
	if shown < 13 {
		t.Errorf("only %d labels are shown", shown)
	}
	near := dashboard.Draw(t, map[string]any{"id": "root", "location": "fra", "ready": true, "followers": followers[:2]})
	if near.View.W > 400 || near.View.W < 300 {
		t.Errorf("of a part of Europe, %v is shown", near.View)
	}
	if none := dashboard.Draw(t, map[string]any{"id": "root", "location": "moon"}); none.View.W != 1000 || len(none.Nodes) != 0 {
		t.Errorf("of nobody, %+v is drawn", none)
	}
}

// TestMapAndNodePages follows the nodes of a real tree.
func TestMapAndNodePages(t *testing.T) {
	centre := openNode(t)
	edge := openNode(t, edgeOf(centre), func(cfg *node.Config) { cfg.Location = "nowhere" })
	far := openNode(t, edgeOf(edge), func(cfg *node.Config) { cfg.Location = "nrt" })
	_ = far
	b := signedIn(t, centre, rootToken)
	eventually(t, "three nodes are in the tree", func() bool {
		return strings.Contains(b.get("/dashboard/map").body, "Narita, JP")
	})
	page := b.get("/dashboard/map")
	b.contains(page, 200, "London, GB", "Not on the map", "nowhere", "fresh", "<svg", `data-node="`)
	part := b.get("/dashboard/map/nodes")
	b.contains(part, 200, "<svg", "Narita, JP")
	if strings.Contains(part.body, "<html") {
		t.Error("the part is a whole page")
	}
	links := regexp.MustCompile(`href="(/dashboard/node\?id=[0-9a-f]+)"`).FindAllStringSubmatch(b.get("/dashboard/overview").body, -1)
	if len(links) != 3 {
		t.Fatalf("the overview leads to %d nodes", len(links))
	}
	root := b.get(links[0][1])
	b.contains(root, 200, "central", "London, GB", "v0.0.0-test", "serves reads", "nowhere", "Running for", "sign in there only if you know it",
		"Its own pages at "+strings.TrimPrefix(centre.APIURL(), "http://"), `rel="noopener noreferrer"`)
	middle := b.get(links[1][1])
	b.contains(middle, 200, "relay", "behind lhr", "nrt")
	anew := b.get(strings.Replace(links[2][1], "/node?", "/node/about?", 1))
	b.contains(anew, 200, "behind nowhere", "follows", "Staleness")
	b.contains(b.get("/dashboard/node?id=none"), 404, "No such node")
	b.contains(b.get("/dashboard/node"), 404, "No such node")
	b.contains(signedIn(t, far, rootToken).get("/dashboard/map"), 200, "London, GB", "Narita, JP")
}

// TestWebAddress holds which addresses become links, and that what is shown of one is where
// it leads.
func TestWebAddress(t *testing.T) {
	for text, want := range map[string]string{
		"http://a.example:8787":               "http://a.example:8787/dashboard/overview",
		"https://[::1]:1/b?c#d":               "https://[::1]:1/dashboard/overview",
		"https://centre.example@b":            "https://b/dashboard/overview",
		"HTTP://Under_score":                  "http://Under_score/dashboard/overview",
		"https://c\u0435ntre.example":         "", // a letter that only looks like an e
		"https://centre\u202e.example":        "",
		"https://%63entre.example":            "",
		"https://" + strings.Repeat("a", 300): "",
		"javascript:alert(1)":                 "", "javascript://b/%0aalert(1)": "", "data:text/html,b": "", "ftp://b": "", "//b": "", "http://": "", "": "",
		"http://b\\c": "", "http://b'": "", "http://b:c": "", "http:b": "", "http://?": "",
	} {
		if got := dashboard.WebAddress(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

// TestHostileNodes holds that what nodes tell of themselves stays text.
func TestHostileNodes(t *testing.T) {
	hostile := `<script>window.hit=1</script>"'`
	tree := map[string]any{"id": hostile, "role": hostile, "location": hostile, "url": "javascript:alert(1)", "version": hostile, "revision": hostile, "progress": hostile, "ready": false, "staleness_ms": -1}
	for path, got := range dashboard.TreePages(t, treeAPI(tree), hostile) {
		if strings.Contains(got, "<script>window") || strings.Contains(got, `href="javascript`) || inline(got) != "" {
			t.Errorf("%s: %s", path, got)
		}
		if !strings.Contains(got, "&lt;script&gt;") {
			t.Errorf("%s does not show the node: %s", path, got)
		}
	}
}

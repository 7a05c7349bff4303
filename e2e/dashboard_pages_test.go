package e2e_test

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
)

// fillDashboard writes what pages look like in use, and returns the namespace.
func fillDashboard(t *testing.T, s *server) string {
	t.Helper()
	for _, title := range []string{"sessions", "feature-flags", "edge-config", "a-title-that-is-quite-long-because-somebody-had-much-to-say-about-it-and-no-editor"} {
		s.createNamespace(title)
	}
	ns := s.createNamespace("waders")
	for i, name := range []string{"bar-tailed-godwit", "black-tailed-godwit", "curlew", "dunlin", "knot", "sanderling", "turnstone", "whimbrel"} {
		body := fmt.Sprintf(`[{"key":"species/%s","value":"{\"name\":\"%s\",\"km\":%d,\"winters\":[\"New Zealand\",\"Australia\"]}","metadata":{"ringed":%d}%s}]`,
			name, name, 5000+i*1070, 40+i, map[bool]string{true: `,"expiration_ttl":` + fmt.Sprint(7200*(i+1)), false: ""}[i%3 == 0])
		if res, got, err := s.do(http.MethodPut, s.kv("/namespaces/"+ns+"/bulk"), strings.NewReader(body)); err != nil || res.StatusCode != 200 {
			t.Fatalf("bulk put: %v %s", err, got)
		}
	}
	s.put(ns, "photo/flock.png", picture(t))
	s.put(ns, "tracks/2026.bin", strings.Repeat("\x00\x01\xfeGODWIT\x7f", 3000))
	s.put(ns, strings.Repeat("long/", 102), "v")
	s.createToken("read", ns)
	return ns
}

// picture is a PNG of colours.
func picture(t *testing.T) string {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 320, 200))
	for i := range 320 * 200 {
		x, y := i%320, i/320
		m.Set(x, y, color.RGBA{uint8(40 + x/4), uint8(90 + y/2), uint8(160 - x/4), 255})
	}
	var b strings.Builder
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// look looks at a page, wide and narrow, light and dark.
func (b *tab) look(name string) {
	b.t.Helper()
	for _, dark := range []bool{false, true} {
		b.dark(dark)
		for _, width := range []int64{1280, 390} {
			b.size(width, 900)
			b.fits(fmt.Sprintf("%s at %d", name, width))
			if width == 1280 || !dark {
				b.accessible(fmt.Sprintf("%s at %d, dark %v", name, width, dark))
			}
			b.shoot(fmt.Sprintf("%s-%d-%v", name, width, map[bool]string{true: "dark", false: "light"}[dark]))
		}
	}
}

// dashboardMorePages looks at those of a namespace with a history, and those about the
// node.
func dashboardMorePages(t *testing.T, b *tab, s *server) {
	ns := s.remembering("ringed")
	for _, v := range []string{`{"name":"Limosa"}`, `{"name":"Limosa","km":13560}`, picture(t), "a mistake"} {
		s.put(ns, "species/godwit", v)
	}
	b.signIn(rootToken)
	b.open("/dashboard/data?ns=" + ns)
	b.look("data")
	b.open("/dashboard/versions" + keyQuery(ns, "species/godwit"))
	b.look("versions")
	for i, name := range []string{"version-now", "version-image", "version"} {
		b.open("/dashboard/versions" + keyQuery(ns, "species/godwit"))
		b.click(fmt.Sprintf("tbody tr:nth-child(%d) a", i+1))
		b.look(name)
	}
	b.open("/dashboard/audit?namespace=ringed")
	b.sees("value_put", "species/godwit")
	b.look("audit")
	b.open("/dashboard/map")
	b.sees("Not on the map")
	b.look("map-none")
	b.click("td.main a")
	b.sees("Running for")
	b.look("node")
	s.do(http.MethodPut, s.kv("/namespaces/"+ns+"/values/k?expiration_ttl=1"), strings.NewReader("v")) // it is refused
	b.open("/dashboard/requests")
	b.sees("value_put", "400")
	b.look("requests")
	b.open("/dashboard/access")
	b.look("access")
	b.open("/dashboard/audit?namespace=nothing")
	b.look("audit-none")
	b.healthy()
}

// dashboardPages looks at every page, wide and narrow, light and dark.
func dashboardPages(t *testing.T, b *tab, s *server) {
	ns := fillDashboard(t, s)
	pages := []struct{ name, path string }{
		{"namespaces", "/dashboard/namespaces"},
		{"no-namespaces", "/dashboard/namespaces?q=nothing"},
		{"settings", "/dashboard/namespace?ns=" + ns},
		{"keys", "/dashboard/keys?ns=" + ns},
		{"no-keys", "/dashboard/keys?ns=" + s.createNamespace("empty")},
		{"no-match", "/dashboard/keys?ns=" + ns + "&prefix=zzz"},
		{"key", "/dashboard/key" + keyQuery(ns, "species/bar-tailed-godwit")},
		{"image", "/dashboard/key" + keyQuery(ns, "photo/flock.png")},
		{"bytes", "/dashboard/key" + keyQuery(ns, "tracks/2026.bin")},
		{"long", "/dashboard/key" + keyQuery(ns, strings.Repeat("long/", 102))},
		{"new-key", "/dashboard/key/new?ns=" + ns},
		{"overview", "/dashboard/overview"},
		{"live", "/dashboard/live?ns=" + ns},
		{"live-choose", "/dashboard/live"},
		{"tokens", "/dashboard/tokens"},
		{"problem", "/dashboard/key" + keyQuery(ns, "none")},
	}
	b.open("/")
	b.look("sign-in")
	b.healthy()
	b.signIn(rootToken)
	for _, p := range pages {
		b.open(p.path)
		switch p.name {
		case "overview":
			b.await(`document.querySelectorAll(".uplot canvas").length === 2`)
		case "live":
			b.await(`document.querySelector("#live-state").textContent === "Live"`)
			s.put(ns, "species/knot", `{"name":"knot"}`)
			b.await(`document.querySelector("#events li")`)
		case "image":
			b.await(`document.querySelector("img.preview").naturalWidth === 320`)
		}
		b.look(p.name)
		if p.name == "problem" {
			b.healthy(refused)
		} else {
			b.healthy()
		}
	}
	b.open("/dashboard/tokens")
	b.fill("#name", "worker")
	b.click("form.card button.primary")
	b.sees("It is not shown again")
	b.look("token-made")
	b.healthy()
}

// dashboardMap writes at the centre, and sees the way to the edge light up.
func (b *tab) dashboardMap(centre *server, ns string) {
	b.t.Helper()
	b.open("/dashboard/map")
	b.await(`document.querySelectorAll(".spot[data-node]").length === 2`)
	b.sees("London, GB", "Birmingham, GB")
	b.look("map")
	lit := func() bool {
		centre.put(ns, "travels", time.Now().String())
		return b.truth(`document.querySelector(".light.lit") && document.querySelectorAll(".spot.lit").length === 2`)
	}
	eventually(b.t, "the way to the edge is lit", lit)
	if !b.truth(`document.getAnimations().length === 0`) {
		b.t.Error("something moves although less motion is asked for")
	}
	command(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{})
	eventually(b.t, "the light travels", func() bool { return lit() && b.truth(`document.getAnimations().length > 0`) })
}

// TestDashboardAtEdge writes at an edge, loses the centre, and is told so.
func TestDashboardAtEdge(t *testing.T) {
	centre := startServer(t, "--location", "lhr")
	edge := startEdge(t, centre, "--location", "bhx")
	ns := centre.createNamespace("birds")
	centre.put(ns, "godwit", "Limosa")
	b := newTab(startChromium(t), t, edge)
	b.signIn(rootToken)
	b.open("/dashboard/key" + keyQuery(ns, "godwit"))
	b.fill("#text", "Limosa lapponica")
	b.click("button[value=save]")
	if v, _ := centre.value(ns, "godwit"); v != "Limosa lapponica" {
		t.Errorf("the centre has %q", v)
	}
	b.open("/dashboard/overview")
	b.await(`document.querySelectorAll("#nodes tbody tr").length === 2`)
	b.shoot("overview-edge")
	b.dashboardMap(centre, ns)
	b.open("/dashboard/keys?ns=" + ns)
	centre.kill()
	b.await(`document.querySelector("#pulse .warn")?.textContent.includes("Stale data")`)
	b.shoot("stale-edge")
	b.accessible("stale")
	b.open("/dashboard/key" + keyQuery(ns, "godwit"))
	b.fill("#text", "kept text")
	b.click("button[value=save]")
	b.sees("upstream cannot be reached")
	if !b.truth(`document.querySelector("#text").value === "kept text"`) {
		t.Error("the text is lost")
	}
	b.healthy("status of 503")

	edge.kill()
	b.await(`!document.querySelector("#unreachable").hidden`)
}

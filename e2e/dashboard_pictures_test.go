//go:build pictures

package e2e_test

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// pictures is where those of the documentation are put.
const pictures = "../docs/images"

// TestDashboardPictures takes the pictures of the documentation anew: make pictures.
func TestDashboardPictures(t *testing.T) {
	centre := startPlaces(t)
	ns := fillPictures(centre)
	chromium := startChromium(t)
	b := newTab(chromium, t, centre)
	b.size(1180, 760)
	b.dark(false)
	b.signIn(rootToken)
	b.open("/dashboard/keys?ns=" + ns + "&prefix=species/")
	b.picture("keys")
	b.conflictPicture(newTab(chromium, t, centre), ns)
	b.size(1180, 1100)
	b.consolePicture(ns)
	b.mapPicture(centre, ns)
	b.overviewPicture(centre, ns)
	b.size(390, 800)
	b.open("/dashboard/key" + keyQuery(ns, "species/dunlin"))
	b.picture("phone")
	b.healthy(refused)
}

// startPlaces starts a centre, its edges, and those behind two of them, each at an airport.
func startPlaces(t *testing.T) *server {
	t.Helper()
	start := func(upstream *server, place string) *server {
		return startEdge(t, upstream, "--location", place)
	}
	centre := startServer(t, "--location", "fra")
	start(centre, "lhr")
	start(centre, "waw")
	america, asia := start(centre, "iad"), start(centre, "sin")
	start(america, "sfo")
	start(america, "gru")
	start(asia, "nrt")
	start(asia, "syd")
	return centre
}

// fillPictures writes a namespace of birds, and returns it.
func fillPictures(s *server) string {
	s.t.Helper()
	ns := s.createNamespace("waders")
	var items []string
	for i, name := range []string{
		"avocet", "bar-tailed-godwit", "black-tailed-godwit", "curlew", "dunlin", "golden-plover", "greenshank", "knot", "lapwing",
		"oystercatcher", "redshank", "ruff", "sanderling", "turnstone", "whimbrel",
	} {
		expires := ""
		if i%4 == 0 {
			expires = fmt.Sprintf(`,"expiration_ttl":%d`, 86_400*(i+1))
		}
		value := fmt.Sprintf("{\n  \"name\": \"%s\",\n  \"km\": %d,\n  \"winters\": [\n    \"New Zealand\",\n    \"Australia\"\n  ]\n}", name, 4000+i*670)
		items = append(items, fmt.Sprintf(`{"key":"species/%s","value":%q,"metadata":{"ringed":%d}%s}`, name, value, 40+7*i, expires))
	}
	body := "[" + strings.Join(items, ",") + "]"
	if res, got, err := s.do(http.MethodPut, s.kv("/namespaces/"+ns+"/bulk"), strings.NewReader(body)); err != nil || res.StatusCode != http.StatusOK {
		s.t.Fatalf("bulk put: %v %s", err, got)
	}
	return ns
}

// conflictPicture has another change a key that is being edited.
func (b *tab) conflictPicture(other *tab, ns string) {
	b.t.Helper()
	page := "/dashboard/key" + keyQuery(ns, "species/knot")
	other.signIn(rootToken)
	other.open(page)
	b.open(page)
	change := func(b *tab, was, is string) {
		b.t.Helper()
		b.fill("#text", strings.Replace(evaluate[string](b, `document.querySelector("#text").value`), was, is, 1))
		b.click("button[value=save]")
	}
	change(other, "Australia", "Tasmania")
	change(b, "8690", "9410")
	b.sees("Someone else changed this key")
	b.picture("conflict")
}

func (b *tab) consolePicture(ns string) {
	b.t.Helper()
	b.open("/dashboard/console?ns=" + ns)
	b.await(`document.activeElement.id === "command"`)
	for i, command := range []string{"count --prefix species/", "list --prefix species/g", "getWithMetadata species/bar-tailed-godwit"} {
		b.insert(command)
		b.do(chromedp.KeyEvent(kb.Enter))
		b.await(fmt.Sprintf(`document.querySelectorAll("#answers > li").length === %d`, i+1))
	}
	b.picture("console")
}

// mapPicture takes the map as a write is on its way to every node.
func (b *tab) mapPicture(centre *server, ns string) {
	b.t.Helper()
	b.size(1180, 720)
	b.open("/dashboard/map")
	b.await(`document.querySelectorAll(".spot[data-node]").length === 9`)
	command(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "light"}}})
	eventually(b.t, "a write lights all ways", func() bool {
		centre.put(ns, "seen/last", "a godwit")
		return b.truth(`document.querySelectorAll(".light.lit").length === 8`)
	})
	// Half way, whenever the picture is taken.
	evaluate[chromedp.Void](b, `document.getAnimations().forEach((a) => { a.pause(); a.currentTime = 550; })`)
	b.picture("map")
}

// overviewPicture reads and writes for a while, now more and now less.
func (b *tab) overviewPicture(centre *server, ns string) {
	b.t.Helper()
	b.size(1180, 1250)
	b.dark(true)
	b.open("/dashboard/overview")
	for began := time.Now(); time.Since(began) < 45*time.Second; {
		for range 20 + int(20*math.Sin(time.Since(began).Seconds()/5)) {
			centre.value(ns, "species/curlew")
		}
		centre.put(ns, "seen/last", time.Now().String())
	}
	b.await(`document.querySelectorAll(".uplot canvas").length === 2 && document.querySelectorAll("#nodes tbody tr").length === 9`)
	b.picture("overview")
}

// picture takes what the window shows, as a file of few colours.
func (b *tab) picture(name string) {
	b.t.Helper()
	shot, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.fail(err)
	}
	full, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		b.t.Fatal(err)
	}
	var small bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, fewColours(full)); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(pictures, name+".png"), small.Bytes(), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// fewColours keeps the colours that are used most and differ, and takes the nearest of
// them for others. A page has few but for the edges of letters.
func fewColours(full image.Image) image.Image {
	const most = 128
	uses := make(map[color.RGBA]int)
	bounds := full.Bounds()
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(full.At(x, y)).(color.RGBA) }
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			uses[at(x, y)]++
		}
	}
	kept := slices.SortedFunc(maps.Keys(uses), func(a, b color.RGBA) int { return cmp.Compare(uses[b], uses[a]) })
	palette := make(color.Palette, 0, most)
	for _, c := range kept {
		if len(palette) < most && (len(palette) == 0 || differ(c, palette.Convert(c).(color.RGBA))) {
			palette = append(palette, c)
		}
	}
	nearest := make(map[color.RGBA]uint8, len(uses))
	for c := range uses {
		nearest[c] = uint8(palette.Index(c))
	}
	few := image.NewPaletted(bounds, palette)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			few.SetColorIndex(x, y, nearest[at(x, y)])
		}
	}
	return few
}

// differ tells whether one sees that two colours are not the same.
func differ(a, b color.RGBA) bool {
	const most = 8 // of 255, in all three channels
	by := func(a, b uint8) int { return (int(a) - int(b)) * (int(a) - int(b)) }
	return by(a.R, b.R)+by(a.G, b.G)+by(a.B, b.B) > most*most
}

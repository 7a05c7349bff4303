package e2e_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	cdpnetwork "github.com/chromedp/cdproto/network"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// shots is where pictures of the pages are put; "": nowhere.
var shots = flag.String("dashboard.shots", "", "directory for pictures of the dashboard's pages")

// startChromium starts a Chromium with a profile of its own.
func startChromium(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.WSURLReadTimeout(time.Minute),
	)
	allocator, end := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(end)
	ctx, stop := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // it ends the process and waits for it
		stop()
	})
	if err := chromedp.Do(ctx); err != nil { // its life is this context's
		t.Fatalf("start chromium (make debian installs it): %v", err)
	}
	return ctx
}

// tab is one page of a browser with cookies of its own.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string

	mu       sync.Mutex
	problems []string // that the browser told of: errors, refusals by the policy
	outside  []string // what was asked of others than the node
}

// newTab opens a tab that knows no other's cookies.
func newTab(chromium context.Context, t *testing.T, s *server) *tab {
	t.Helper()
	ctx, stop := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(func() { cancel(); stop() })
	b := &tab{t: t, ctx: ctx, base: "http://" + s.api}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	command(b, cdpnetwork.Enable, cdpnetwork.EnableParams{})
	command(b, log.Enable, cdp.Empty{})
	return b
}

// hear notes what is wrong with a page.
func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *cdpruntime.EventExceptionThrown:
		b.problems = append(b.problems, fmt.Sprintf("exception: %s at %s:%d", e.ExceptionDetails.Text, e.ExceptionDetails.URL, e.ExceptionDetails.LineNumber))
	case *cdpruntime.EventConsoleAPICalled:
		if e.Type == cdpruntime.ConsoleAPICalledTypeError || e.Type == cdpruntime.ConsoleAPICalledTypeWarning {
			text := string(e.Type)
			for _, arg := range e.Args {
				text += " " + string(arg.Value) + arg.Description
			}
			b.problems = append(b.problems, text)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.problems = append(b.problems, string(e.Entry.Source)+": "+e.Entry.Text+" "+e.Entry.URL)
		}
	case *cdpnetwork.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, b.base+"/") && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "about:") {
			b.outside = append(b.outside, u)
		}
	}
}

// healthy fails if the browser told of anything, but refusals with these statuses.
func (b *tab) healthy(expected ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		known := false
		for _, e := range expected {
			known = known || strings.Contains(p, e)
		}
		if !known {
			b.t.Errorf("the browser says: %s", p)
		}
	}
	for _, u := range b.outside {
		b.t.Errorf("the page asked for %s", u)
	}
	b.problems, b.outside = nil, nil
}

// step is something that a tab does.
type step = chromedp.Action[chromedp.Void]

func (b *tab) do(steps ...step) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.fail(err)
	}
}

func (b *tab) fail(err error) {
	b.t.Helper()
	at, _ := chromedp.Run(b.ctx, chromedp.Location())
	text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
	b.t.Fatalf("at %s: %v\n%.2000s", at, err, text)
}

// command sends one of the browser's own commands.
func command[P, R any](b *tab, c cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, c, params); err != nil {
		b.fail(err)
	}
}

// evaluate returns what a script comes to.
func evaluate[T any](b *tab, script string, opts ...chromedp.EvaluateOption) T {
	b.t.Helper()
	got, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script, opts...))
	if err != nil {
		b.fail(err)
	}
	return got
}

func (b *tab) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.base+path), chromedp.WaitReady(chromedp.CSS("main")))
}

// press clicks what changes the page that is shown.
func (b *tab) press(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

// click clicks what leads to another page, and waits for that.
func (b *tab) click(selector string) {
	b.t.Helper()
	if _, err := chromedp.RunResponse(b.ctx, chromedp.Click(chromedp.CSS(selector))); err != nil {
		b.t.Fatalf("click %s: %v", selector, err)
	}
	b.do(chromedp.WaitReady(chromedp.CSS("main")))
}

// fill puts a text into a field as a person would paste it.
func (b *tab) fill(selector, text string) {
	b.t.Helper()
	b.do(chromedp.SetValue(chromedp.CSS(selector), text))
}

// insert types a text where the focus is.
func (b *tab) insert(text string) {
	b.t.Helper()
	command(b, input.InsertText, input.InsertTextParams{Text: text})
}

// truth tells whether a script's expression holds.
func (b *tab) truth(script string) bool {
	b.t.Helper()
	return evaluate[bool](b, "!!("+script+")")
}

// await waits until a script's expression holds, also on a page that takes the place of
// this one meanwhile.
func (b *tab) await(script string) {
	b.t.Helper()
	eventually(b.t, script, func() bool {
		is, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+script+")"))
		if b.ctx.Err() != nil {
			b.fail(fmt.Errorf("await %s: %w", script, b.ctx.Err()))
		}
		return err == nil && is
	})
}

// text is what a page shows.
func (b *tab) text() string {
	b.t.Helper()
	return evaluate[string](b, "document.body.innerText")
}

// sees fails unless a page shows all these.
func (b *tab) sees(texts ...string) {
	b.t.Helper()
	shown := b.text()
	for _, text := range texts {
		if !strings.Contains(shown, text) {
			b.t.Errorf("the page does not show %q:\n%.2000s", text, shown)
		}
	}
}

func (b *tab) signIn(token string) {
	b.t.Helper()
	b.open("/")
	b.fill("#token", token)
	b.click("button.primary")
}

// size makes the window as wide as a device.
func (b *tab) size(width, height int64) {
	b.t.Helper()
	command(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500,
	})
}

// dark has the page be dark, or light.
func (b *tab) dark(is bool) {
	b.t.Helper()
	scheme := "light"
	if is {
		scheme = "dark"
	}
	command(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// shoot takes a picture, if pictures are wanted.
func (b *tab) shoot(name string) {
	b.t.Helper()
	if *shots == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.fail(err)
	}
	if err := os.WriteFile(filepath.Join(*shots, name+".png"), picture, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// accessible holds a page to what axe finds serious.
func (b *tab) accessible(name string) {
	b.t.Helper()
	source, err := os.ReadFile(filepath.Join(clients.modules, "axe-core", "axe.min.js"))
	if err != nil {
		b.t.Fatal(err)
	}
	evaluate[chromedp.Void](b, string(source))
	found := evaluate[string](b, `axe.run(document, {resultTypes: ["violations"]}).then((r) => JSON.stringify(r.violations.map((v) =>
		({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200) + " " + n.failureSummary)}))))`,
		chromedp.EvalAwaitPromise)
	var violations []struct {
		ID, Impact, Help string
		Nodes            []string
	}
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range violations {
		if v.Impact == "serious" || v.Impact == "critical" {
			b.t.Errorf("%s: %s: %s: %s\n%s", name, v.Impact, v.ID, v.Help, strings.Join(v.Nodes, "\n"))
		}
	}
}

// fits fails if a page is wider than its window.
func (b *tab) fits(name string) {
	b.t.Helper()
	wide := evaluate[string](b, `(() => {
		const most = document.documentElement.clientWidth;
		if (document.documentElement.scrollWidth <= most) return "";
		return [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > most + 1)
			.slice(0, 5).map((e) => e.tagName + "." + e.className + " " + Math.round(e.getBoundingClientRect().right)).join(", ") || "something";
	})()`)
	if wide != "" {
		b.t.Errorf("%s is wider than the window: %s", name, wide)
	}
}

// keysFile is a body of a bulk put of n keys.
func keysFile(n int) string {
	var body strings.Builder
	body.WriteString("[")
	for i := range n {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"key":"key/%06d","value":"value %d"}`, i, i)
	}
	body.WriteString("]")
	return body.String()
}

package wrangler

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
)

// Bounds of the patterns of run_worker_first, as workerd and Cloudflare have them.
const (
	maxRoutes     = 100
	maxRouteChars = 100
)

// runWorkerFirst checks the patterns of requests that the Worker sees before its assets:
// workerd would not start with wrong ones, and names no line.
func (d *decoder) runWorkerFirst(n *node) {
	const key = "assets.run_worker_first"
	routes := d.texts(key, n)
	if n.kind != listKind {
		return
	}
	if len(routes) == 0 {
		d.add(n.line, "%s: there is no pattern: name one, or true or false", key)
		return
	}
	if len(routes) > maxRoutes {
		d.add(n.line, "%s has %d patterns; %d are the most", key, len(routes), maxRoutes)
		return
	}
	for i, route := range routes {
		if text := wrongRoute(routes, i); text != "" && n.items[i].kind == stringKind {
			d.add(n.items[i].line, "%s: %.80q %s", key, route, text)
		}
	}
	if !slices.ContainsFunc(routes, func(r string) bool { return !strings.HasPrefix(r, "!") }) {
		d.add(n.line, `%s: one at least must begin with "/"`, key)
	}
}

// wrongRoute tells what is wrong with one of the patterns, "" for nothing.
func wrongRoute(routes []string, i int) string {
	route := routes[i]
	path, negative := strings.CutPrefix(route, "!")
	switch {
	case !strings.HasPrefix(path, "/"):
		return `begins with neither "/" nor "!/"`
	case len(utf16.Encode([]rune(route))) > maxRouteChars:
		return fmt.Sprintf("is longer than %d characters", maxRouteChars)
	case slices.Contains(routes[:i], route):
		return "stands there already"
	}
	for _, other := range routes {
		begin, open := strings.CutSuffix(other, "*")
		if open && other != route && strings.HasPrefix(other, "!") == negative && strings.HasPrefix(route, begin) {
			return "is of no use beside " + other
		}
	}
	return ""
}

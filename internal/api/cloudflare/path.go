package cloudflare

import (
	"net/url"
	"strings"

	"github.com/godwitkv/godwit/internal/api"
)

const prefix = "/client/v4/"

// target is a request URI taken apart, nothing decoded yet.
type target struct {
	path  string // raw, from the first slash on
	query string // raw, without "?"
}

// parseTarget splits a request URI as it stood in the request line.
func parseTarget(uri string) target {
	path, query := api.SplitTarget(uri)
	return target{path: path, query: query}
}

// params are the variable parts of a path, each decoded once.
type params struct {
	account   string
	namespace string
	script    string
	key       string
}

// pattern is a route's path below the prefix. A segment ":name" matches one
// segment that is not empty; a last segment "*key" matches all that is left,
// slashes and nothing at all included.
type pattern []string

func newPattern(s string) pattern { return strings.Split(s, "/") }

// match takes path, raw and below the prefix, apart. It allocates only for what
// is percent-encoded.
func (p pattern) match(path string) (v params, ok bool) {
	for i, want := range p {
		if want == "*key" {
			v.key, ok = decode(path)
			return v, ok
		}
		segment, rest, more := strings.Cut(path, "/")
		if more != (i < len(p)-1) || !v.segment(want, segment) {
			return v, false
		}
		path = rest
	}
	return v, true
}

func (v *params) segment(want, raw string) bool {
	got, ok := decode(raw)
	if !ok || got == "" {
		return false
	}
	switch want {
	case ":account":
		v.account = got
	case ":namespace":
		v.namespace = got
	case ":script":
		v.script = got
	default:
		return got == want
	}
	return true
}

// decode percent-decodes once; "+" stands for itself.
func decode(raw string) (string, bool) {
	if strings.IndexByte(raw, '%') < 0 {
		return raw, true
	}
	s, err := url.PathUnescape(raw)
	return s, err == nil
}

package api

import "strings"

// SplitTarget takes the target of a request line apart, as it came: nothing is cleaned or
// decoded, and query has no "?". Of the absolute form, that proxies use, the path is what
// comes after the host.
func SplitTarget(target string) (path, query string) {
	path, query, _ = strings.Cut(target, "?")
	if strings.HasPrefix(path, "/") {
		return path, query
	}
	_, rest, ok := strings.Cut(path, "://")
	if !ok {
		return path, query
	}
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[i:], query
	}
	return "/", query
}

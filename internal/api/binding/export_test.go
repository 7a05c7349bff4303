package binding

import "github.com/godwitkv/godwit"

// QueryValue is queryValue.
func QueryValue(query, name string) (string, bool) {
	v, _, ok := queryValue([]byte(query), name, nil)
	return string(v), ok
}

// SplitTarget is splitTarget.
func SplitTarget(target string) (path, query string) {
	p, q := splitTarget([]byte(target))
	return string(p), string(q)
}

// Route is route.
func Route(method, path string) string {
	o, _ := route([]byte(method), []byte(path))
	return o.String()
}

// AppendPathDecoded is appendPathDecoded.
func AppendPathDecoded(dst, b []byte) ([]byte, bool) { return appendPathDecoded(dst, b) }

// AppendPage is appendPage.
func AppendPage(dst []byte, p *godwit.Page) []byte { return appendPage(dst, p) }

// Describe is describe and appendReason.
func Describe(err error) (int, string) {
	status, reason := describe(err)
	return status, string(appendReason(nil, reason))
}

// ParseBulk is parseBulk.
func ParseBulk(body []byte) (keys []string, kind, cacheTTL string, withMetadata bool, err error) {
	q, err := parseBulk(body)
	return q.keys, q.kind, q.cacheTTL, q.withMetadata, err
}

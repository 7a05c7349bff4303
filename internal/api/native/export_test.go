package native

import (
	"net/http"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
)

// Reply is how a code is answered.
func Reply(code godwit.Code) (status int, name string, ok bool) {
	r, ok := table(code)
	return r.status, r.code, ok
}

// Patch changes settings as a PATCH does.
func Patch(s godwit.Settings, raw []byte) (godwit.Settings, error) { return patch(s, raw) }

// Match finds the route of a path.
func Match(path string) (pattern string, args []string, ok bool) {
	rt, a, ok := match(path)
	return rt.path, a[:], ok
}

// ParseList reads a list's query.
func ParseList(r *http.Request) (godwit.ListQuery, error) {
	query, err := parseQuery(r, "prefix", "start", "end", "limit", "cursor", "reverse", "values", byMetadata)
	if err != nil {
		return godwit.ListQuery{}, err
	}
	return parseList(query)
}

// DecodeTransaction reads a body.
func DecodeTransaction(raw []byte) (api.Transact, error) { return decodeTransaction(raw) }

// Routes are the methods of each path below Prefix; "*" stands for any one segment.
func Routes() map[string][]string {
	all := make(map[string][]string)
	for _, rt := range routes() {
		for method := range rt.methods {
			all[rt.path] = append(all[rt.path], method)
		}
		if rt.watch != nil {
			all[rt.path] = append(all[rt.path], http.MethodGet)
		}
	}
	return all
}

// MaxPages is how many pages of keys hold memory at once.
const MaxPages = pagesMemory / godwit.MaxScanBytes

package native

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/godwitkv/godwit"
)

// byMetadata begins the name of a metadata filter in a query: what follows is the
// field.
const byMetadata = "metadata."

// parseQuery reads a query that may have these parameters, each once; byMetadata
// stands for all that begin with it. One that is not known is refused: left out,
// a filter with a typing mistake would let all keys through.
// Error: CodeInvalidRequest.
func parseQuery(r *http.Request, known ...string) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, godwit.Errorf(godwit.CodeInvalidRequest, "The query is malformed.")
	}
	for name, values := range query {
		switch {
		case slices.Contains(known, name), strings.HasPrefix(name, byMetadata) && slices.Contains(known, byMetadata):
		default:
			return nil, godwit.Errorf(godwit.CodeInvalidRequest, "Unknown parameter %q.", clip(name))
		}
		if len(values) > 1 {
			return nil, godwit.Errorf(godwit.CodeInvalidRequest, "%s is given %d times.", clip(name), len(values))
		}
	}
	return query, nil
}

// parseFlag reads a parameter that is 0, 1 or absent. Error: CodeInvalidRequest.
func parseFlag(query url.Values, name string) (bool, error) {
	switch text := query.Get(name); text {
	case "", "0":
		return false, nil
	case "1":
		return true, nil
	default:
		return false, godwit.Errorf(godwit.CodeInvalidRequest, "%s must be 0 or 1, not %q.", name, clip(text))
	}
}

// parseList reads which keys a list or a count is of. Errors: CodeInvalidRequest,
// CodeInvalidLimit, CodeKeyTooLong.
func parseList(query url.Values) (q godwit.ListQuery, err error) {
	scan := &godwit.Scan{Start: query.Get("start"), End: query.Get("end")}
	q = godwit.ListQuery{Prefix: query.Get("prefix"), Cursor: query.Get("cursor"), Scan: scan}
	if scan.Reverse, err = parseFlag(query, "reverse"); err != nil {
		return q, err
	}
	if scan.Values, err = parseFlag(query, "values"); err != nil {
		return q, err
	}
	if scan.Where, err = parseFilter(query); err != nil {
		return q, err
	}
	if q.Limit, err = parseLimit(query.Get("limit")); err != nil {
		return q, err
	}
	if err := godwit.ValidatePrefix(q.Prefix); err != nil {
		return q, err
	}
	return q, scan.Validate()
}

// parseFilter reads the metadata filter, nil if there is none. Error:
// CodeInvalidRequest.
func parseFilter(query url.Values) (*godwit.MetadataFilter, error) {
	var f *godwit.MetadataFilter
	for name := range query {
		field, ok := strings.CutPrefix(name, byMetadata)
		switch {
		case !ok:
		case f != nil:
			return nil, godwit.Errorf(godwit.CodeInvalidRequest, "A list takes one filter by metadata.")
		default:
			f = &godwit.MetadataFilter{Field: field, Equals: query.Get(name)}
		}
	}
	return f, nil
}

// parseLimit reads how many entries a page may have; 0 where that is not said.
// Error: CodeInvalidLimit.
func parseLimit(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, ok := godwit.ParseInteger(text)
	if !ok || n < 1 || n > godwit.MaxScanKeys {
		return 0, godwit.Errorf(godwit.CodeInvalidLimit, "Invalid limit: use 1 to %d.", godwit.MaxScanKeys)
	}
	return int(n), nil
}

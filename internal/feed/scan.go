package feed

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/godwitkv/godwit"
)

// How many entries a scan counted, and the bytes of them, travel in headers: its
// page has none.
const (
	headerKeys  = "Godwit-Keys"
	headerBytes = "Godwit-Bytes"
)

// maxFilterText bounds a metadata filter's texts in a query.
var maxFilterText = keyText.EncodedLen(godwit.MaxMetadataBytes)

// setScan writes what a list asks for beyond its keys.
func setScan(query url.Values, s *godwit.Scan) {
	query.Set("scan", "1")
	for name, is := range map[string]bool{"reverse": s.Reverse, "values": s.Values, "count": s.Count} {
		if is {
			query.Set(name, "1")
		}
	}
	if s.Start != "" {
		query.Set("start", keyText.EncodeToString([]byte(s.Start)))
	}
	if s.End != "" {
		query.Set("end", keyText.EncodeToString([]byte(s.End)))
	}
	if s.Where != nil {
		query.Set("field", keyText.EncodeToString([]byte(s.Where.Field)))
		query.Set("equals", keyText.EncodeToString([]byte(s.Where.Equals)))
	}
}

// parseScan reads what setScan wrote, nil if it wrote nothing. Errors:
// CodeInvalidRequest, CodeKeyTooLong.
func parseScan(query url.Values) (*godwit.Scan, error) {
	if query.Get("scan") != "1" {
		return nil, nil
	}
	s := &godwit.Scan{Reverse: query.Get("reverse") == "1", Values: query.Get("values") == "1", Count: query.Get("count") == "1"}
	var where godwit.MetadataFilter
	for name, to := range map[string]*string{"start": &s.Start, "end": &s.End, "field": &where.Field, "equals": &where.Equals} {
		text := query.Get(name)
		raw, err := keyText.DecodeString(text)
		if err != nil || len(text) > maxFilterText {
			return nil, godwit.Errorf(godwit.CodeInvalidRequest, "Invalid %s: use base64url of a bounded length.", name)
		}
		*to = string(raw)
	}
	if query.Has("field") {
		s.Where = &where
	}
	return s, s.Validate()
}

// setCount writes what a scan counted.
func setCount(h http.Header, p *godwit.Page) {
	h.Set(headerKeys, strconv.FormatInt(p.Keys, 10))
	h.Set(headerBytes, strconv.FormatInt(p.Bytes, 10))
}

// readCount reads what setCount wrote, and tells whether that was there.
func readCount(h http.Header, p *godwit.Page) bool {
	var kerr, berr error
	p.Keys, kerr = strconv.ParseInt(h.Get(headerKeys), 10, 64)
	p.Bytes, berr = strconv.ParseInt(h.Get(headerBytes), 10, 64)
	return kerr == nil && berr == nil && p.Keys >= 0 && p.Bytes >= 0
}

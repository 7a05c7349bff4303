package client

import (
	"net/http"
	"strings"
)

// fields are what the caller calls the headers that hold text of theirs.
var fields = []struct{ header, name string }{
	{"If-Match", "IfMatch"},
	{"If-None-Match", "IfNoneMatch"},
	{"Last-Event-Id", "After"},
	{headerRequestID, "RequestID"},
	{headerMinRevision, "MinRevision"},
}

// checkHeader refuses what http's transport would not send, and tell of as it tells of a
// connection that breaks. Error: ErrInvalid.
func checkHeader(h http.Header) error {
	for _, f := range fields {
		if !sendable(h.Get(f.header)) {
			return invalid("%s holds a control character", f.name)
		}
	}
	return nil
}

// sendable tells whether text may be in a header.
func sendable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

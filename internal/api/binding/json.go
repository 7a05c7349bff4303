package binding

import (
	"strconv"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/jsontext"
)

// appendPage appends a page as list() wants it: metadata is a string that
// holds JSON, for workerd parses a string and a value that is itself a string
// would not survive otherwise.
func appendPage(dst []byte, p *godwit.Page) []byte {
	dst = append(dst, `{"keys":[`...)
	for i := range p.Entries {
		e := &p.Entries[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"name":`...)
		dst = jsontext.Append(dst, e.Key)
		if e.Expiration != 0 {
			dst = append(dst, `,"expiration":`...)
			dst = strconv.AppendInt(dst, e.Expiration, 10)
		}
		if e.Metadata != nil {
			dst = append(dst, `,"metadata":`...)
			dst = jsontext.Append(dst, e.Metadata)
		}
		dst = append(dst, '}')
	}
	dst = append(dst, `],"list_complete":`...)
	dst = strconv.AppendBool(dst, !p.More)
	if p.More {
		dst = append(dst, `,"cursor":`...)
		dst = jsontext.Append(dst, p.Cursor)
	}
	return append(dst, '}')
}

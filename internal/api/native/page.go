package native

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"time"

	"github.com/godwitkv/godwit"
)

const (
	// pagesMemory bounds what pages with more than freePageBytes hold in memory until
	// their clients have taken them in.
	pagesMemory   = 16 * godwit.MaxScanBytes
	freePageBytes = 256 << 10
	maxPageWait   = 30 * time.Second
)

// keyPage answers a page of keys entry by entry: as JSON it may take six times the memory
// that it does here.
type keyPage struct {
	*godwit.Page
	values bool   // with the entries
	leave  func() // gives back the memory that it holds
}

// enterPages waits until there is memory for a page, however long its entries are. Error:
// CodeUnavailable.
func (h *Handler) enterPages(r *request, q *godwit.ListQuery) (leave func(), err error) {
	n := mostPageBytes(q)
	if n <= freePageBytes {
		return func() {}, nil
	}
	part, err := h.pages.EnterWith(r.Context(), r.principal.Limited(), n, maxPageWait)
	if err != nil {
		return nil, &godwit.Error{Code: godwit.CodeUnavailable, Message: "Service temporarily unavailable: too many large pages of keys are being read.", Err: err}
	}
	return part.Leave, nil
}

// mostPageBytes is what a page may have.
func mostPageBytes(q *godwit.ListQuery) int64 {
	each, limit := int64(godwit.MaxKeyBytes+godwit.MaxMetadataBytes), int64(q.Limit)
	if q.Scan.Values {
		each += godwit.MaxScanValueBytes
	}
	if limit <= 0 {
		limit = godwit.MaxListKeys
	}
	return min(limit*each, godwit.MaxScanBytes)
}

// newKeyPage is a page that holds memory, which it gives back at once where it is small.
func newKeyPage(page *godwit.Page, values bool, leave func()) keyPage {
	n := 0
	for i := range page.Entries {
		e := &page.Entries[i]
		n += len(e.Key) + len(e.Metadata) + len(e.Value.Inline)
	}
	if n <= freePageBytes {
		leave()
		leave = func() {}
	}
	return keyPage{page, values, leave}
}

// writeTo writes the page: {"keys": [...]} and what a keyList has. Errors are the
// client's, which has gone.
func (p keyPage) writeTo(w io.Writer) {
	defer p.leave()
	out := bufio.NewWriterSize(w, 32<<10)
	_, _ = out.WriteString(`{"keys":[`)
	var one bytes.Buffer
	enc := json.NewEncoder(&one)
	enc.SetEscapeHTML(false)
	for i := range p.Entries {
		if i > 0 {
			_ = out.WriteByte(',')
		}
		one.Reset()
		_ = enc.Encode(listed(&p.Entries[i], p.values)) // it always encodes
		if _, err := out.Write(bytes.TrimSuffix(one.Bytes(), []byte("\n"))); err != nil {
			return
		}
	}
	one.Reset()
	_ = enc.Encode(keyList{ListComplete: !p.More, Cursor: p.Cursor})
	_, _ = out.WriteString(`],`)
	_, _ = out.Write(one.Bytes()[1:])
	_ = out.Flush()
}

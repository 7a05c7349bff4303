package cloudflare

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
)

// envelope is what every JSON response is wrapped in. Errors and Messages are
// arrays even when empty: clients map over them.
type envelope struct {
	Result     any      `json:"result"`
	Success    bool     `json:"success"`
	Errors     []notice `json:"errors"`
	Messages   []notice `json:"messages"`
	ResultInfo any      `json:"result_info,omitempty"`
}

type notice struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// pageInfo is the result_info of lists that have pages.
type pageInfo struct {
	Page       int `json:"page"`
	PerPage    int `json:"per_page"`
	Count      int `json:"count"`
	TotalCount int `json:"total_count"`
	TotalPages int `json:"total_pages"`
}

// keysInfo is the result_info of the list of keys. The cursor is told twice:
// some versions of the SDKs read one, some the other.
type keysInfo struct {
	Count   int     `json:"count"`
	Cursor  string  `json:"cursor"`
	Cursors cursors `json:"cursors"`
}

type cursors struct {
	After string `json:"after"`
}

// reply answers 200 with a result; info may be nil.
func (c *call) reply(result, info any) error {
	return c.send(http.StatusOK, envelope{Result: result, Success: true, ResultInfo: info})
}

func (c *call) send(status int, e envelope) error {
	if e.Errors == nil {
		e.Errors = []notice{}
	}
	if e.Messages == nil {
		e.Messages = []notice{}
	}
	var b bytes.Buffer
	if err := encode(&b, e); err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	c.w.WriteHeader(status)
	_, _ = c.w.Write(b.Bytes()) // a client that has gone is nobody's error
	return nil
}

// encode writes JSON without the escapes that HTML would need.
func encode(b *bytes.Buffer, v any) error {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// text is s as a JSON string.
func text(b *bytes.Buffer, s string) error {
	if err := encode(b, s); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // the encoder's newline
	return nil
}

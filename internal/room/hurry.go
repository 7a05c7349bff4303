package room

import (
	"io"
	"time"

	"github.com/godwitkv/godwit"
)

// How fast a body must come that has room which others wait for: so many bytes a second,
// over the last while in which it was waited for. How fast it came before is no excuse,
// and what the node takes for itself does not count.
const (
	hurryRate = 32 << 10
	hurryOver = 30 * time.Second
)

// Hurried is body, which ends in an error where it comes too slowly. held tells whether
// it has room; nil: all the time. Where a read of body may take for ever, so may one of
// what is returned. Errors: body's, CodeUnavailable.
func Hurried(body io.Reader, held func() bool) io.Reader {
	return &hurried{body: body, held: held, left: hurryOver}
}

type hurried struct {
	body io.Reader
	held func() bool
	left time.Duration // for how long it is waited for, if nothing comes
	err  error
}

// Read implements io.Reader.
func (h *hurried) Read(p []byte) (int, error) {
	if h.err != nil {
		return 0, h.err
	}
	began := time.Now()
	n, err := h.body.Read(p)
	if h.held != nil && !h.held() {
		return n, err
	}
	h.left -= time.Since(began)
	if h.left < 0 && err == nil {
		h.err = &godwit.Error{
			Code:    godwit.CodeUnavailable,
			Message: "Service temporarily unavailable: the request's body came too slowly to keep room for it.",
		}
	}
	h.left = min(hurryOver, h.left+time.Duration(n)*time.Second/hurryRate)
	return n, err
}

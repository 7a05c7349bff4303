package native

import (
	"io"

	"github.com/godwitkv/godwit/docs"
)

// describe answers the description of this API, which is no secret.
func (h *Handler) describe(r *request) (any, error) {
	header := r.w.Header()
	header.Set("Content-Type", "application/yaml")
	header.Set("Cache-Control", "no-cache")
	header.Set("X-Content-Type-Options", "nosniff")
	r.answered = true
	_, _ = io.WriteString(r.w, docs.OpenAPI()) // the client is gone
	return nil, nil
}

package native

import (
	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// Scrub is how a node stands that reads all it has on its disk. Times are unix seconds,
// 0 for none.
type Scrub struct {
	Running        bool  `json:"running"`
	EverySeconds   int64 `json:"every_seconds"` // 0: only when asked
	BytesPerSecond int64 `json:"bytes_per_second"`
	Began          int64 `json:"began,omitempty"` // the pass under way, with what it has come to
	Bytes          int64 `json:"bytes"`
	Found          int64 `json:"found"` // damaged values
	Mended         int64 `json:"mended"`
	Unmended       int64 `json:"unmended"` // known to be damaged now
	Next           int64 `json:"next,omitempty"`

	LastBegan  int64 `json:"last_began,omitempty"` // the last pass that came to its end
	LastEnded  int64 `json:"last_ended,omitempty"`
	LastBytes  int64 `json:"last_bytes"`
	LastFound  int64 `json:"last_found"`
	LastMended int64 `json:"last_mended"`
}

// startScrub begins a pass over this node's disk, unless one is under way.
func (h *Handler) startScrub(r *request) (any, error) {
	if err := catalog.Authorize(r.principal, godwit.PermissionAdmin, nil); err != nil {
		return nil, err
	}
	return h.cfg.StartScrub(), nil
}

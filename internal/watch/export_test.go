package watch

import "github.com/godwitkv/godwit"

// CanonicalID reads an ID and writes it again.
func CanonicalID(id string) (string, error) {
	p, err := parseID(id)
	return p.String(), err
}

// Kept is how many changes, and bytes of them, the ring holds of a namespace, and
// false if it keeps none.
func (h *Hub) Kept(ns godwit.NamespaceID) (changes, bytes int, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t, ok := h.topics[ns]
	if !ok {
		return 0, 0, false
	}
	return len(t.items), t.bytes, true
}

// Since is from which second on expiries are told to whoever stands at a second.
func (h *Hub) Since(sec int64) int64 { return h.since(sec) }

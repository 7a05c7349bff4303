package feed

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// serveIdentify answers Client.Identify. The body is the credential, so that the
// node who asks stands for itself, and does not count as one who guesses.
func (s *Server) serveIdentify(w http.ResponseWriter, r *http.Request, p *catalog.Principal) error {
	if err := mayFollow(p); err != nil {
		return err
	}
	secret, err := readBody(w, r, maxSecretBytes)
	if err != nil {
		return err
	}
	var id identity
	who, err := s.cfg.Catalog().Authenticate(r.Context(), secret)
	switch {
	case errors.Is(err, godwit.ErrUnauthenticated):
	case err != nil:
		return err
	default:
		id = identity{Token: who.Token, Root: who.Root}
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(id) // the client is gone
	return nil
}

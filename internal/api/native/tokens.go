package native

import (
	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// maxTokenNamespaces bounds the namespaces that one token is limited to.
const maxTokenNamespaces = godwit.MaxNamespaces

// tokenSpec is the body of a request for a token.
type tokenSpec struct {
	Name       string            `json:"name"`
	Permission godwit.Permission `json:"permission"`
	Namespaces []string          `json:"namespaces"` // ids or titles; not given: all
	Expires    int64             `json:"expires"`    // unix seconds; 0: never

	RequestsPerSecond float64 `json:"requests_per_second"` // 0: no limit
}

// createdToken is a token with its secret, which is told once.
type createdToken struct {
	*godwit.Token
	Secret string `json:"token"`
}

type tokenList struct {
	Tokens []*godwit.Token `json:"tokens"`
}

func (h *Handler) listTokens(r *request) (any, error) {
	if err := catalog.Authorize(r.principal, godwit.PermissionAdmin, nil); err != nil {
		return nil, err
	}
	tokens := h.cfg.Service.Catalog().Tokens()
	if tokens == nil {
		tokens = []*godwit.Token{}
	}
	return tokenList{tokens}, nil
}

func (h *Handler) createToken(r *request) (any, error) {
	if err := catalog.Authorize(r.principal, godwit.PermissionAdmin, nil); err != nil {
		return nil, err
	}
	var spec tokenSpec
	if err := decode(r.Request, &spec); err != nil {
		return nil, err
	}
	namespaces, err := h.resolveAll(r, spec.Namespaces)
	if err != nil {
		return nil, err
	}
	secret, t, err := h.cfg.Service.Catalog().CreateToken(r.Context(), godwit.Token{
		Name:       spec.Name,
		Permission: spec.Permission,
		Namespaces: namespaces,
		Expires:    spec.Expires,

		RequestsPerSecond: spec.RequestsPerSecond,
	})
	if err != nil {
		return nil, err
	}
	r.created, r.target = true, t.ID
	return createdToken{t, secret}, nil
}

// resolveAll finds namespaces by their ids or titles. A list that is given and
// empty is refused: whoever computed it did not mean all there are.
func (h *Handler) resolveAll(r *request, refs []string) ([]godwit.NamespaceID, error) {
	if refs != nil && len(refs) == 0 {
		return nil, godwit.Errorf(godwit.CodeInvalidRequest, "namespaces is empty: name some, or leave it out for all.")
	}
	if len(refs) > maxTokenNamespaces {
		return nil, godwit.Errorf(godwit.CodeInvalidRequest, "A token is limited to at most %d namespaces.", maxTokenNamespaces)
	}
	var ids []godwit.NamespaceID
	for _, ref := range refs {
		ns, err := h.cfg.Service.Catalog().Resolve(r.Context(), []byte(ref))
		if err != nil {
			return nil, err
		}
		ids = append(ids, ns.ID)
	}
	return ids, nil
}

func (h *Handler) revokeToken(r *request) (any, error) {
	if err := catalog.Authorize(r.principal, godwit.PermissionAdmin, nil); err != nil {
		return nil, err
	}
	if err := h.cfg.Service.Catalog().RevokeToken(r.Context(), r.argument); err != nil {
		return nil, err
	}
	return struct{}{}, nil
}

// rotateRoot is for the root token alone: who holds it may replace it.
func (h *Handler) rotateRoot(r *request) (any, error) {
	if err := catalog.Authorize(r.principal, godwit.PermissionAdmin, nil); err != nil {
		return nil, err
	}
	if !r.principal.Root {
		return nil, godwit.Errorf(godwit.CodeForbidden, "Only the root token may replace the root token.")
	}
	secret, err := h.cfg.RotateRoot(r.Context())
	if err != nil {
		return nil, err
	}
	return struct {
		Token string `json:"token"`
	}{secret}, nil
}

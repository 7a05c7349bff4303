package cloudflare

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// authenticate asks who is calling.
func (c *call) authenticate() error {
	secret, err := credential(c.r.Header)
	if err != nil {
		return err
	}
	c.principal, err = c.h.service.Authenticate(c.ctx(), remote(c.r), []byte(secret))
	return err
}

// credential finds the token where clients put it: as a bearer, or as the global
// API key that old clients send with an e-mail address.
func credential(h http.Header) (string, error) {
	if auth := h.Get("Authorization"); auth != "" {
		scheme, token, _ := strings.Cut(auth, " ")
		if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || token == "" {
			return "", godwit.ErrUnauthenticated
		}
		return token, nil
	}
	if key := h.Get("X-Auth-Key"); key != "" && h.Get("X-Auth-Email") != "" {
		return key, nil
	}
	if key := h.Get("X-Auth-User-Service-Key"); key != "" {
		return key, nil
	}
	return "", &problem{
		status:  http.StatusUnauthorized,
		code:    codeMissingHeaders,
		message: "Missing X-Auth-Key, X-Auth-Email or Authorization headers",
	}
}

// remote is the caller's address, invalid if it has none.
func remote(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr()
}

// authorize resolves what the path names and asks whether the caller may do what
// the endpoint does to it. A namespace that a token is not for looks the same
// to it whether it exists or not.
func (c *call) authorize() error {
	if a := c.params.account; a != "" && a != c.h.catalog.Account() {
		return errNoRoute
	}
	if c.params.namespace == "" {
		return catalog.Authorize(c.principal, c.endpoint.need, nil)
	}
	id, err := godwit.ParseNamespaceID(c.params.namespace)
	if err != nil {
		return err
	}
	ns, err := c.h.catalog.Namespace(c.ctx(), id)
	switch {
	case errors.Is(err, godwit.ErrNamespaceNotFound):
		if aerr := catalog.Authorize(c.principal, c.endpoint.need, &godwit.Namespace{ID: id}); aerr != nil {
			return aerr
		}
		return err
	case err != nil:
		return err
	}
	c.ns = ns
	return catalog.Authorize(c.principal, c.endpoint.need, ns)
}

// covers tells whether the caller's lists show a namespace.
func (c *call) covers(id godwit.NamespaceID) bool {
	return c.principal.Root || c.principal.Token != nil && c.principal.Token.Covers(id)
}

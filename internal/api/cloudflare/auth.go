package cloudflare

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/catalog"
)

// authenticate asks who is calling. A write takes the credential along, for a
// log that must pass it on.
func (c *call) authenticate() error {
	secret, err := credential(c.r.Header)
	if err != nil {
		return err
	}
	c.principal, err = c.h.service.Authenticate(c.ctx(), remote(c.r), []byte(secret))
	if c.endpoint.need == godwit.PermissionWrite {
		c.r = c.r.WithContext(godwit.WithCredential(api.WithLimited(c.ctx(), c.principal), secret))
	}
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

// errNoAccount is for a node that has yet to hear which account is its own.
var errNoAccount = godwit.Errorf(godwit.CodeUnavailable, "This node has yet to learn its account from upstream: try again.")

// authorize asks whether the caller may do what the endpoint does, and resolves
// what the path names. It counts the request where there are limits to that. A namespace that a token is not for looks the same to it
// whether it exists or not.
func (c *call) authorize() error {
	if err := c.h.service.AdmitToken(c.principal); err != nil {
		return err
	}
	own := c.h.catalog.Account()
	switch a := c.params.account; {
	case own == "":
		return errNoAccount
	case a != "" && a != own:
		return errNoRoute
	case c.params.namespace == "":
		return catalog.Authorize(c.principal, c.endpoint.need, nil)
	}
	id, err := godwit.ParseNamespaceID(c.params.namespace)
	if err != nil {
		return err
	}
	if err := catalog.Authorize(c.principal, c.endpoint.need, &godwit.Namespace{ID: id}); err != nil {
		return err
	}
	c.ns, err = c.h.catalog.Namespace(c.ctx(), id)
	if errors.Is(err, godwit.ErrNamespaceNotFound) && c.endpoint.name == namespaceDelete && c.requestID != "" {
		c.ns, err = &godwit.Namespace{ID: id}, nil // the same request may have deleted it
	}
	if err != nil || c.endpoint.need == godwit.PermissionAdmin {
		return err
	}
	return c.h.service.AdmitNamespace(c.ns)
}

// covers tells whether the caller's lists show a namespace.
func (c *call) covers(id godwit.NamespaceID) bool {
	return c.principal.Root || c.principal.Token != nil && c.principal.Token.Covers(id)
}

package cloudflare

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"unicode/utf8"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
)

const maxSmallBody = 64 << 10 // bytes of a body that holds a title

// namespace is one as the API shows it.
type namespace struct {
	ID                  godwit.NamespaceID `json:"id"`
	Title               string             `json:"title"`
	SupportsURLEncoding bool               `json:"supports_url_encoding"`
	Jurisdiction        string             `json:"jurisdiction,omitempty"`
}

func shownNamespace(ns *godwit.Namespace) namespace {
	return namespace{ID: ns.ID, Title: ns.Title, SupportsURLEncoding: true, Jurisdiction: ns.Jurisdiction}
}

func (c *call) listNamespaces() error {
	q, err := c.query()
	if err != nil {
		return err
	}
	p, err := parsePage(q, godwit.DefaultPerPage)
	if err != nil {
		return err
	}
	compare, err := parseOrder(q)
	if err != nil {
		return err
	}
	all := make([]namespace, 0, len(c.h.catalog.Namespaces()))
	for _, ns := range c.h.catalog.Namespaces() {
		if c.covers(ns.ID) {
			all = append(all, shownNamespace(ns))
		}
	}
	slices.SortFunc(all, compare)
	part, info := cut(all, p)
	return c.reply(part, info)
}

// parseOrder reads order and direction; by id, ascending, is the default.
// Errors: Cloudflare's 10043 and 10044.
func parseOrder(q url.Values) (func(a, b namespace) int, error) {
	byID := func(a, b namespace) int { return bytes.Compare(a.ID[:], b.ID[:]) }
	compare := byID
	switch q.Get("order") {
	case "", "id":
	case "title":
		compare = func(a, b namespace) int { return cmp.Or(cmp.Compare(a.Title, b.Title), byID(a, b)) }
	default:
		return nil, badRequest(codeInvalidOrder, "invalid order: use id or title")
	}
	switch q.Get("direction") {
	case "", "asc":
		return compare, nil
	case "desc":
		return func(a, b namespace) int { return compare(b, a) }, nil
	}
	return nil, badRequest(codeInvalidSort, "invalid direction: use asc or desc")
}

func (c *call) createNamespace() error {
	spec, err := c.namespaceBody()
	if err != nil {
		return err
	}
	ifNotExists, err := c.ifNotExists()
	if err != nil {
		return err
	}
	c.title = spec.title
	if err := c.announce(); err != nil {
		return err
	}
	requestKey := api.NamespaceRequestKey(c.requestID, spec.title, spec.jurisdiction)
	var ns *godwit.Namespace
	if ifNotExists {
		ns, _, err = c.h.catalog.EnsureNamespace(c.ctx(), spec.title, spec.jurisdiction, requestKey)
	} else {
		ns, err = c.h.catalog.CreateNamespace(c.ctx(), spec.title, spec.jurisdiction, requestKey)
	}
	if err != nil {
		return err
	}
	return c.replyChanged(ns)
}

// ifNotExists tells whether a namespace that exists already is to be answered as
// if it had been made now. Error: a header that says neither.
func (c *call) ifNotExists() (bool, error) {
	switch text := c.r.Header.Get(api.HeaderIfNotExists); text {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, badRequest(codeInvalidArgument, "invalid %s: use true or false", api.HeaderIfNotExists)
}

func (c *call) getNamespace() error { return c.reply(shownNamespace(c.ns), nil) }

func (c *call) renameNamespace() error {
	spec, err := c.namespaceBody()
	if err != nil {
		return err
	}
	ns, err := c.h.catalog.RenameNamespace(c.ctx(), c.ns.ID, spec.title, api.RenameRequestKey(c.requestID, c.ns.ID, spec.title))
	if err != nil {
		return err
	}
	return c.replyChanged(ns)
}

func (c *call) replyChanged(ns *godwit.Namespace) error {
	c.ns = ns
	c.revision(ns.Revision)
	return c.reply(shownNamespace(ns), nil)
}

func (c *call) deleteNamespace() error {
	if err := c.h.catalog.DeleteNamespace(c.ctx(), c.ns.ID, api.DeleteRequestKey(c.requestID, c.ns.ID)); err != nil {
		return err
	}
	c.revision(c.h.service.Revision())
	return c.reply(nil, nil)
}

type namespaceSpec struct {
	title        string
	jurisdiction string
}

// namespaceBody reads {"title": ..., "jurisdiction": ...}; other fields are
// ignored. Errors: Cloudflare's 10010 and 10019, CodeBodyTooLarge.
func (c *call) namespaceBody() (namespaceSpec, error) {
	text, err := c.small(maxSmallBody)
	if err != nil {
		return namespaceSpec{}, err
	}
	if !utf8.Valid(text) { // else the title would be another
		return namespaceSpec{}, badRequest(codeMalformedTitle, "malformed namespace: the body is not UTF-8")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil || fields == nil {
		return namespaceSpec{}, badRequest(codeMalformedTitle, "malformed namespace: the body is not a JSON object")
	}
	title, err := stringField(fields, "title")
	if err != nil {
		return namespaceSpec{}, err
	}
	if title == "" {
		return namespaceSpec{}, godwit.ValidateTitle(title)
	}
	jurisdiction, err := stringField(fields, "jurisdiction")
	return namespaceSpec{title: title, jurisdiction: jurisdiction}, err
}

// stringField is a field that is a string, or "" if it is absent or null.
func stringField(fields map[string]json.RawMessage, name string) (string, error) {
	raw, ok := fields[name]
	if !ok {
		return "", nil
	}
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", badRequest(codeMalformedTitle, "malformed namespace: %s is not a string", name)
	}
	if s == nil {
		return "", nil
	}
	return *s, nil
}

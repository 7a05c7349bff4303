package catalog

import "github.com/godwitkv/godwit"

// Authorize is the one authorisation function: may p do what need stands for,
// to namespace ns, or (ns nil) to the account as a whole? A token limited to
// namespaces never may do anything to the account as a whole, but read its own
// part of lists, which callers filter by Token.Covers. Error: ErrForbidden.
func Authorize(p *Principal, need godwit.Permission, ns *godwit.Namespace) error {
	switch {
	case p == nil || p.Token == nil:
		return godwit.ErrForbidden
	case p.Root:
		return nil
	case !p.Token.Permission.Includes(need):
		return godwit.ErrForbidden
	case ns != nil && !p.Token.Covers(ns.ID):
		return godwit.ErrForbidden
	case ns == nil && len(p.Token.Namespaces) != 0 && need != godwit.PermissionRead:
		return godwit.ErrForbidden
	}
	return nil
}

// Limited is the id of a token that is limited to namespaces, "" of any other: who may
// do something everywhere is not kept from doing much of it.
func (p *Principal) Limited() string {
	if p == nil || p.Root || p.Token == nil || len(p.Token.Namespaces) == 0 {
		return ""
	}
	return p.Token.ID
}

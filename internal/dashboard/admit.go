package dashboard

import "github.com/godwitkv/godwit"

// admit counts what a request does to keys of ns, of the requests of the token and of
// those of the namespace. Once is enough: what a page needs besides is not counted, and
// what the node's own APIs carry out they count. Errors: godwit.ErrTokenRate,
// godwit.ErrNamespaceRate.
func (d *Dashboard) admit(c *call, ns *godwit.Namespace) error {
	if err := d.cfg.Service.AdmitToken(c.principal); err != nil {
		return err
	}
	return d.cfg.Service.AdmitNamespace(ns)
}

// namespaceOfKeys finds the namespace of a request that reads or writes keys, and admits it.
func (d *Dashboard) namespaceOfKeys(c *call, need godwit.Permission) (*godwit.Namespace, error) {
	ns, err := d.namespace(c, need)
	if err != nil {
		return nil, err
	}
	return ns, d.admit(c, ns)
}

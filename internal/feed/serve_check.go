package feed

import (
	"context"
	"slices"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// transit is for how long a write may have been on its way since the node that
// took it in judged how long its entry is to live: a value of any length over a
// slow line, and nodes that tried again.
const transit = 10 * 60

// checker checks the transactions of one request.
type checker struct {
	s          *Server
	ctx        context.Context // bounds how long namespaces are looked for
	principal  *catalog.Principal
	namespaces map[godwit.NamespaceID]*godwit.Namespace // those that p may write to
	now        int64

	count int   // mutations and conditions
	bytes int64 // of values
}

func (c *checker) transaction(t *godwit.Transaction) error {
	if len(t.Mutations)+len(t.Conditions) == 0 {
		return godwit.Errorf(godwit.CodeInvalidRequest, "A transaction has at least one mutation or condition.")
	}
	c.count += len(t.Mutations) + len(t.Conditions)
	for i := range t.Conditions {
		if _, err := c.namespace(t.Conditions[i].Namespace); err != nil {
			return err
		}
		if err := godwit.ValidateKey(t.Conditions[i].Key); err != nil {
			return err
		}
	}
	inline := 0
	for i := range t.Mutations {
		if err := c.mutation(&t.Mutations[i]); err != nil {
			return err
		}
		inline += len(t.Mutations[i].Value.Inline)
	}
	if inline > godwit.MaxTransactionBytes {
		return godwit.Errorf(godwit.CodeBodyTooLarge, "Values of %d bytes in one transaction exceed the limit of %d.", inline, godwit.MaxTransactionBytes)
	}
	return addsOnce(t.Mutations)
}

// addsOnce holds that no other mutation names the key of an add.
func addsOnce(mutations []godwit.Mutation) error {
	type place struct {
		ns  godwit.NamespaceID
		key string
	}
	if !slices.ContainsFunc(mutations, func(m godwit.Mutation) bool { return m.Op == godwit.OpAdd }) {
		return nil
	}
	named := make(map[place]bool, len(mutations))
	for i := range mutations {
		p := place{mutations[i].Namespace, mutations[i].Key}
		if named[p] {
			return godwit.Errorf(godwit.CodeInvalidRequest, "A transaction that adds to a value names a key twice.")
		}
		named[p] = true
	}
	return nil
}

func (c *checker) mutation(m *godwit.Mutation) error {
	ns, err := c.namespace(m.Namespace)
	if err != nil {
		return err
	}
	if err := godwit.ValidateKey(m.Key); err != nil || m.Op == godwit.OpDelete {
		return err
	}
	limits := c.s.cfg.Limits.For(ns.Settings)
	n := m.Value.Size()
	c.bytes += n
	switch {
	case n > limits.MaxValueBytes:
		return godwit.Errorf(godwit.CodeValueTooLarge, "Value length of %d exceeds limit of %d.", n, limits.MaxValueBytes)
	case m.Expiration > godwit.MaxExpiration:
		return godwit.Errorf(godwit.CodeInvalidExpiration, "Invalid expiration of %d. The time is too far in the future.", m.Expiration)
	case m.Expiration != 0 && ns.Settings.MinExpirationTTL != nil && m.Expiration < c.now+*ns.Settings.MinExpirationTTL-transit:
		return godwit.Errorf(godwit.CodeInvalidExpiration, "Invalid expiration of %d. Expiration times must be at least %d seconds in the future.", m.Expiration, *ns.Settings.MinExpirationTTL)
	case m.Metadata != nil:
		return godwit.ValidateMetadata(m.Metadata)
	}
	return nil
}

// namespace is a namespace that p may write to. One that is not known here is
// left to the log, which knows. Error: CodeForbidden.
func (c *checker) namespace(id godwit.NamespaceID) (*godwit.Namespace, error) {
	if ns, ok := c.namespaces[id]; ok {
		return ns, nil
	}
	if id == godwit.SystemNamespace {
		return nil, godwit.Errorf(godwit.CodeForbidden, "The catalog is not changed by transactions.")
	}
	ns := &godwit.Namespace{ID: id}
	if err := catalog.Authorize(c.principal, godwit.PermissionWrite, ns); err != nil {
		return nil, err
	}
	if known, err := c.s.cfg.Catalog().Namespace(c.ctx, id); err == nil {
		ns = known
	}
	c.namespaces[id] = ns
	return ns, nil
}

package catalog

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"

	"github.com/godwitkv/godwit"
)

// maxAttempts bounds how often a change is proposed again after another one
// came in between.
const maxAttempts = 8

// Namespace returns the namespace with this id. Errors: ErrNamespaceNotFound;
// CodeUnavailable, if only an upstream that is away may know it.
func (c *Catalog) Namespace(ctx context.Context, id godwit.NamespaceID) (*godwit.Namespace, error) {
	if ns, ok := c.index.Load().namespaces[id]; ok {
		return ns, nil
	}
	if err := c.refresh(ctx); err != nil {
		return nil, err
	}
	if ns, ok := c.index.Load().namespaces[id]; ok {
		return ns, nil
	}
	return nil, godwit.ErrNamespaceNotFound
}

// NamespaceNow is Namespace as all changes have it that were acknowledged before, at any
// node. Errors: as Namespace.
func (c *Catalog) NamespaceNow(ctx context.Context, id godwit.NamespaceID) (*godwit.Namespace, error) {
	if err := c.catchUp(ctx); err != nil {
		return nil, err
	}
	if ns := c.KnownNamespace(id); ns != nil {
		return ns, nil
	}
	return nil, godwit.ErrNamespaceNotFound
}

// KnownNamespace returns the namespace with this id as far as this node's own copy knows,
// or nil. It does not wait.
func (c *Catalog) KnownNamespace(id godwit.NamespaceID) *godwit.Namespace {
	return c.index.Load().namespaces[id]
}

// Bound tells whether any namespace is of a jurisdiction.
func (c *Catalog) Bound() bool { return len(c.index.Load().bound) > 0 }

// Jurisdiction is that of a namespace as far as this node's own copy knows, "" if it
// is of none. It is on the way of reads.
func (c *Catalog) Jurisdiction(id godwit.NamespaceID) string {
	return c.index.Load().bound[id]
}

// Resolve returns the namespace whose id, or else title, is ref. It does not
// allocate when found. Errors: as Namespace.
func (c *Catalog) Resolve(ctx context.Context, ref []byte) (*godwit.Namespace, error) {
	if ns, ok := c.index.Load().resolve(ref); ok {
		return ns, nil
	}
	if err := c.refresh(ctx); err != nil {
		return nil, err
	}
	if ns, ok := c.index.Load().resolve(ref); ok {
		return ns, nil
	}
	return nil, godwit.ErrNamespaceNotFound
}

// ResolveNow is Resolve of ref as all changes have it that were acknowledged before, at
// any node: a title may have come to be another namespace's. Errors: as Resolve.
func (c *Catalog) ResolveNow(ctx context.Context, ref []byte) (*godwit.Namespace, error) {
	if id, ok := parseID(ref); ok {
		if ns := c.KnownNamespace(id); ns != nil {
			return ns, nil // an id stays the namespace's
		}
	}
	if err := c.catchUp(ctx); err != nil {
		return nil, err
	}
	if ns, ok := c.index.Load().resolve(ref); ok {
		return ns, nil
	}
	return nil, godwit.ErrNamespaceNotFound
}

func (i *index) resolve(ref []byte) (*godwit.Namespace, bool) {
	if id, ok := parseID(ref); ok {
		if ns, ok := i.namespaces[id]; ok {
			return ns, true
		}
	}
	ns, ok := i.titles[string(ref)]
	return ns, ok
}

// parseID is ParseNamespaceID without the error, which would allocate.
func parseID(ref []byte) (id godwit.NamespaceID, ok bool) {
	if len(ref) != 2*len(id) {
		return id, false
	}
	for _, c := range ref {
		if c >= 'A' && c <= 'F' {
			return id, false
		}
	}
	_, err := hex.Decode(id[:], ref)
	return id, err == nil
}

// Namespaces returns all, in order of their ids. The slice is shared: read only.
func (c *Catalog) Namespaces() []*godwit.Namespace { return c.index.Load().ordered }

// CreateNamespace makes a namespace. requestKey may be zero. Errors:
// CodeNamespaceExists, CodeTooManyNamespaces, those of ValidateTitle,
// ValidateJurisdiction, Config.MayMake and Log.Propose.
func (c *Catalog) CreateNamespace(ctx context.Context, title, jurisdiction string, requestKey godwit.RequestKey) (*godwit.Namespace, error) {
	ns, err := c.create(ctx, title, jurisdiction, requestKey)
	if err == nil && ns == nil {
		err = errNamespaceExists("create namespace")
	}
	return ns, err
}

// EnsureNamespace returns the namespace with this title, and makes it if there is
// none. The log decides which of several callers at once makes it: all return the
// same one, and created tells who did. Errors: as CreateNamespace, but
// CodeNamespaceExists only if a jurisdiction is asked for, and the one that exists
// has another; CodeUnavailable, if others keep making and deleting it.
func (c *Catalog) EnsureNamespace(ctx context.Context, title, jurisdiction string, requestKey godwit.RequestKey) (ns *godwit.Namespace, created bool, err error) {
	for range maxAttempts {
		ns, err = c.create(ctx, title, jurisdiction, requestKey)
		if ns != nil || err != nil {
			return ns, ns != nil, err
		}
		ns, ok := c.index.Load().titles[title]
		switch {
		case !ok: // it was deleted since
			continue
		case jurisdiction != "" && jurisdiction != ns.Jurisdiction:
			return nil, false, godwit.Errorf(godwit.CodeNamespaceExists, "create namespace: 'the namespace with this title has another jurisdiction'")
		}
		return ns, false, nil
	}
	return nil, false, errContended()
}

// create makes a namespace; nil without an error: the title is taken, and by
// whom stands in the index, which is at least as new as that decision.
func (c *Catalog) create(ctx context.Context, title, jurisdiction string, requestKey godwit.RequestKey) (*godwit.Namespace, error) {
	if err := godwit.ValidateTitle(title); err != nil {
		return nil, err
	}
	if err := c.checkJurisdiction(ctx, jurisdiction); err != nil {
		return nil, err
	}
	if err := c.reserve(title); err != nil {
		return nil, err
	}
	defer c.release()

	ns := &godwit.Namespace{Title: title, Jurisdiction: jurisdiction}
	_, _ = rand.Read(ns.ID[:]) // never fails: it ends the process first
	tx := c.creation(ns)
	tx.RequestKey = requestKey
	res, err := c.propose(ctx, tx)
	switch {
	case err != nil:
		return nil, err
	case res.Outcome != godwit.Applied:
		return nil, nil
	case res.Repeated:
		return c.titled(title)
	}
	return c.Namespace(ctx, ns.ID)
}

// checkJurisdiction tells whether a namespace can be made of a jurisdiction, "" for
// none.
func (c *Catalog) checkJurisdiction(ctx context.Context, j string) error {
	err := godwit.ValidateJurisdiction(j)
	if err == nil && j != "" && c.cfg.MayMake != nil {
		err = c.cfg.MayMake(ctx, j)
	}
	return err
}

// creation is the transaction that makes ns exist.
func (c *Catalog) creation(ns *godwit.Namespace) godwit.Transaction {
	title := titleKey(c.Account(), ns.Title)
	return godwit.Transaction{
		Conditions: []godwit.Condition{absent(title)},
		Mutations: []godwit.Mutation{
			put(NamespaceKey(ns.ID), encodeNamespace(ns)),
			put(title, []byte(ns.ID.String())),
		},
	}
}

// titled returns the namespace that an earlier, equal request made, under the
// id which that request drew.
func (c *Catalog) titled(title string) (*godwit.Namespace, error) {
	if ns, ok := c.index.Load().titles[title]; ok {
		return ns, nil
	}
	return nil, godwit.ErrNamespaceNotFound
}

// reserve counts a namespace about to be made. A title that is taken is let
// through: the log decides about it.
func (c *Catalog) reserve(title string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	idx := c.index.Load()
	if _, taken := idx.titles[title]; !taken && len(idx.namespaces)+c.pending >= godwit.MaxNamespaces {
		return godwit.Errorf(godwit.CodeTooManyNamespaces,
			"create namespace: 'this account has reached the limit of %d namespaces'", godwit.MaxNamespaces)
	}
	c.pending++
	return nil
}

func (c *Catalog) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending--
}

// RenameNamespace gives a namespace another title; its own is no error.
// requestKey may be zero. Errors: as CreateNamespace, ErrNamespaceNotFound.
func (c *Catalog) RenameNamespace(ctx context.Context, id godwit.NamespaceID, title string, requestKey godwit.RequestKey) (*godwit.Namespace, error) {
	if err := godwit.ValidateTitle(title); err != nil {
		return nil, err
	}
	return c.change(ctx, id, requestKey, func(ns *godwit.Namespace) (godwit.Transaction, error) {
		if ns.Title == title {
			return c.replacement(ns), nil
		}
		if other, taken := c.index.Load().titles[title]; taken && other.ID != id {
			return godwit.Transaction{}, errNamespaceExists("rename namespace")
		}
		old := titleKey(c.Account(), ns.Title)
		ns.Title = title
		tx := c.replacement(ns)
		tx.Conditions = append(tx.Conditions, absent(titleKey(c.Account(), title)))
		tx.Mutations = append(tx.Mutations,
			put(titleKey(c.Account(), title), []byte(id.String())), remove(old))
		return tx, nil
	})
}

// SetNamespace puts in place of a namespace's settings what change makes of them. It may
// be called again, where others change them meanwhile. Errors: ErrNamespaceNotFound, those
// of change, CodeInvalidRequest, those of Log.Propose.
func (c *Catalog) SetNamespace(ctx context.Context, id godwit.NamespaceID, change func(godwit.Settings) (godwit.Settings, error)) (*godwit.Namespace, error) {
	return c.change(ctx, id, godwit.RequestKey{}, func(ns *godwit.Namespace) (tx godwit.Transaction, err error) {
		if ns.Settings, err = change(ns.Settings); err != nil {
			return tx, err
		}
		if err := ns.Settings.Validate(); err != nil {
			return tx, err
		}
		return c.replacement(ns), nil
	})
}

// DeleteNamespace deletes a namespace and all its keys. Its title is free again,
// its id is not. requestKey may be zero. Errors: ErrNamespaceNotFound, those of
// Log.Propose.
func (c *Catalog) DeleteNamespace(ctx context.Context, id godwit.NamespaceID, requestKey godwit.RequestKey) error {
	return c.deleteIf(ctx, id, requestKey, func(*godwit.Namespace) error { return nil })
}

// DeleteTitled is DeleteNamespace of one that has this title when it is decided: it may
// have come to be another's. Error: CodePreconditionFailed.
func (c *Catalog) DeleteTitled(ctx context.Context, id godwit.NamespaceID, title string, requestKey godwit.RequestKey) error {
	return c.deleteIf(ctx, id, requestKey, func(ns *godwit.Namespace) error {
		if ns.Title != title {
			return godwit.Errorf(godwit.CodePreconditionFailed, "The namespace has another title now. Nothing was deleted.")
		}
		return nil
	})
}

func (c *Catalog) deleteIf(ctx context.Context, id godwit.NamespaceID, requestKey godwit.RequestKey, check func(*godwit.Namespace) error) error {
	_, err := c.change(ctx, id, requestKey, func(ns *godwit.Namespace) (godwit.Transaction, error) {
		if err := check(ns); err != nil {
			return godwit.Transaction{}, err
		}
		return godwit.Transaction{
			Conditions: []godwit.Condition{unchanged(NamespaceKey(id), ns.Revision)},
			Mutations: []godwit.Mutation{
				remove(titleKey(c.Account(), ns.Title)),
				remove(NamespaceKey(id)),
			},
		}, nil
	})
	if errors.Is(err, godwit.ErrNamespaceNotFound) && requestKey != (godwit.RequestKey{}) {
		return c.deletedBefore(ctx, id, requestKey)
	}
	return err
}

// deletedBefore tells whether an earlier, equal request deleted the namespace.
// The log is asked with conditions that cannot hold together: nothing happens.
func (c *Catalog) deletedBefore(ctx context.Context, id godwit.NamespaceID, requestKey godwit.RequestKey) error {
	res, err := c.propose(ctx, godwit.Transaction{
		RequestKey: requestKey,
		Conditions: []godwit.Condition{exists(NamespaceKey(id)), absent(NamespaceKey(id))},
	})
	if err == nil && !res.Repeated {
		err = godwit.ErrNamespaceNotFound
	}
	return err
}

// change proposes what build returns for a copy of the namespace as it stands,
// again if another change came in between, and returns the namespace as build
// left it.
func (c *Catalog) change(ctx context.Context, id godwit.NamespaceID, requestKey godwit.RequestKey, build func(*godwit.Namespace) (godwit.Transaction, error)) (*godwit.Namespace, error) {
	for range maxAttempts {
		current, err := c.Namespace(ctx, id)
		if err != nil {
			return nil, err
		}
		next := *current
		tx, err := build(&next)
		if err != nil {
			return nil, err
		}
		tx.RequestKey = requestKey // what did not happen is not remembered
		res, err := c.propose(ctx, tx)
		switch {
		case err != nil:
			return nil, err
		case res.Outcome == godwit.Applied:
			return c.changed(id, &next), nil
		}
	}
	return nil, errContended()
}

func errContended() error {
	return godwit.Errorf(godwit.CodeUnavailable, "The namespace is being changed by others: try again.")
}

// changed is the namespace as the log has it now, or next if it is gone again.
func (c *Catalog) changed(id godwit.NamespaceID, next *godwit.Namespace) *godwit.Namespace {
	if ns, ok := c.index.Load().namespaces[id]; ok {
		return ns
	}
	return next
}

// replacement is the transaction that puts ns in place of the revision that it
// was read at.
func (c *Catalog) replacement(ns *godwit.Namespace) godwit.Transaction {
	return godwit.Transaction{
		Conditions: []godwit.Condition{unchanged(NamespaceKey(ns.ID), ns.Revision)},
		Mutations:  []godwit.Mutation{put(NamespaceKey(ns.ID), encodeNamespace(ns))},
	}
}

func errNamespaceExists(operation string) error {
	return godwit.Errorf(godwit.CodeNamespaceExists,
		"%s: 'a namespace with this account ID and title already exists'", operation)
}

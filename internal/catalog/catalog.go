// Package catalog owns accounts, namespaces with their settings, and tokens,
// and the one authorisation function that every path of every API asks.
//
// The catalog is entries in the system namespace: it replicates, follows
// conditions and is backed up like all else. This package keeps them indexed in
// memory, immutable and swapped whole, so that a look-up costs a map access and
// no lock. It changes them only by proposing transactions to the log.
//
// It may import the domain alone: not the store, not HTTP.
package catalog

import (
	"context"
	"time"

	"github.com/godwitkv/godwit"
)

// Source scans the store; *store.Store is one.
type Source interface {
	// Scan calls fn for each live entry of ns whose key starts with prefix, in
	// order, with its value inline, until fn returns an error.
	Scan(ns godwit.NamespaceID, prefix string, fn func(*godwit.Entry) error) error
}

// Config is what a catalog needs. All fields but Account and RootToken are
// required.
type Config struct {
	Source    Source
	Log       godwit.Log
	Account   string           // 32 hex characters; "": the stored one, or a new one
	RootToken string           // the secret
	Now       func() time.Time // corrected clock
}

// Catalog is the index. Its methods may be called from many goroutines.
type Catalog struct{}

// Open reads the catalog from the source and, where there is no account yet,
// makes one. A stored account other than cfg.Account is an error that names both.
func Open(ctx context.Context, cfg Config) (*Catalog, error) { panic("stub") }

// Apply takes up committed records of the system namespace, in order. The store
// calls it before anyone is told that they are committed.
func (c *Catalog) Apply(records []godwit.Record) { panic("stub") }

// Account is the id of the account that all namespaces belong to.
func (c *Catalog) Account() string { panic("stub") }

// Namespace returns the namespace with this id, or ErrNamespaceNotFound.
func (c *Catalog) Namespace(ctx context.Context, id godwit.NamespaceID) (*godwit.Namespace, error) {
	panic("stub")
}

// Resolve returns the namespace whose id, or else title, is ref. It does not
// allocate when found. Error: ErrNamespaceNotFound.
func (c *Catalog) Resolve(ctx context.Context, ref []byte) (*godwit.Namespace, error) {
	panic("stub")
}

// Namespaces returns all, in order of their ids. The slice is shared: read only.
func (c *Catalog) Namespaces() []*godwit.Namespace { panic("stub") }

// CreateNamespace makes a namespace. requestKey may be zero. Errors:
// CodeNamespaceExists, CodeTooManyNamespaces, those of ValidateTitle,
// ValidateJurisdiction and Log.Propose.
func (c *Catalog) CreateNamespace(ctx context.Context, title, jurisdiction string, requestKey godwit.RequestKey) (*godwit.Namespace, error) {
	panic("stub")
}

// RenameNamespace gives a namespace another title; its own is no error. Errors:
// as CreateNamespace, ErrNamespaceNotFound.
func (c *Catalog) RenameNamespace(ctx context.Context, id godwit.NamespaceID, title string) (*godwit.Namespace, error) {
	panic("stub")
}

// SetNamespace replaces a namespace's settings. Errors: ErrNamespaceNotFound,
// CodeInvalidRequest, those of Log.Propose.
func (c *Catalog) SetNamespace(ctx context.Context, id godwit.NamespaceID, s godwit.Settings) (*godwit.Namespace, error) {
	panic("stub")
}

// DeleteNamespace deletes a namespace and all its keys. Its title is free again,
// its id is not. Errors: ErrNamespaceNotFound, those of Log.Propose.
func (c *Catalog) DeleteNamespace(ctx context.Context, id godwit.NamespaceID) error { panic("stub") }

// NamespaceKey is the key, in the system namespace, of the entry that makes a
// namespace exist.
func NamespaceKey(id godwit.NamespaceID) string { return namespacePrefix + id.String() }

const namespacePrefix = "namespace/"

// CreateToken makes a token from the fields Name, Permission, Namespaces and
// Expires of spec, and returns its secret, which is kept nowhere. Errors:
// CodeInvalidRequest, ErrNamespaceNotFound, those of Log.Propose.
func (c *Catalog) CreateToken(ctx context.Context, spec godwit.Token) (secret string, t *godwit.Token, err error) {
	panic("stub")
}

// Tokens returns all but the root token, oldest first.
func (c *Catalog) Tokens() []*godwit.Token { panic("stub") }

// RevokeToken deletes a token. Error: CodeTokenNotFound, those of Log.Propose.
func (c *Catalog) RevokeToken(ctx context.Context, id string) error { panic("stub") }

// SetRootToken puts another root token in force, at once, at this node.
func (c *Catalog) SetRootToken(secret string) { panic("stub") }

// Principal is who a credential stands for: shared and immutable.
type Principal struct {
	Token *godwit.Token
	Root  bool
}

// Authenticate returns whom the secret stands for. It does not allocate when it
// is known. Error: ErrUnauthenticated, for an expired or revoked one too.
func (c *Catalog) Authenticate(secret []byte) (*Principal, error) { panic("stub") }

// Authorize is the one authorisation function: may p do what need stands for,
// to namespace ns, or (ns nil) to the account as a whole? A token limited to
// namespaces never may do anything to the account as a whole, but read its own
// part of lists, which callers filter by Token.Covers. Error: ErrForbidden.
func Authorize(p *Principal, need godwit.Permission, ns *godwit.Namespace) error { panic("stub") }

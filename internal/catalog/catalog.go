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
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitkv/godwit"
)

// Source scans the store; *store.Store is one.
type Source interface {
	// Scan calls fn for each live entry of ns whose key starts with prefix, in
	// order, with its value inline, until fn returns an error.
	Scan(ns godwit.NamespaceID, prefix string, fn func(*godwit.Entry) error) error
}

// Config is what a catalog needs. Source, Log and Now are required.
type Config struct {
	Source    Source
	Log       godwit.Log
	Account   string           // 32 hex characters; "": the stored one, or a new one
	RootToken string           // the secret; "": there is none
	Now       func() time.Time // corrected clock

	// Follower is for a node whose log is at an upstream: the account comes with
	// the upstream's data, and is never made here.
	Follower bool
	// Identify asks upstream whom a credential stands for that is not known
	// here. Error: ErrUnauthenticated; any other means that it could not be
	// asked. nil: what is not known here is not known.
	Identify func(ctx context.Context, secret []byte) (t *godwit.Token, root bool, err error)
	// MayMake tells why no namespace of a jurisdiction can be made, nil if one can.
	// nil: any can.
	MayMake func(ctx context.Context, jurisdiction string) error
	// Refresh waits, bounded, until this node has all that stood upstream when
	// it was called; it is called before a namespace that is not known here is
	// refused. nil: what is not known here does not exist.
	Refresh func(ctx context.Context) error
}

// Catalog is the index. Its methods may be called from many goroutines.
type Catalog struct {
	cfg Config

	root  atomic.Pointer[rootToken]
	index atomic.Pointer[index]

	mu      sync.Mutex          // held to replace index, and for what follows
	pending int                 // namespaces being created
	revoked map[string]struct{} // ids of tokens deleted while this node follows
}

// Open reads the catalog from the source and, where there is no account yet and
// the node is no follower, makes one. A stored account other than cfg.Account is
// an error that names both.
//
// Records committed while Open runs may be missing from what it read: who
// starts it keeps them and gives them to Apply afterwards, in order. Applying
// what was already read does no harm.
func Open(ctx context.Context, cfg Config) (*Catalog, error) {
	if cfg.Account != "" && !validHexID(cfg.Account) {
		return nil, fmt.Errorf("account %q is not 32 lower-case hexadecimal characters", cfg.Account)
	}
	c := &Catalog{cfg: cfg, revoked: make(map[string]struct{})}
	c.SetRootToken(cfg.RootToken)
	idx, err := load(cfg.Source)
	if err != nil {
		return nil, err
	}
	if idx.account == "" && !cfg.Follower {
		if idx, err = c.createAccount(ctx, cfg); err != nil {
			return nil, err
		}
	}
	if cfg.Account != "" && idx.account != "" && cfg.Account != idx.account {
		return nil, fmt.Errorf("the data belongs to account %s, not to account %s", idx.account, cfg.Account)
	}
	c.index.Store(idx)
	return c, nil
}

// createAccount makes the account and returns the catalog as it is then. When
// another node made one first, that is the account.
func (c *Catalog) createAccount(ctx context.Context, cfg Config) (*index, error) {
	id := cfg.Account
	if id == "" {
		id = randomHexID()
	}
	tx := godwit.Transaction{
		Conditions: []godwit.Condition{absent(accountKey)},
		Mutations: []godwit.Mutation{
			put(accountKey, []byte(id)),
			put(accountPrefix+id, encodeAccount(id, cfg.Now().Unix())),
		},
	}
	if _, err := c.propose(ctx, tx); err != nil {
		return nil, fmt.Errorf("create account: %w", err)
	}
	idx, err := load(cfg.Source)
	if err != nil {
		return nil, err
	}
	if idx.account == "" {
		return nil, fmt.Errorf("create account %s: the store does not show it", id)
	}
	return idx, nil
}

// EnsureAccount makes the account, if the log has none yet: for a follower whose
// log may be one that it began itself. Errors: the account is another than
// cfg.Account; those of Log.Propose.
func (c *Catalog) EnsureAccount(ctx context.Context) error {
	if id := c.index.Load().account; id != "" {
		if c.cfg.Account != "" && id != c.cfg.Account {
			return fmt.Errorf("the data belongs to account %s, not to account %s", id, c.cfg.Account)
		}
		return nil
	}
	_, err := c.createAccount(ctx, c.cfg)
	return err
}

// load indexes what the source holds.
func load(src Source) (*index, error) {
	e := newEdit(new(index))
	err := src.Scan(godwit.SystemNamespace, "", func(entry *godwit.Entry) error {
		return e.put(entry.Key, entry.Value.Inline, entry.Revision)
	})
	if err != nil {
		return nil, fmt.Errorf("read catalog: %w", err)
	}
	return e.index(), nil
}

// Apply takes up committed records of the system namespace, in order. The store
// calls it before anyone is told that they are committed.
func (c *Catalog) Apply(records []godwit.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := newEdit(c.index.Load())
	for i := range records {
		e.apply(&records[i])
		c.noteRevoked(&records[i])
	}
	c.index.Store(e.index())
}

// Account is the id of the account that all namespaces belong to: at a follower
// that has not learnt it yet the one in its configuration, or "".
func (c *Catalog) Account() string {
	if id := c.index.Load().account; id != "" {
		return id
	}
	return c.cfg.Account
}

// propose orders one transaction and returns what became of it.
func (c *Catalog) propose(ctx context.Context, tx godwit.Transaction) (godwit.Result, error) {
	results, err := c.cfg.Log.Propose(ctx, []godwit.Transaction{tx})
	if err != nil {
		return godwit.Result{}, err
	}
	if len(results) != 1 {
		return godwit.Result{}, godwit.ErrOutcomeUnknown
	}
	return results[0], nil
}

package catalog

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"unicode/utf8"

	"github.com/godwitkv/godwit"
)

// SecretPrefix starts the secret of every token made here, so that one that
// leaked into a text can be found.
const SecretPrefix = "gdw_"

// maxTokenNameRunes bounds what a token may be called.
const maxTokenNameRunes = 256

// maxSecretBytes bounds what is looked up, or asked upstream, as a secret: a root
// token that was given is the longest there is.
const maxSecretBytes = 512

// Principal is who a credential stands for: shared and immutable.
type Principal struct {
	Token *godwit.Token
	Root  bool
}

type rootToken struct {
	hash      [sha256.Size]byte
	principal Principal
}

// SetRootToken puts another root token in force, at once, at this node. With
// "" there is none.
func (c *Catalog) SetRootToken(secret string) {
	if secret == "" {
		c.root.Store(nil)
		return
	}
	c.SetRootHash(sha256.Sum256([]byte(secret)))
}

// SetRootHash is SetRootToken for one of which only the SHA-256 is known here.
func (c *Catalog) SetRootHash(hash [sha256.Size]byte) {
	token := &godwit.Token{ID: "root", Name: "root", Permission: godwit.PermissionAdmin, Hash: hash}
	c.root.Store(&rootToken{hash: hash, principal: Principal{Token: token, Root: true}})
}

// Authenticate returns whom the secret stands for. It does not allocate when
// that is known here. Errors: ErrUnauthenticated, for an expired or revoked one
// too; CodeUnavailable, if only an upstream that is away may know it.
//
// Secrets are compared by their hashes, so how long it takes tells nothing of
// how near a guess came.
func (c *Catalog) Authenticate(ctx context.Context, secret []byte) (*Principal, error) {
	if len(secret) == 0 || len(secret) > maxSecretBytes {
		return nil, godwit.ErrUnauthenticated
	}
	p, ok := c.known(secret)
	switch {
	case ok && (p.Root || !c.expired(p.Token)):
		return p, nil
	case ok || c.cfg.Identify == nil:
		return nil, godwit.ErrUnauthenticated
	}
	return c.identify(ctx, secret)
}

// Known is whom a secret stands for as far as this node's own copy knows, for
// Config.Identify. Error: ErrUnauthenticated.
func (c *Catalog) Known(secret []byte) (*Principal, error) {
	if p, ok := c.known(secret); ok {
		return p, nil
	}
	return nil, godwit.ErrUnauthenticated
}

// known finds a secret's principal, which may have expired.
func (c *Catalog) known(secret []byte) (*Principal, bool) {
	hash := sha256.Sum256(secret)
	if root := c.root.Load(); root != nil && subtle.ConstantTimeCompare(hash[:], root.hash[:]) == 1 {
		return &root.principal, true
	}
	p, ok := c.index.Load().hashes[hash]
	return p, ok
}

func (c *Catalog) expired(t *godwit.Token) bool {
	return t.Expires != 0 && t.Expires <= c.cfg.Now().Unix()
}

// CreateToken makes a token from the fields Name, Permission, Namespaces, Expires
// and RequestsPerSecond of spec, and returns its secret, which is kept nowhere. Errors:
// CodeInvalidRequest, ErrNamespaceNotFound, those of Log.Propose.
func (c *Catalog) CreateToken(ctx context.Context, spec godwit.Token) (secret string, t *godwit.Token, err error) {
	now := c.cfg.Now().Unix()
	if err := c.checkToken(&spec, now); err != nil {
		return "", nil, err
	}
	secret = newSecret()
	t = &godwit.Token{
		ID:         randomHexID(),
		Name:       spec.Name,
		Permission: spec.Permission,
		Namespaces: distinct(spec.Namespaces),
		Created:    now,
		Expires:    spec.Expires,
		Hash:       sha256.Sum256([]byte(secret)),

		RequestsPerSecond: spec.RequestsPerSecond,
	}
	tx := godwit.Transaction{
		Conditions: []godwit.Condition{absent(tokenPrefix + t.ID)},
		Mutations:  []godwit.Mutation{put(tokenPrefix+t.ID, encodeToken(t))},
	}
	for _, id := range t.Namespaces {
		tx.Conditions = append(tx.Conditions, exists(NamespaceKey(id)))
	}
	res, err := c.propose(ctx, tx)
	switch {
	case err != nil:
		return "", nil, err
	case res.Outcome != godwit.Applied: // a namespace was deleted just now
		return "", nil, godwit.ErrNamespaceNotFound
	}
	return secret, t, nil
}

func (c *Catalog) checkToken(spec *godwit.Token, now int64) error {
	idx := c.index.Load()
	switch {
	case !utf8.ValidString(spec.Name) || utf8.RuneCountInString(spec.Name) > maxTokenNameRunes:
		return godwit.Errorf(godwit.CodeInvalidRequest, "a token's name is UTF-8 of at most %d characters", maxTokenNameRunes)
	case !slices.Contains(godwit.Permissions(), spec.Permission):
		return godwit.Errorf(godwit.CodeInvalidRequest, "a token's permission is read, write, replicate or admin")
	case spec.Expires != 0 && spec.Expires <= now:
		return godwit.Errorf(godwit.CodeInvalidRequest, "a token's expiry must be in the future")
	case spec.Expires > godwit.MaxExpiration:
		return godwit.Errorf(godwit.CodeInvalidRequest, "a token's expiry is too far in the future")
	case len(spec.Namespaces) > godwit.MaxNamespaces:
		return godwit.Errorf(godwit.CodeInvalidRequest, "a token may be limited to at most %d namespaces", godwit.MaxNamespaces)
	case len(idx.tokens) >= godwit.MaxTokens:
		return godwit.Errorf(godwit.CodeInvalidRequest, "there are %d tokens, which is the limit: revoke some", len(idx.tokens))
	}
	if spec.RequestsPerSecond != 0 {
		if err := godwit.ValidateRequestRate(spec.RequestsPerSecond); err != nil {
			return err
		}
	}
	for _, id := range spec.Namespaces {
		if _, ok := idx.namespaces[id]; !ok {
			return godwit.ErrNamespaceNotFound
		}
	}
	return nil
}

// newSecret is 256 random bits as text.
func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process first
	return SecretPrefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// distinct returns ids once each, in the order given; nil if there are none.
func distinct(ids []godwit.NamespaceID) []godwit.NamespaceID {
	var out []godwit.NamespaceID
	seen := make(map[godwit.NamespaceID]bool, len(ids))
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

// Tokens returns all but the root token, oldest first. The slice is shared:
// read only.
func (c *Catalog) Tokens() []*godwit.Token { return c.index.Load().oldest }

// RevokeToken deletes a token. Error: CodeTokenNotFound, those of Log.Propose.
func (c *Catalog) RevokeToken(ctx context.Context, id string) error {
	if !validHexID(id) {
		return errTokenNotFound()
	}
	res, err := c.propose(ctx, godwit.Transaction{
		Conditions: []godwit.Condition{exists(tokenPrefix + id)},
		Mutations:  []godwit.Mutation{remove(tokenPrefix + id)},
	})
	switch {
	case err != nil:
		return err
	case res.Outcome != godwit.Applied:
		return errTokenNotFound()
	}
	return nil
}

func errTokenNotFound() error {
	return godwit.Errorf(godwit.CodeTokenNotFound, "token not found")
}

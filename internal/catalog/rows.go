package catalog

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/godwitkv/godwit"
)

// The rows of the system namespace. Rows under other keys are a later
// version's, and are left alone.
//
//	account                      id of the account of all namespaces, as text
//	account/<id>                 JSON of accountRow
//	namespace/<id>               JSON of godwit.Namespace: makes the namespace exist
//	title/<account>/<title>      id of the namespace that has the title, as text
//	longtitle/<account>/<hash>   the same, for a title too long for a key:
//	                             hash is its SHA-256 in hexadecimal
//	token/<id>                   JSON of tokenRow
//	cleared/<id>/<prefix>        empty: it has cleared the keys of namespace id with that
//	                             prefix that were there before it (godwit.ClearingKey)
const (
	accountKey      = "account"
	accountPrefix   = "account/"
	namespacePrefix = "namespace/"
	titlePrefix     = "title/"
	longTitlePrefix = "longtitle/"
	tokenPrefix     = "token/"
)

// maxKeyTitleBytes is the longest title that stands in its key as it is.
const maxKeyTitleBytes = 256

// NamespaceKey is the key, in the system namespace, of the entry that makes a
// namespace exist.
func NamespaceKey(id godwit.NamespaceID) string { return namespacePrefix + id.String() }

func titleKey(account, title string) string {
	if len(title) <= maxKeyTitleBytes {
		return titlePrefix + account + "/" + title
	}
	hash := sha256.Sum256([]byte(title))
	return longTitlePrefix + account + "/" + hex.EncodeToString(hash[:])
}

type accountRow struct {
	ID      string `json:"id"`
	Created int64  `json:"created"` // unix seconds
}

func encodeAccount(id string, created int64) []byte {
	return mustJSON(accountRow{ID: id, Created: created})
}

func encodeNamespace(ns *godwit.Namespace) []byte { return mustJSON(ns) }

// MadeBy is the namespace as a record puts it into the catalog, nil if the record
// does not.
func MadeBy(r *godwit.Record) *godwit.Namespace {
	if r.Namespace != godwit.SystemNamespace || r.Op != godwit.OpPut || !strings.HasPrefix(r.Key, namespacePrefix) {
		return nil
	}
	ns, err := decodeNamespace(r.Key, r.Value.Inline, r.Revision)
	if err != nil {
		return nil
	}
	return ns
}

// Stored returns the namespaces that a source holds, in order of their ids.
func Stored(src Source) ([]*godwit.Namespace, error) {
	idx, err := load(src)
	if err != nil {
		return nil, err
	}
	return idx.ordered, nil
}

// decodeNamespace reads the row under NamespaceKey. The id in the key rules.
func decodeNamespace(key string, value []byte, r godwit.Revision) (*godwit.Namespace, error) {
	id, err := godwit.ParseNamespaceID(strings.TrimPrefix(key, namespacePrefix))
	if err != nil {
		return nil, fmt.Errorf("read catalog row %q: %w", key, err)
	}
	ns := new(godwit.Namespace)
	if err := json.Unmarshal(value, ns); err != nil {
		return nil, fmt.Errorf("read catalog row %q: %w", key, err)
	}
	ns.ID, ns.Revision = id, r
	return ns, nil
}

type tokenRow struct {
	godwit.Token
	Hash string `json:"hash"` // SHA-256 of the secret, hexadecimal
}

func encodeToken(t *godwit.Token) []byte {
	return mustJSON(tokenRow{Token: *t, Hash: hex.EncodeToString(t.Hash[:])})
}

// decodeToken reads the row under a token's key. The id in the key rules.
func decodeToken(key string, value []byte) (*godwit.Token, error) {
	var row tokenRow
	if err := json.Unmarshal(value, &row); err != nil {
		return nil, fmt.Errorf("read catalog row %q: %w", key, err)
	}
	id := strings.Clone(strings.TrimPrefix(key, tokenPrefix)) // key is valid during the call only
	hash, err := hex.DecodeString(row.Hash)
	if err != nil || len(hash) != sha256.Size || !validHexID(id) {
		return nil, fmt.Errorf("read catalog row %q: malformed id or hash", key)
	}
	t := row.Token
	t.ID, t.Hash = id, [sha256.Size]byte(hash)
	if len(t.Namespaces) == 0 {
		t.Namespaces = nil // one spelling of "all"
	}
	return &t, nil
}

// mustJSON encodes rows, whose types always can be.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return b
}

// validHexID tells whether s is 32 lower-case hexadecimal characters.
func validHexID(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == 32
}

func randomHexID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails: it ends the process first
	return hex.EncodeToString(id[:])
}

func put(key string, value []byte) godwit.Mutation {
	return godwit.Mutation{Op: godwit.OpPut, Key: key, Value: godwit.Value{Inline: value}}
}

func remove(key string) godwit.Mutation {
	return godwit.Mutation{Op: godwit.OpDelete, Key: key}
}

func absent(key string) godwit.Condition {
	return godwit.Condition{Kind: godwit.MustBeAbsent, Key: key}
}

func exists(key string) godwit.Condition {
	return godwit.Condition{Kind: godwit.MustExist, Key: key}
}

func unchanged(key string, r godwit.Revision) godwit.Condition {
	return godwit.Condition{Kind: godwit.MustMatch, Key: key, Revisions: []godwit.Revision{r}}
}

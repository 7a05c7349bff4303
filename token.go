package godwit

import "slices"

// Permission is what a token may do. Each includes what its comment says.
type Permission string

// The permissions.
const (
	PermissionRead      Permission = "read"      // values, metadata, lists
	PermissionWrite     Permission = "write"     // and put, delete; includes read
	PermissionReplicate Permission = "replicate" // follow the feed; includes read, never write
	PermissionAdmin     Permission = "admin"     // namespaces, tokens, settings; includes all others
)

// Permissions are all there are, weakest first.
func Permissions() []Permission {
	return []Permission{PermissionRead, PermissionReplicate, PermissionWrite, PermissionAdmin}
}

// Includes tells whether who holds p may do what need stands for.
func (p Permission) Includes(need Permission) bool {
	switch p {
	case PermissionAdmin:
		return true
	case PermissionWrite, PermissionReplicate:
		return need == p || need == PermissionRead
	default:
		return need == p
	}
}

// Token is a credential as the catalog keeps it: never the secret itself.
type Token struct {
	ID         string        `json:"id"` // 32 hexadecimal characters
	Name       string        `json:"name,omitempty"`
	Permission Permission    `json:"permission"`
	Namespaces []NamespaceID `json:"namespaces,omitempty"` // empty: all
	Created    int64         `json:"created"`              // unix seconds
	Expires    int64         `json:"expires,omitempty"`    // unix seconds; 0: never
	Hash       [32]byte      `json:"-"`                    // SHA-256 of the secret

	RequestsPerSecond float64 `json:"requests_per_second,omitempty"` // at each node; 0: no limit
}

// Covers tells whether the token is for namespace ns.
func (t *Token) Covers(ns NamespaceID) bool {
	return len(t.Namespaces) == 0 || slices.Contains(t.Namespaces, ns)
}

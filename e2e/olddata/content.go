// Package olddata owns data directories that earlier versions of godwit wrote: how they
// are made, packed, and described. It must import nothing of godwit.
package olddata

import (
	"crypto/sha256"
	"encoding/hex"
)

// What every directory is of.
const (
	Account   = "0123456789abcdef0123456789abcdef"
	RootToken = "e2e-root-token-0123456789"
	Namespace = "birds"
	Cluster   = "flock" // of a member
	Node      = "n1"    // the member
)

// Content is what stands in the directories of an archive. Each of them has all of it, but for earlier values.
type Content struct {
	NamespaceID string          `json:"namespace_id"` // of Namespace
	Keys        map[string]Key  `json:"keys"`
	Absent      []string        `json:"absent"`             // keys that were deleted
	Versions    map[string]int  `json:"versions,omitempty"` // how many earlier values a key has
	Tokens      map[string]bool `json:"tokens"`             // a token: it may write
	Directories []Directory     `json:"directories"`
}

// Key is what is known of a key.
type Key struct {
	SHA256     string `json:"sha256"`               // of its value, in hex
	Metadata   string `json:"metadata,omitempty"`   // JSON
	Expiration int64  `json:"expiration,omitempty"` // unix seconds
}

// Directory is one of an archive.
type Directory struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
	Keys bool   `json:"keys,omitempty"` // it is encrypted, by the key in Name.key
	Kept bool   `json:"kept,omitempty"` // it has the earlier values too, which a backup has not

	// Recipient is who a repository is encrypted for, by age: the identity in Name.identity.
	Recipient string `json:"recipient,omitempty"`
}

// Kind is what a directory was to the program.
type Kind string

// The kinds of directories.
const (
	Centre     Kind = "centre"     // of a node that was killed, but for Stopped
	Edge       Kind = "edge"       // of a follower of the centre, which was stopped
	Backup     Kind = "backup"     // as "godwit backup" made it
	Member     Kind = "member"     // of the one member of Cluster, which was killed
	Repository Kind = "repository" // of two backups
)

// Stopped is the name of a centre's directory that was stopped in order.
const Stopped = "stopped"

// Sum is how a Key tells its value.
func Sum(value []byte) string {
	sum := sha256.Sum256(value)
	return hex.EncodeToString(sum[:])
}

package feed

import "github.com/godwitkv/godwit"

// identity is whom a credential stands for.
type identity struct {
	Token *godwit.Token `json:"token,omitempty"` // nil: for nobody
	Root  bool          `json:"root,omitempty"`
}

const (
	maxSecretBytes = 4 << 10 // of a credential
	// maxIdentityBytes has room for a token of all namespaces that there can be.
	maxIdentityBytes = 64<<10 + 64*godwit.MaxNamespaces
)

package transfer

import (
	"context"
	"errors"
	"fmt"

	"github.com/godwitkv/godwit/client"
)

// HasNamespace tells whether there is a namespace with an id or title.
func HasNamespace(ctx context.Context, c *client.Client, ref string) (bool, error) {
	_, err := c.Settings(ctx, ref)
	switch {
	case errors.Is(err, client.ErrNamespaceNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for namespace: %w", err)
	}
	return true, nil
}

// EnsureNamespace makes a namespace with a title if there is none, and tells whether it
// did. One that is named by an id cannot be made: ErrNamespaceNotFound.
func EnsureNamespace(ctx context.Context, c *client.Client, ref string) (made bool, err error) {
	switch has, err := HasNamespace(ctx, c, ref); {
	case err != nil, has:
		return false, err
	case isID(ref):
		return false, fmt.Errorf("%w: %q is an id, and a namespace is made by a title", client.ErrNamespaceNotFound, ref)
	}
	_, err = c.CreateNamespace(ctx, ref, client.NamespaceOptions{})
	switch {
	case errors.Is(err, client.ErrNamespaceExists):
		return false, nil // somebody else just did
	case err != nil:
		return false, fmt.Errorf("create namespace: %w", err)
	}
	return true, nil
}

// isID tells whether a name is an id: 32 hexadecimal characters.
func isID(ref string) bool {
	if len(ref) != 32 {
		return false
	}
	for _, c := range []byte(ref) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

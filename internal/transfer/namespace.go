package transfer

import (
	"context"
	"errors"
	"fmt"

	"github.com/godwitkv/godwit/client"
)

// FindNamespace returns the id of the namespace with an id or title, "" if there is none.
// A transfer is told it, and not the title: that may come to be another namespace's
// meanwhile.
func FindNamespace(ctx context.Context, c *client.Client, ref string) (id string, err error) {
	if id = ref; isID(ref) {
		_, err = c.Settings(ctx, ref) // a client asks nobody for the id of an id
	} else {
		id, err = c.NamespaceID(ctx, ref)
	}
	switch {
	case errors.Is(err, client.ErrNamespaceNotFound):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("look for namespace: %w", err)
	}
	return id, nil
}

// EnsureNamespace makes a namespace with a title if there is none, which takes a token that
// may. One that is named by an id cannot be made: ErrNamespaceNotFound.
func EnsureNamespace(ctx context.Context, c *client.Client, ref string) (id string, err error) {
	if isID(ref) {
		if id, err = FindNamespace(ctx, c, ref); err == nil && id == "" {
			err = fmt.Errorf("%w: %q is an id, and a namespace is made by a title", client.ErrNamespaceNotFound, ref)
		}
		return id, err
	}
	made, _, err := c.EnsureNamespace(ctx, ref, client.NamespaceOptions{})
	if err != nil {
		return "", fmt.Errorf("create namespace: %w", err)
	}
	return made.ID, nil
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

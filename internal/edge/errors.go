package edge

import (
	"bytes"
	"errors"
	"net"

	"github.com/godwitkv/godwit"
)

// isDial tells that no connection could be made: the request was not sent.
func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func compareNamespaces(a, b godwit.NamespaceID) int { return bytes.Compare(a[:], b[:]) }

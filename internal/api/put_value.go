package api

import (
	"context"

	"github.com/godwitkv/godwit"
)

// PutValue is Put with a value that Upload has taken in already; p.Body is not
// looked at. It is for bodies that say what goes with a value only after the
// value. Whatever happens, the value is no longer the caller's to discard.
// Errors: as Put.
func (s *Service) PutValue(ctx context.Context, ns *godwit.Namespace, p Put, v godwit.Value) (godwit.Result, error) {
	panic("stub")
}

package catalog

import (
	"context"
	"time"

	"github.com/godwitkv/godwit"
)

// clearedFor is how long an entry that has cleared keys stands. Its tombstone does the
// same for followers that come later.
const clearedFor = time.Hour

// Clear removes all keys of a namespace with a prefix, "" for all keys, in one record
// of the log, and returns its revision: who has it shows none of them. requestKey may
// be zero. Errors: ErrNamespaceNotFound, CodeInvalidRequest, CodeKeyTooLong, those of
// Log.Propose.
func (c *Catalog) Clear(ctx context.Context, id godwit.NamespaceID, prefix string, requestKey godwit.RequestKey) (godwit.Revision, error) {
	if len(prefix) > godwit.MaxClearPrefixBytes {
		return 0, godwit.Errorf(godwit.CodeKeyTooLong, "The prefix of keys to clear has %d bytes, and may have %d.", len(prefix), godwit.MaxClearPrefixBytes)
	}
	if err := godwit.ValidatePrefix(prefix); err != nil {
		return 0, err
	}
	row := put(godwit.ClearingKey(id, prefix), []byte{})
	row.Expiration = c.cfg.Now().Add(clearedFor).Unix()
	res, err := c.propose(ctx, godwit.Transaction{
		RequestKey: requestKey,
		Conditions: []godwit.Condition{exists(NamespaceKey(id))},
		Mutations:  []godwit.Mutation{row},
	})
	if err == nil && res.Outcome != godwit.Applied {
		err = godwit.ErrNamespaceNotFound
	}
	return res.Revision, err
}

package client_test

import (
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit/client"
)

// TestEndThatHasPassed is refused, however lately it was: it does not mean none.
func TestEndThatHasPassed(t *testing.T) {
	ctx, kv := t.Context(), namespace(t, serve(t))
	for name, end := range map[string]client.PutOptions{
		"just now":    {ExpirationTTL: -300 * time.Millisecond},
		"seconds ago": {ExpirationTTL: -90 * time.Second},
		"the epoch":   {Expiration: time.Unix(0, 0)},
	} {
		pair := client.Pair{Key: "k", Value: []byte("v"), ExpirationTTL: end.ExpirationTTL, Expiration: end.Expiration}
		_, err := kv.Put(ctx, "k", strings.NewReader("v"), end)
		wantError(t, "put, "+name, err, client.ErrInvalid)
		_, err = kv.BulkPut(ctx, []client.Pair{pair})
		wantError(t, "bulk put, "+name, err, client.ErrInvalid)
		_, err = kv.Transact(ctx, client.Transaction{Puts: []client.Pair{pair}})
		wantError(t, "transact, "+name, err, client.ErrInvalid)
		_, _, err = kv.Add(ctx, client.Sum{Key: "k", Delta: 1, ExpirationTTL: end.ExpirationTTL, Expiration: end.Expiration})
		wantError(t, "add, "+name, err, client.ErrInvalid)
	}
	_, err := kv.Get(ctx, "k")
	wantError(t, "get", err, client.ErrKeyNotFound)
}

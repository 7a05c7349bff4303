package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// RequestWindow is how long, by the log's time, an applied transaction is
// remembered by its request key.
const RequestWindow = 10 * time.Minute

// Request returns the result that a transaction with this key had, if one was
// applied within RequestWindow. That the row is still here decides nothing.
func (tx *Tx) Request(k godwit.RequestKey) (godwit.Result, bool, error) {
	if tx.s.requests.absent(tx.time, k) {
		return godwit.Result{}, false, nil
	}
	if r, ok := tx.requests[k]; ok {
		return r, true, nil
	}
	tx.key = appendRequestKey(tx.key[:0], k)
	v, closer, err := tx.s.db.Get(tx.key)
	if errors.Is(err, pebble.ErrNotFound) {
		return godwit.Result{}, false, nil
	}
	if err != nil {
		return godwit.Result{}, false, fmt.Errorf("read request: %w", err)
	}
	defer closer.Close()
	row, err := decodeRequestRow(v)
	if err != nil || tx.time-row.time > RequestWindow.Milliseconds() {
		return godwit.Result{}, false, err
	}
	return repeated(row.revision, row.sums), true, nil
}

// Remember keeps the result of the transaction with this key, which was applied.
func (tx *Tx) Remember(k godwit.RequestKey, r godwit.Result) {
	tx.requests[k] = repeated(r.Revision, r.Sums)
	tx.s.requests.add(tx.time, k)
	tx.row = appendRequestRow(tx.row[:0], requestRow{tx.time, r.Revision, r.Sums})
	tx.set(appendRequestKey(tx.key[:0], k), tx.row)
	tx.set(appendReqTimeKey(tx.key[:0], tx.time, k), nil)
}

func repeated(r godwit.Revision, sums []int64) godwit.Result {
	return godwit.Result{Outcome: godwit.Applied, Revision: r, Repeated: true, Sums: sums}
}

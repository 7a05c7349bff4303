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

// maxRequestsLoaded is how many remembered requests an open looks at, which took 12 to
// 34 ms when it was measured, so that the filter knows of them. Where there are more it
// learns as time passes.
const maxRequestsLoaded = 1 << 17

// loadRequests shows the filter all requests that are remembered.
func (s *Store) loadRequests() (err error) {
	oldest := max(0, s.logTime.Load()-RequestWindow.Milliseconds())
	it, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: appendReqTimeKey(nil, oldest, godwit.RequestKey{}), UpperBound: []byte{prefixReqTime + 1},
	})
	if err != nil {
		return fmt.Errorf("read requests: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	n := 0
	for it.First(); it.Valid(); it.Next() {
		ms, k, err := decodeReqTimeKey(it.Key())
		if n++; n > maxRequestsLoaded || err != nil { // fsck tells of damage
			s.requests.restart()
			return nil
		}
		s.requests.add(ms, k)
	}
	s.requests.whole = it.Error() == nil
	return it.Error()
}

package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// sweepRequests forgets transactions after RequestWindow, a chunk at a time and
// under the write lock: a request that is applied again after the window has two
// rows in p, and only the last one's time stands in q.
func (s *Store) sweepRequests(ctx context.Context) error {
	c := chunks{s, []byte{prefixReqTime}}
	for ctx.Err() == nil {
		more, err := s.sweepRequestChunk(&c)
		if err != nil || !more {
			return err
		}
	}
	return ctx.Err()
}

func (s *Store) sweepRequestChunk(c *chunks) (more bool, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	old := s.logTime.Load() - RequestWindow.Milliseconds()
	if old <= 0 {
		return false, nil
	}
	upper := binary.BigEndian.AppendUint64([]byte{prefixReqTime}, uint64(old))
	rows, more, err := c.take(upper)
	if err != nil || len(rows) == 0 {
		return false, err
	}
	b := s.db.NewBatch()
	defer b.Close()
	for _, r := range rows {
		ms, k, err := decodeReqTimeKey(r.key)
		if err != nil {
			return false, err
		}
		if err := errors.Join(b.Delete(r.key, nil), s.forgetRequest(b, ms, k)); err != nil {
			return false, err
		}
	}
	return more, b.Commit(pebble.NoSync)
}

// forgetRequest deletes a request's row of q, unless it was remembered again later.
func (s *Store) forgetRequest(b *pebble.Batch, ms int64, k godwit.RequestKey) error {
	q := appendRequestKey(nil, k)
	row, closer, err := s.db.Get(q)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	r, err := decodeRequestRow(row)
	if err := errors.Join(err, closer.Close()); err != nil {
		return err
	}
	if r.time != ms {
		return nil
	}
	return b.Delete(q, nil)
}

package store

import (
	"bytes"
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// scan is List for a query with a Scan. It stands apart from it, so that the list
// that nearly all ask for does not pay for what few do.
func (s *Store) scan(ctx context.Context, ns godwit.NamespaceID, q godwit.ListQuery, opts godwit.ReadOptions) (*godwit.Page, error) {
	bounds, err := scanBounds(ns, &q)
	if err != nil {
		return nil, err
	}
	snap, rev, err := s.snapshot(ctx, opts)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	page := &godwit.Page{Served: godwit.Served{Revision: rev}}
	if bytes.Compare(bounds.LowerBound, bounds.UpperBound) >= 0 {
		return page, nil
	}
	it, err := snap.NewIter(&bounds)
	if err != nil {
		return nil, fmt.Errorf("open iterator: %w", err)
	}
	defer it.Close()
	sc := scanner{Scan: *q.Scan, snap: snap, it: it, ns: ns, limit: q.Limit, now: s.cfg.Now().Unix(), page: page}
	return page, sc.run(ctx)
}

// scanBounds is the range of rows that a page may be of. It may be empty, or end
// before it begins. Error: godwit.ErrInvalidCursor.
func scanBounds(ns godwit.NamespaceID, q *godwit.ListQuery) (b pebble.IterOptions, err error) {
	b.LowerBound = appendEntryKey(nil, ns, q.Prefix)
	b.UpperBound = successor(b.LowerBound)
	raise := func(to []byte) {
		if bytes.Compare(to, b.LowerBound) > 0 {
			b.LowerBound = to
		}
	}
	lower := func(to []byte) {
		if bytes.Compare(to, b.UpperBound) < 0 {
			b.UpperBound = to
		}
	}
	raise(appendEntryKey(nil, ns, q.Scan.Start))
	if q.Scan.End != "" {
		lower(appendEntryKey(nil, ns, q.Scan.End))
	}
	if q.Cursor == "" {
		return b, nil
	}
	last, err := decodeCursor(q.Cursor)
	if err != nil {
		return b, err
	}
	if at := appendEntryKey(nil, ns, last); q.Scan.Reverse {
		lower(at)
	} else {
		raise(append(at, 0))
	}
	return b, nil
}

// scanner fills one page.
type scanner struct {
	godwit.Scan
	snap  *pebble.Snapshot
	it    *pebble.Iterator
	ns    godwit.NamespaceID
	limit int
	now   int64
	page  *godwit.Page

	looked int    // at rows
	held   int64  // bytes that the page holds
	last   []byte // key of the last row that was dealt with
}

// run looks at rows until the page is full or has looked at enough.
func (sc *scanner) run(ctx context.Context) error {
	for ok := sc.first(); ok; ok = sc.next() {
		if sc.looked%1024 == 1023 && ctx.Err() != nil {
			return waitError(ctx.Err())
		}
		if sc.looked == godwit.MaxScannedKeys {
			sc.page.More = true
			break
		}
		sc.looked++
		key := sc.it.Key()[1+nsLen:]
		full, err := sc.look(key)
		if err != nil {
			return err
		}
		if full {
			sc.page.More = true
			break
		}
		sc.last = append(sc.last[:0], key...)
	}
	if err := sc.it.Error(); err != nil {
		return fmt.Errorf("scan: %w", err)
	}
	if sc.page.More {
		sc.page.Cursor = encodeCursor(string(sc.last))
	}
	return nil
}

func (sc *scanner) first() bool {
	if sc.Reverse {
		return sc.it.Last()
	}
	return sc.it.First()
}

func (sc *scanner) next() bool {
	if sc.Reverse {
		return sc.it.Prev()
	}
	return sc.it.Next()
}

// look takes the entry of a row, if it is one that was asked for. full tells that
// it is, and belongs on the next page.
func (sc *scanner) look(key []byte) (full bool, err error) {
	v, err := sc.it.ValueAndErr()
	if err != nil {
		return false, fmt.Errorf("scan: %w", err)
	}
	row, err := decodeEntryRow(v)
	if err != nil {
		return false, err
	}
	switch {
	case row.expiration != 0 && row.expiration <= sc.now:
		return false, nil
	case sc.Where != nil && !sc.Where.Matches(row.metadata):
		return false, nil
	case sc.Count:
		sc.page.Keys++
		sc.page.Bytes += int64(len(key)+len(row.metadata)) + row.size
		return false, nil
	case !sc.admit(key, &row):
		return true, nil
	}
	return false, sc.take(key, &row)
}

// admit counts an entry in, and tells whether the page has room for it. An empty one has.
func (sc *scanner) admit(key []byte, row *entryRow) bool {
	if len(sc.page.Entries) == sc.limit {
		return false
	}
	sc.held += int64(len(key) + len(row.metadata))
	if sc.brings(row) {
		sc.held += row.size
	}
	return sc.held <= godwit.MaxScanBytes || len(sc.page.Entries) == 0
}

// brings tells whether an entry's value comes along.
func (sc *scanner) brings(row *entryRow) bool {
	return sc.Values && row.place != placeBlob && row.size <= godwit.MaxScanValueBytes
}

// take adds an entry to the page.
func (sc *scanner) take(key []byte, row *entryRow) error {
	e := godwit.Entry{
		Key: string(key), Revision: row.revision, Created: row.created, Modified: row.modified,
		Expiration: row.expiration, Metadata: bytes.Clone(row.metadata), Value: godwit.SizeOnly(row.size),
	}
	if sc.brings(row) {
		e.Value = godwit.Value{Inline: append([]byte{}, row.inline...)}
		if row.place == placeRow {
			if err := readValue(sc.snap, sc.ns, &e); err != nil {
				return err
			}
		}
	}
	sc.page.Entries = append(sc.page.Entries, e)
	return nil
}

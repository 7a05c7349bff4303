package store

import (
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// List implements godwit.Reader.
func (s *Store) List(ctx context.Context, ns godwit.NamespaceID, q godwit.ListQuery, opts godwit.ReadOptions) (*godwit.Page, error) {
	if q.Scan != nil {
		page, err := s.scan(ctx, ns, q, opts)
		return page, readError(err)
	}
	bounds := pebble.IterOptions{LowerBound: appendEntryKey(nil, ns, q.Prefix)}
	bounds.UpperBound = successor(bounds.LowerBound)
	if q.Cursor != "" {
		last, err := decodeCursor(q.Cursor)
		if err != nil {
			return nil, err
		}
		after := append(appendEntryKey(nil, ns, last), 0)
		if string(after) > string(bounds.LowerBound) {
			bounds.LowerBound = after
		}
	}
	snap, rev, err := s.snapshot(ctx, opts)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	it, err := snap.NewIter(&bounds)
	if err != nil {
		return nil, fmt.Errorf("open iterator: %w", err)
	}
	defer it.Close()
	page := &godwit.Page{Served: godwit.Served{Revision: rev}}
	return page, readError(fillPage(ctx, page, it, q.Limit, s.cfg.Now().Unix()))
}

// fillPage takes up to limit live entries, and looks for one more, so that a
// cursor is given only where something follows. The names and metadata of all
// entries share one piece of memory.
func fillPage(ctx context.Context, page *godwit.Page, it *pebble.Iterator, limit int, now int64) error {
	type span struct{ key, meta int }
	var text []byte
	spans := make([]span, 0, min(limit, godwit.MaxListKeys))
	page.Entries = make([]godwit.Entry, 0, cap(spans))
	for ok, n := it.First(), 0; ok; ok, n = it.Next(), n+1 {
		if n%1024 == 1023 && ctx.Err() != nil {
			return waitError(ctx.Err())
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("list: %w", err)
		}
		row, err := decodeEntryRow(v)
		if err != nil {
			return err
		}
		if row.expiration != 0 && row.expiration <= now {
			continue
		}
		if len(page.Entries) == limit {
			page.More = true
			break
		}
		key := it.Key()[1+nsLen:]
		text = append(append(text, key...), row.metadata...)
		spans = append(spans, span{len(key), len(row.metadata)})
		page.Entries = append(page.Entries, godwit.Entry{
			Revision: row.revision, Created: row.created, Modified: row.modified, Expiration: row.expiration,
		})
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	names := string(text)
	for i, sp := range spans {
		e := &page.Entries[i]
		e.Key = names[:sp.key]
		if sp.meta > 0 {
			e.Metadata = text[sp.key : sp.key+sp.meta : sp.key+sp.meta]
		}
		names, text = names[sp.key+sp.meta:], text[sp.key+sp.meta:]
	}
	if page.More {
		page.Cursor = encodeCursor(page.Entries[len(page.Entries)-1].Key)
	}
	return nil
}

// Scan calls fn for each live entry of ns whose key starts with prefix, in
// order, with its value inline, until fn returns an error. The entries are of
// one state of the store. Blobs are left as references.
func (s *Store) Scan(ns godwit.NamespaceID, prefix string, fn func(*godwit.Entry) error) error {
	snap := s.db.NewSnapshot()
	defer snap.Close()
	now := s.cfg.Now().Unix()
	return scanPrefix(snap, appendEntryKey(nil, ns, prefix), func(k, _ []byte) error {
		e := new(godwit.Entry)
		if err := readEntry(snap, ns, k[1+nsLen:], e); err != nil || e.Expired(now) {
			return err
		}
		return fn(e)
	})
}

package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// Changes implements godwit.History.
func (s *Store) Changes(ctx context.Context, ns godwit.NamespaceID, q godwit.ChangesQuery) (page *godwit.ChangePage, err error) {
	after := ""
	if q.Cursor != "" {
		if after, err = decodeCursor(q.Cursor); err != nil {
			return nil, err
		}
	}
	p, err := s.past(ctx, ns)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.check(q.At); err != nil {
		return nil, err
	}
	if !p.kept || p.floor.covers(q.At) {
		return nil, p.gone(p.floor)
	}
	c := &comparison{past: p, at: q.At, limit: q.Limit, page: new(godwit.ChangePage)}
	if err := c.open(q.Prefix, after); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c.page, errors.Join(c.run(ctx), c.close())
}

// comparison walks the entries and the versions of the keys with a prefix side by
// side.
type comparison struct {
	*past
	at       godwit.Moment
	limit    int
	page     *godwit.ChangePage
	entries  *pebble.Iterator
	versions *pebble.Iterator

	looked int   // at rows
	held   int64 // bytes of what the page tells of
}

func (c *comparison) open(prefix, after string) (err error) {
	entries := pebble.IterOptions{LowerBound: appendEntryKey(nil, c.ns, prefix)}
	entries.UpperBound = successor(entries.LowerBound)
	versions := pebble.IterOptions{LowerBound: appendHistoryPrefix(nil, c.ns, prefix)}
	versions.UpperBound = successor(versions.LowerBound)
	if after != "" {
		if from := append(appendEntryKey(nil, c.ns, after), 0); bytes.Compare(from, entries.LowerBound) > 0 {
			entries.LowerBound = from
		}
		if from := successor(appendHistoryKey(nil, c.ns, after)); bytes.Compare(from, versions.LowerBound) > 0 {
			versions.LowerBound = from
		}
	}
	if c.entries, err = c.snap.NewIter(&entries); err != nil {
		return fmt.Errorf("open iterator: %w", err)
	}
	if c.versions, err = c.snap.NewIter(&versions); err != nil {
		return fmt.Errorf("open iterator: %w", err)
	}
	c.entries.First()
	c.versions.First()
	return nil
}

func (c *comparison) close() (err error) {
	for _, it := range []*pebble.Iterator{c.entries, c.versions} {
		if it != nil {
			err = errors.Join(err, it.Error(), it.Close())
		}
	}
	return err
}

// run compares keys until the page is full or has looked at enough.
func (c *comparison) run(ctx context.Context) error {
	last := ""
	for c.entries.Valid() || c.versions.Valid() {
		if ctx.Err() != nil {
			return waitError(ctx.Err())
		}
		if len(c.page.Changes) == c.limit || c.looked >= godwit.MaxScannedKeys || c.held >= godwit.MaxScanBytes {
			c.page.More, c.page.Cursor = true, encodeCursor(last)
			return nil
		}
		key, err := c.next()
		if err != nil {
			return err
		}
		if err := c.compare(key); err != nil {
			return err
		}
		last = key
	}
	return nil
}

// next is the key that comes first.
func (c *comparison) next() (string, error) {
	var version []byte
	if c.versions.Valid() {
		var err error
		if _, version, _, err = cutVersionKey(c.versions.Key()); err != nil {
			return "", err
		}
	}
	if !c.entries.Valid() {
		return string(version), nil
	}
	if entry := c.entries.Key()[1+nsLen:]; version == nil || bytes.Compare(entry, version) < 0 {
		return string(entry), nil
	}
	return string(version), nil
}

// compare looks at one key, and moves beyond it.
func (c *comparison) compare(key string) error {
	var head *entryRow
	c.looked++
	if c.entries.Valid() && string(c.entries.Key()[1+nsLen:]) == key {
		row, err := c.entries.ValueAndErr()
		if err != nil {
			return fmt.Errorf("compare: %w", err)
		}
		e, err := decodeEntryRow(bytes.Clone(row))
		if err != nil {
			return err
		}
		head = &e
		c.entries.Next()
	}
	then, floor, err := c.then(key)
	if err != nil {
		return err
	}
	return c.judge(key, head, then, floor)
}

// then finds the earlier version that stood, nil if none did, and moves beyond all of
// the key's.
func (c *comparison) then(key string) (then *versionRow, floor instant, err error) {
	rows := appendHistoryKey(nil, c.ns, key)
	for ok := c.versions.Valid(); ok && bytes.HasPrefix(c.versions.Key(), rows); ok = c.versions.Next() {
		c.looked++
		row, err := c.versions.ValueAndErr()
		if err != nil {
			return nil, floor, fmt.Errorf("compare: %w", err)
		}
		if _, _, r, err := cutVersionKey(c.versions.Key()); err != nil {
			return nil, floor, err
		} else if r == 0 {
			s, err := decodeSummaryRow(row)
			if err != nil {
				return nil, floor, err
			}
			floor = s.floor
			continue
		}
		v, err := decodeVersionRow(row)
		if err != nil {
			return nil, floor, err
		}
		if stood(v.revision, v.modified, v.until, c.at) {
			v, err = decodeVersionRow(bytes.Clone(row))
			if then = &v; err != nil {
				return nil, floor, err
			}
		}
	}
	return then, floor, nil
}

// judge adds a key to the page if it does not stand as it did. What would have expired
// by now counts as absent.
func (c *comparison) judge(key string, head *entryRow, then *versionRow, floor instant) error {
	now := c.now / 1000
	change := godwit.Change{Key: key}
	if head != nil && (head.expiration == 0 || head.expiration > now) {
		if stood(head.revision, head.modified, instant{}, c.at) {
			return nil
		}
		change.Current = head.revision
	} else {
		head = nil
	}
	if then != nil && then.expiration != 0 && then.expiration <= now {
		then, floor = nil, instant{}
	}
	switch {
	case then != nil:
		v, err := c.whole(key, then)
		if err != nil {
			return err
		}
		if same, err := c.same(head, v); same || err != nil {
			return err
		}
		c.held += v.Value.Size() // also of large ones, which will be copied
		change.Version = v
	case floor.covers(c.at):
		change.Lost = true
	case change.Current == 0:
		return nil
	}
	c.held += int64(len(key))
	c.page.Changes = append(c.page.Changes, change)
	return nil
}

// same tells whether an entry holds what a version does.
func (c *comparison) same(head *entryRow, v *godwit.Version) (bool, error) {
	switch {
	case head == nil, head.size != v.Value.Size(), head.expiration != v.Expiration, !bytes.Equal(head.metadata, v.Metadata):
		return false, nil
	case head.place == placeBlob:
		return head.blob.Hash == v.Value.Blob.Hash, nil
	case head.place == placeInline:
		return bytes.Equal(head.inline, v.Value.Inline), nil
	}
	e := godwit.Entry{Revision: head.revision}
	err := readValue(c.snap, c.ns, &e)
	return bytes.Equal(e.Value.Inline, v.Value.Inline), err
}

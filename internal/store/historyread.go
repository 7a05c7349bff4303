package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

var _ godwit.History = (*Store)(nil)

// past is one state of the store, to look into a namespace's history in.
type past struct {
	snap  *pebble.Snapshot
	ns    godwit.NamespaceID
	held  godwit.Revision // the last that the state holds
	now   int64           // unix milliseconds
	floor instant
	some  bool // there may be versions
	kept  bool // the namespace keeps them: what there is none of is known, too
}

// past opens the present state. Error: CodeUnavailable.
func (s *Store) past(ctx context.Context, ns godwit.NamespaceID) (*past, error) {
	if s.mixed.Load() {
		return nil, godwit.Errorf(godwit.CodeUnavailable, "This node is becoming a copy of another.")
	}
	before, some := s.histories.of(ns)
	snap, held, err := s.snapshot(ctx, godwit.ReadOptions{})
	if err != nil {
		return nil, err
	}
	after, _ := s.histories.of(ns) // it may have changed before the state, or be yet to change
	p := &past{
		snap: snap, ns: ns, held: held, now: s.cfg.Now().UnixMilli(), floor: before.floor.after(after.floor),
		some: some, kept: before.record() && after.record(),
	}
	if err := p.readFloor(); err != nil {
		return nil, errors.Join(err, snap.Close())
	}
	return p, nil
}

// readFloor takes the floor from the state itself, where it has one.
func (p *past) readFloor() error {
	row, closer, err := p.snap.Get(appendNS(nil, prefixHistory, p.ns))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read history: %w", err)
	}
	h, err := decodeNamespaceHistoryRow(row)
	p.floor = p.floor.after(h.floor)
	return errors.Join(err, closer.Close())
}

func (p *past) close() error { return p.snap.Close() }

// check refuses moments that are yet to come. Error: CodeInvalidRequest.
func (p *past) check(at godwit.Moment) error {
	if at.Revision > p.held {
		return godwit.Errorf(godwit.CodeInvalidRequest, "Revision %s has not been given yet.", at.Revision)
	}
	if at.Time > p.now {
		return godwit.Errorf(godwit.CodeInvalidRequest, "The moment is yet to come.")
	}
	return nil
}

// gone is the error of what may have stood and is not kept.
func (p *past) gone(floor instant) error {
	if !p.kept {
		return godwit.Errorf(godwit.CodeHistoryGone, "The namespace keeps no history: see its setting \"history\".")
	}
	return godwit.Errorf(godwit.CodeHistoryGone, "What stood then is not kept: the history is whole from revision %s on.", floor.revision)
}

// current is the entry that stands under a key, as a version, or nil.
func (p *past) current(key string) (*godwit.Version, error) {
	v := new(godwit.Version)
	err := readEntry(p.snap, p.ns, []byte(key), &v.Entry)
	if errors.Is(err, godwit.ErrKeyNotFound) {
		return nil, nil //nolint:nilnil // there is none
	}
	return v, err
}

// summary is that of a key, and the floor that it gives together with the namespace's.
func (p *past) summary(key string) (s keySummary, floor instant, err error) {
	row, closer, err := p.snap.Get(appendVersionKey(nil, p.ns, key, 0))
	if errors.Is(err, pebble.ErrNotFound) {
		return s, p.floor, nil
	}
	if err != nil {
		return s, p.floor, fmt.Errorf("read summary of versions: %w", err)
	}
	s, err = decodeSummaryRow(row)
	return s, p.floor.after(s.floor), errors.Join(err, closer.Close())
}

// versions opens the rows of a key's earlier versions before a revision, 0: all. They
// begin where the last one that was dropped ended, so that those are not stepped over.
func (p *past) versions(key string, before godwit.Revision) (*pebble.Iterator, error) {
	s, _, err := p.summary(key)
	if err != nil {
		return nil, err
	}
	lower := appendVersionKey(nil, p.ns, key, max(1, s.floor.revision))
	upper := successor(appendHistoryKey(nil, p.ns, key))
	if before != 0 {
		upper = appendVersionKey(nil, p.ns, key, max(before, 1, s.floor.revision))
	}
	it, err := p.snap.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, fmt.Errorf("open iterator: %w", err)
	}
	return it, nil
}

// walk calls fn for each earlier version of a key, the newest first.
func (p *past) walk(key string, before godwit.Revision, fn func(*versionRow) error) error {
	it, err := p.versions(key, before)
	if err != nil {
		return err
	}
	for ok := it.Last(); ok && err == nil; ok = it.Prev() {
		var row []byte
		if row, err = it.ValueAndErr(); err != nil {
			break
		}
		var v versionRow
		if v, err = decodeVersionRow(row); err == nil {
			err = fn(&v)
		}
	}
	if errors.Is(err, errEnough) {
		err = nil
	}
	return errors.Join(err, it.Error(), it.Close())
}

// version copies a row, without the value.
func (v *versionRow) version(key string) *godwit.Version {
	return &godwit.Version{
		Entry: godwit.Entry{
			Key: key, Revision: v.revision, Created: v.created, Modified: v.modified, Expiration: v.expiration,
			Metadata: bytes.Clone(v.metadata), Value: godwit.SizeOnly(v.size),
		},
		Until: v.until.revision, Ended: v.until.time, End: v.end,
	}
}

// whole is version with the value.
func (p *past) whole(key string, v *versionRow) (*godwit.Version, error) {
	out := v.version(key)
	switch v.place {
	case placeInline:
		out.Value = godwit.Value{Inline: append([]byte{}, v.inline...)}
	case placeBlob:
		out.Value = godwit.Value{Blob: v.blob}
	case placeRow:
		out.Value = godwit.Value{}
		if err := readValue(p.snap, p.ns, &out.Entry); err != nil {
			return nil, errors.Join(err, ErrCorrupt)
		}
	}
	return out, nil
}

// stood tells whether a version stood at a moment. One with the revision 0 in until
// stands.
func stood(r godwit.Revision, modified int64, until instant, at godwit.Moment) bool {
	if at.Revision != 0 {
		return r <= at.Revision && (until.revision == 0 || at.Revision < until.revision)
	}
	return modified <= at.Time && (until.revision == 0 || at.Time < until.time)
}

// Versions implements godwit.History.
func (s *Store) Versions(ctx context.Context, ns godwit.NamespaceID, key string, before godwit.Revision, limit int) (page *godwit.VersionPage, err error) {
	p, err := s.past(ctx, ns)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if !p.some {
		return nil, p.gone(instant{})
	}
	_, floor, err := p.summary(key)
	if err != nil {
		return nil, err
	}
	page = &godwit.VersionPage{Since: floor.revision}
	add := func(v *godwit.Version) error {
		if page.More = len(page.Versions) == limit; page.More {
			return errEnough
		}
		page.Versions = append(page.Versions, *v)
		return nil
	}
	v, err := p.current(key)
	if err != nil {
		return nil, err
	}
	if v != nil && (before == 0 || v.Revision < before) {
		if v.Expired(p.now / 1000) { // the sweeper has yet to come by
			v.Until, v.Ended, v.End = p.held+1, v.Expiration*1000, godwit.VersionExpired
		}
		v.Value = godwit.SizeOnly(v.Value.Size())
		_ = add(v)
	}
	return page, p.walk(key, before, func(v *versionRow) error { return add(v.version(key)) })
}

// Version implements godwit.History.
func (s *Store) Version(ctx context.Context, ns godwit.NamespaceID, key string, r godwit.Revision) (*godwit.Version, error) {
	return s.lookBack(ctx, ns, func(p *past) (*godwit.Version, error) {
		return p.find(key, func(rev godwit.Revision, _ int64, _ instant) bool { return rev == r }, godwit.Moment{Revision: r})
	})
}

// VersionAt implements godwit.History.
func (s *Store) VersionAt(ctx context.Context, ns godwit.NamespaceID, key string, at godwit.Moment) (*godwit.Version, error) {
	return s.lookBack(ctx, ns, func(p *past) (*godwit.Version, error) {
		if err := p.check(at); err != nil {
			return nil, err
		}
		return p.find(key, func(r godwit.Revision, modified int64, until instant) bool { return stood(r, modified, until, at) }, at)
	})
}

// LastVersion implements godwit.History.
func (s *Store) LastVersion(ctx context.Context, ns godwit.NamespaceID, key string) (*godwit.Version, error) {
	return s.lookBack(ctx, ns, func(p *past) (v *godwit.Version, err error) {
		if v, err = p.current(key); v != nil && v.Expired(p.now/1000) || err != nil {
			return v, err
		}
		err = p.walk(key, 0, func(row *versionRow) (err error) {
			if v, err = p.whole(key, row); err != nil {
				return err
			}
			return errEnough
		})
		if v == nil && err == nil {
			err = p.absent(key, godwit.Moment{Revision: p.floor.revision})
		}
		return v, err
	})
}

func (s *Store) lookBack(ctx context.Context, ns godwit.NamespaceID, fn func(*past) (*godwit.Version, error)) (v *godwit.Version, err error) {
	p, err := s.past(ctx, ns)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	return fn(p)
}

// find returns the first of a key's versions, the newest first, that is looked for. If
// there is none, at says whether it may have been.
func (p *past) find(key string, is func(r godwit.Revision, modified int64, until instant) bool, at godwit.Moment) (*godwit.Version, error) {
	v, err := p.current(key)
	if err != nil {
		return nil, err
	}
	if v != nil && is(v.Revision, v.Modified, instant{}) {
		if at.Time != 0 && v.Expired(at.Time/1000) {
			return nil, godwit.ErrKeyNotFound
		}
		return v, nil
	}
	v = nil
	err = p.walk(key, 0, func(row *versionRow) (err error) {
		if !is(row.revision, row.modified, row.until) {
			return nil
		}
		if v, err = p.whole(key, row); err != nil {
			return err
		}
		return errEnough
	})
	if v == nil && err == nil {
		err = p.absent(key, at)
	}
	return v, err
}

// absent is the error of a key that nothing is known of at a moment: that it was
// absent, if the history is whole there.
func (p *past) absent(key string, at godwit.Moment) error {
	_, floor, err := p.summary(key)
	if err != nil {
		return err
	}
	if !p.kept || floor.covers(at) {
		return p.gone(floor)
	}
	return godwit.ErrKeyNotFound
}

package store

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/wire"
)

// instant is a place in the log.
type instant struct {
	revision godwit.Revision
	time     int64 // unix milliseconds
}

// after is the later of both, in revision and in time.
func (i instant) after(o instant) instant {
	return instant{max(i.revision, o.revision), max(i.time, o.time)}
}

// covers tells whether a moment is before i.
func (i instant) covers(m godwit.Moment) bool {
	if m.Revision != 0 {
		return m.Revision < i.revision
	}
	return m.Time < i.time
}

// appendHistoryKey is what all rows of h of a key begin with. The key stands in an
// order-keeping form, in which a zero byte is followed by 0xff, and ends with 0 and 1:
// so the rows of keys with a prefix stand together, in order of their keys.
func appendHistoryKey(b []byte, ns godwit.NamespaceID, key string) []byte {
	return append(appendHistoryPrefix(b, ns, key), 0, 1)
}

// appendHistoryPrefix is what all rows of h of the keys with a prefix begin with.
func appendHistoryPrefix(b []byte, ns godwit.NamespaceID, prefix string) []byte {
	b = appendNS(b, prefixVersion, ns)
	for i := range len(prefix) {
		if b = append(b, prefix[i]); prefix[i] == 0 {
			b = append(b, 0xff)
		}
	}
	return b
}

// appendVersionKey is the key of a row of h; that of revision 0 is the key's summary.
func appendVersionKey(b []byte, ns godwit.NamespaceID, key string, r godwit.Revision) []byte {
	return binary.BigEndian.AppendUint64(appendHistoryKey(b, ns, key), uint64(r))
}

// cutVersionKey splits a row's key of h.
func cutVersionKey(b []byte) (ns godwit.NamespaceID, key []byte, r godwit.Revision, err error) {
	ns, rest, ok := cutNSKey(b[1:])
	if n := len(rest) - 10; ok && n >= 0 && rest[n] == 0 && rest[n+1] == 1 {
		r = godwit.Revision(binary.BigEndian.Uint64(rest[n+2:]))
		return ns, bytes.ReplaceAll(rest[:n], []byte{0, 0xff}, []byte{0}), r, nil
	}
	return ns, nil, 0, fmt.Errorf("read version row: %w", ErrCorrupt)
}

// A version's row:
//
//	until:8 ended:8 end:1 [the entry's row]
//
// Its value stands where the entry's did.
type versionRow struct {
	until instant
	end   godwit.VersionEnd
	entryRow
}

func appendVersionRow(b []byte, until instant, end godwit.VersionEnd, entry []byte) []byte {
	b = appendPair(b, uint64(until.revision), uint64(until.time))
	return append(append(b, byte(end)), entry...)
}

func decodeVersionRow(b []byte) (v versionRow, err error) {
	d := wire.NewDecoder(b)
	v.until = instant{godwit.Revision(d.Uint64()), int64(d.Uint64())}
	v.end = godwit.VersionEnd(d.Byte())
	if d.Bad() || v.end == 0 || v.end > godwit.VersionCleared {
		return v, fmt.Errorf("decode version of %d bytes: %w", len(b), ErrCorrupt)
	}
	if v.entryRow, err = decodeEntryRow(d.Rest()); err == nil && v.until.revision <= v.revision {
		err = fmt.Errorf("decode version that ended before it began: %w", ErrCorrupt)
	}
	return v, err
}

// bytes is how much a version counts for.
func (v *versionRow) bytes(key []byte) int64 { return int64(len(key)+len(v.metadata)) + v.size }

// A key's summary: how many versions it has, and until when the last one stood that
// was dropped because there were too many:
//
//	versions:8 revision:8 time:8
type keySummary struct {
	versions int64
	floor    instant
}

func appendSummaryRow(b []byte, s keySummary) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(s.versions))
	return appendPair(b, uint64(s.floor.revision), uint64(s.floor.time))
}

func decodeSummaryRow(b []byte) (s keySummary, err error) {
	if len(b) != 24 {
		return s, fmt.Errorf("decode summary of %d bytes: %w", len(b), ErrCorrupt)
	}
	s.versions = int64(binary.BigEndian.Uint64(b))
	s.floor = instant{godwit.Revision(binary.BigEndian.Uint64(b[8:])), int64(binary.BigEndian.Uint64(b[16:]))}
	return s, nil
}

// appendEndedKey is the key of a row of o.
func appendEndedKey(b []byte, ns godwit.NamespaceID, until, r godwit.Revision) []byte {
	b = binary.BigEndian.AppendUint64(appendNS(b, prefixEnded, ns), uint64(until))
	return binary.BigEndian.AppendUint64(b, uint64(r))
}

func cutEndedKey(b []byte) (ns godwit.NamespaceID, until, r godwit.Revision, err error) {
	if len(b) != 1+nsLen+16 {
		return ns, 0, 0, fmt.Errorf("read row of an ended version: %w", ErrCorrupt)
	}
	return godwit.NamespaceID(b[1 : 1+nsLen]), godwit.Revision(binary.BigEndian.Uint64(b[1+nsLen:])), godwit.Revision(binary.BigEndian.Uint64(b[1+nsLen+8:])), nil
}

// A namespace's row of k:
//
//	floor revision:8 time:8 most:8 versions:8 bytes:8
func appendNamespaceHistoryRow(b []byte, h *namespaceHistory) []byte {
	b = appendPair(b, uint64(h.floor.revision), uint64(h.floor.time))
	b = binary.BigEndian.AppendUint64(b, uint64(h.most))
	return appendPair(b, uint64(h.keys), uint64(h.bytes))
}

func decodeNamespaceHistoryRow(b []byte) (h namespaceHistory, err error) {
	if len(b) != 40 {
		return h, fmt.Errorf("decode history of a namespace of %d bytes: %w", len(b), ErrCorrupt)
	}
	at := func(i int) int64 { return int64(binary.BigEndian.Uint64(b[8*i:])) }
	h.floor = instant{godwit.Revision(at(0)), at(1)}
	h.most, h.keys, h.bytes = at(2), at(3), at(4)
	return h, nil
}

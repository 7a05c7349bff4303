package store

import (
	"encoding/binary"
	"fmt"

	"github.com/godwitkv/godwit"
)

// The key table: every row of the database. Numbers are big-endian, so that
// bytes sort as numbers do; ns is 16 bytes; key is the rest of the row's key.
//
//	e ns key          entry: header, and the value if it is small (row.go)
//	v ns revision:8   value of 1 KiB to the inline limit, out of list's way; of an
//	                  entry, or of an earlier version
//	t ns key          tombstone of a deleted or swept key (row.go)
//	i revision:8      by revision: what several mutations changed, up to this one
//	                  (index.go); also what has been replaced since, see u
//	r revision:8      the same of one mutation that came out of order: op:1 ns key
//	u number:8        which revisions in i and r were replaced (collect.go)
//	x due:8 ns key    by time, unix seconds: revision:8. An entry's expiration,
//	                  or when a tombstone has outlived the retention
//	c ns              counters: keys, bytes
//	b ns blob:16      a blob that an entry of ns, or an earlier version, names:
//	                  revision:8 key; empty where an older version wrote it
//	g due:8 blob:16   a blob that none names, and when its file goes: empty; at a
//	                  follower the ns that it was of, where it may be named again
//	h ns key' revision:8  an earlier version of a key that its namespace keeps: how it
//	                  ended, and the row that it had in e (historyrow.go, which tells
//	                  of key' too); revision 0: the key's summary
//	o ns until:8 revision:8  by when they ended: the versions in h: time:8 key
//	k ns              of a namespace that keeps versions, or has some: from when on
//	                  they are whole, and how many there are
//	d ns              a deleted namespace whose rows in x and b are not yet gone: empty;
//	                  or whose records in i and r are not: goneRow
//	w ns              a namespace that was cleared as a whole, whose rows in x and b or
//	                  records in i and r are not yet gone: revision:8, and 1 once it is
//	                  only those (wipe.go)
//	q request:16      a remembered transaction: time:8 revision:8 { sum:8 }
//	p time:8 request  by time: the remembered transactions
//	n proposer:16     a proposer of a shared log: number:8 of its last batch, time:8
//	l revision:8      lineage: the epoch (16 bytes) that starts at this revision,
//	                  what it came after:8, its generation:8; zeros at the end
//	                  are left out
//	m name            format, cluster, applied (revision:8 time:8), purged
//	                  (revision:8 0:8), follower (empty), mixed (the newest revision
//	                  that is here before the position is there:8 0:8), generation
//	                  (the log's:8, the one that has fenced it off:8), forget (empty:
//	                  all of h, o and k is to go), note/ and a name: the node's own notes
//
// In the system namespace, an entry under namespace/ makes a namespace exist, and one
// under cleared/ has emptied a part of it (clear.go).
//
// Rows of x and b and records of i and r that a deleted namespace left behind are recognised by its
// row in d, and ignored. Of those that a cleared one left behind nothing stands under
// their keys: what reads them looks.
const (
	prefixEntry     = 'e'
	prefixValue     = 'v'
	prefixTombstone = 't'
	prefixIndex     = 'i'
	prefixRevision  = 'r'
	prefixReplaced  = 'u'
	prefixDue       = 'x'
	prefixCounter   = 'c'
	prefixBlob      = 'b'
	prefixGarbage   = 'g'
	prefixVersion   = 'h'
	prefixEnded     = 'o'
	prefixHistory   = 'k'
	prefixDropped   = 'd'
	prefixWiped     = 'w'
	prefixRequest   = 'q'
	prefixReqTime   = 'p'
	prefixProposer  = 'n'
	prefixLineage   = 'l'
	prefixMeta      = 'm'
)

const (
	nsLen  = len(godwit.NamespaceID{})
	idLen  = len(godwit.BlobID{})
	reqLen = len(godwit.RequestKey{})
)

var (
	metaFormat  = []byte("mformat")
	metaCluster = []byte("mcluster")
	metaApplied = []byte("mapplied")
	metaPurged  = []byte("mpurged")

	metaFollower = []byte("mfollower")
	metaMixed    = []byte("mmixed")

	metaGeneration = []byte("mgeneration")
	metaForget     = []byte("mforget")
)

func appendNS(b []byte, prefix byte, ns godwit.NamespaceID) []byte {
	return append(append(b, prefix), ns[:]...)
}

func appendNSKey[K string | []byte](b []byte, prefix byte, ns godwit.NamespaceID, key K) []byte {
	return append(appendNS(b, prefix, ns), key...)
}

func appendEntryKey[K string | []byte](b []byte, ns godwit.NamespaceID, key K) []byte {
	return appendNSKey(b, prefixEntry, ns, key)
}

func appendTombstoneKey[K string | []byte](b []byte, ns godwit.NamespaceID, key K) []byte {
	return appendNSKey(b, prefixTombstone, ns, key)
}

func appendValueKey(b []byte, ns godwit.NamespaceID, r godwit.Revision) []byte {
	return binary.BigEndian.AppendUint64(appendNS(b, prefixValue, ns), uint64(r))
}

func appendRevisionKey(b []byte, r godwit.Revision) []byte {
	return binary.BigEndian.AppendUint64(append(b, prefixRevision), uint64(r))
}

func appendIndexKey(b []byte, last godwit.Revision) []byte {
	return binary.BigEndian.AppendUint64(append(b, prefixIndex), uint64(last))
}

func cutIndexKey(b []byte) (last godwit.Revision, err error) {
	if len(b) != 9 {
		return 0, fmt.Errorf("read index row: %w", ErrCorrupt)
	}
	return godwit.Revision(binary.BigEndian.Uint64(b[1:])), nil
}

func appendReplacedKey(b []byte, number uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, prefixReplaced), number)
}

func cutReplacedKey(b []byte) (number uint64, err error) {
	if len(b) != 9 {
		return 0, fmt.Errorf("read row of replaced revisions: %w", ErrCorrupt)
	}
	return binary.BigEndian.Uint64(b[1:]), nil
}

func appendDueKey(b []byte, due int64, ns godwit.NamespaceID, key string) []byte {
	b = binary.BigEndian.AppendUint64(append(b, prefixDue), uint64(due))
	return append(append(b, ns[:]...), key...)
}

// secondKey is before all keys of a prefix that begin with a second from this one on, in
// unix seconds. Before 1970, where a clock may be that nobody has set, it is before all.
func secondKey(prefix byte, second int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{prefix}, uint64(max(second, 0)))
}

func appendBlobKey(b []byte, ns godwit.NamespaceID, id godwit.BlobID) []byte {
	return append(appendNS(b, prefixBlob, ns), id[:]...)
}

func appendGarbageKey(b []byte, due int64, id godwit.BlobID) []byte {
	b = binary.BigEndian.AppendUint64(append(b, prefixGarbage), uint64(due))
	return append(b, id[:]...)
}

func appendNoteKey(b []byte, name string) []byte {
	return append(append(append(b, prefixMeta), "note/"...), name...)
}

func appendRequestKey(b []byte, k godwit.RequestKey) []byte {
	return append(append(b, prefixRequest), k[:]...)
}

func appendReqTimeKey(b []byte, ms int64, k godwit.RequestKey) []byte {
	b = binary.BigEndian.AppendUint64(append(b, prefixReqTime), uint64(ms))
	return append(b, k[:]...)
}

func decodeReqTimeKey(b []byte) (ms int64, k godwit.RequestKey, err error) {
	if len(b) != 1+8+reqLen {
		return 0, k, fmt.Errorf("read request row: %w", ErrCorrupt)
	}
	return int64(binary.BigEndian.Uint64(b[1:])), godwit.RequestKey(b[9:]), nil
}

func appendProposerKey(b []byte, id ProposerID) []byte {
	return append(append(b, prefixProposer), id[:]...)
}

func appendLineageKey(b []byte, first godwit.Revision) []byte {
	return binary.BigEndian.AppendUint64(append(b, prefixLineage), uint64(first))
}

// cutNSKey splits a row's key, without its prefix byte, into ns and key. Rows
// shorter than that are damaged, and ok is false.
func cutNSKey(b []byte) (ns godwit.NamespaceID, key []byte, ok bool) {
	if len(b) < nsLen {
		return ns, nil, false
	}
	return godwit.NamespaceID(b[:nsLen]), b[nsLen:], true
}

// cutDueKey splits a row's key of x.
func cutDueKey(b []byte) (due int64, ns godwit.NamespaceID, key []byte, ok bool) {
	if len(b) < 1+8+nsLen {
		return 0, ns, nil, false
	}
	due = int64(binary.BigEndian.Uint64(b[1:]))
	ns, key, ok = cutNSKey(b[9:])
	return due, ns, key, ok
}

// cutBlobKey splits a row's key of b.
func cutBlobKey(b []byte) (ns godwit.NamespaceID, id godwit.BlobID, err error) {
	if len(b) != 1+nsLen+idLen {
		return ns, id, fmt.Errorf("read blob row: %w", ErrCorrupt)
	}
	return godwit.NamespaceID(b[1 : 1+nsLen]), godwit.BlobID(b[1+nsLen:]), nil
}

// successor returns the first key after all that start with prefix.
func successor(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

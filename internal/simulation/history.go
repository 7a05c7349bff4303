package simulation

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"sort"
	"strings"

	"github.com/godwitkv/godwit"
)

// keyID is a key of a namespace.
type keyID struct {
	ns  godwit.NamespaceID
	key string
}

// record is a record of the log, with a digest for the value.
type record struct {
	keyID
	revision   godwit.Revision
	op         godwit.Op
	hash       [32]byte
	size       int64
	metadata   string
	expiration int64
	created    int64
	modified   int64
	number     int64  // that the value is, if it is one
	tag        string // names the write; "": a deletion, or not of a client
}

// newRecord takes over what it needs of r.
func newRecord(r *godwit.Record) *record {
	out := &record{keyID: keyID{r.Namespace, r.Key}, revision: r.Revision, op: r.Op}
	if r.Op != godwit.OpPut {
		return out
	}
	out.hash, out.size = r.Value.Blob.Hash, r.Value.Size()
	if r.Value.Blob.IsZero() {
		out.hash = sha256.Sum256(r.Value.Inline)
	}
	out.number, _ = godwit.ParseNumber(r.Value.Inline)
	out.metadata, out.expiration = string(r.Metadata), r.Expiration
	out.created, out.modified = r.Created, r.Modified
	if r.Namespace != godwit.SystemNamespace {
		_ = json.Unmarshal(r.Metadata, &out.tag) // what is no tag has none
	}
	return out
}

// live tells whether the record leaves an entry behind at a time, in unix
// seconds.
func (r *record) live(now int64) bool {
	return r != nil && r.op == godwit.OpPut && (r.expiration == 0 || r.expiration > now)
}

// history is a log from its beginning: the one there is, or one that a centre
// which went back has left.
type history struct {
	fork    godwit.Revision // up to there it is the one before it
	end     godwit.Revision
	records []*record
	keys    map[keyID][]*record
	dropped map[godwit.NamespaceID]godwit.Revision // when namespaces were deleted
	cleared []clearing
	spans   []span // of transactions with several records
	open    span   // of the transaction that the last records may belong to
}

// clearing is keys that were cleared.
type clearing struct {
	ns       godwit.NamespaceID
	prefix   string
	revision godwit.Revision
}

func (c *clearing) covers(k keyID) bool { return c.ns == k.ns && strings.HasPrefix(k.key, c.prefix) }

// span is the revisions of a transaction.
type span struct {
	first, last godwit.Revision
	tag         string
}

func newHistory() *history {
	return &history{keys: make(map[keyID][]*record), dropped: make(map[godwit.NamespaceID]godwit.Revision)}
}

// branch is the history that goes on from revision r.
func (h *history) branch(r godwit.Revision) *history {
	b := newHistory()
	for _, rec := range h.records {
		if rec.revision <= r {
			b.add(rec)
		}
	}
	b.fork, b.end = r, r
	return b
}

// add appends a record.
func (h *history) add(r *record) {
	h.records = append(h.records, r)
	h.keys[r.keyID] = append(h.keys[r.keyID], r)
	h.end = r.revision
	h.noteDropped(r)
	h.noteCleared(r)
	if r.tag == "" || r.tag != h.open.tag || r.revision != h.open.last+1 {
		h.open = span{r.revision, r.revision, r.tag}
		return
	}
	if h.open.last = r.revision; h.open.first+1 == r.revision {
		h.spans = append(h.spans, h.open)
	}
	h.spans[len(h.spans)-1] = h.open
}

// noteDropped keeps that a record deletes a namespace, and all of its keys.
func (h *history) noteDropped(r *record) {
	text, ok := strings.CutPrefix(r.key, "namespace/")
	if !ok || r.ns != godwit.SystemNamespace || r.op != godwit.OpDelete {
		return
	}
	if ns, err := godwit.ParseNamespaceID(text); err == nil {
		h.dropped[ns] = r.revision
	}
}

// noteCleared keeps that a record clears keys.
func (h *history) noteCleared(r *record) {
	if ns, prefix, ok := godwit.ClearedKeys(r.key); ok && r.ns == godwit.SystemNamespace && r.op == godwit.OpPut {
		h.cleared = append(h.cleared, clearing{ns, prefix, r.revision})
	}
}

// at is what stands under a key at a revision, or nil.
func (h *history) at(k keyID, r godwit.Revision) *record {
	list := h.keys[k]
	i := sort.Search(len(list), func(i int) bool { return list[i].revision > r })
	if d := h.dropped[k.ns]; i == 0 || d != 0 && d <= r {
		return nil
	}
	for j := range h.cleared {
		if c := &h.cleared[j]; c.revision <= r && list[i-1].revision < c.revision && c.covers(k) {
			return nil
		}
	}
	return list[i-1]
}

// whole moves a revision that is within a transaction to the transaction's end.
func (h *history) whole(r godwit.Revision) godwit.Revision {
	i := sort.Search(len(h.spans), func(i int) bool { return h.spans[i].last >= r })
	if i < len(h.spans) && h.spans[i].first <= r {
		return h.spans[i].last
	}
	return r
}

// between is the records in (after, upTo].
func (h *history) between(after, upTo godwit.Revision) []*record {
	from := sort.Search(len(h.records), func(i int) bool { return h.records[i].revision > after })
	to := sort.Search(len(h.records), func(i int) bool { return h.records[i].revision > upTo })
	return h.records[from:max(from, to)]
}

// find is the record with a revision, or nil.
func (h *history) find(r godwit.Revision) *record {
	i := sort.Search(len(h.records), func(i int) bool { return h.records[i].revision >= r })
	if i < len(h.records) && h.records[i].revision == r {
		return h.records[i]
	}
	return nil
}

// moments are the revisions from floor on at which something under the keys
// changed, floor first, none within a transaction.
func (h *history) moments(keys []keyID, floor godwit.Revision) []godwit.Revision {
	out := []godwit.Revision{h.whole(floor)}
	for _, k := range keys {
		for _, r := range h.keys[k] {
			if r.revision > floor {
				out = append(out, h.whole(r.revision))
			}
		}
		for i := range h.cleared {
			if c := &h.cleared[i]; c.revision > floor && c.covers(k) {
				out = append(out, c.revision)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// within is the keys of a namespace that have or had an entry.
func (h *history) within(ns godwit.NamespaceID) (keys []keyID) {
	for k := range h.keys {
		if k.ns == ns {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b keyID) int {
		if a.key < b.key {
			return -1
		}
		return 1
	})
	return keys
}

package watch

import (
	"bytes"
	"strings"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/store"
)

// Committed takes what the store has committed, in order. It is quick, and keeps
// nothing of c.
func (h *Hub) Committed(c *store.Committed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	gap := c.Prev != h.rev
	h.time = c.Time
	if gap || !c.Exact || h.mixed {
		h.rev = c.Revision
		h.forgetAll() // who stands before is told in rounds, once the store is exact
		if !h.isMixed() {
			h.wakeAll()
		}
		return
	}
	if len(h.topics) > 0 {
		now := h.cfg.Now().Unix()
		for i := range c.Records {
			h.commit(&c.Records[i], now)
		}
	}
	h.rev = c.Revision
	h.releasePending()
}

// commit puts a record in the ring, if somebody may want it.
func (h *Hub) commit(r *godwit.Record, now int64) {
	if r.Namespace == godwit.SystemNamespace {
		h.catalogChanged(r)
		return
	}
	t := h.topics[r.Namespace]
	if t == nil {
		return
	}
	if t.abandoned() {
		delete(h.topics, t.ns)
		return
	}
	c := &change{Event: eventOf(r, now, t.values)}
	c.at.rev = r.Revision
	if c.Kind == Expired {
		c.at.sec = c.Expiration
	}
	c.ID = c.at.String()
	t.add(c, h.share())
}

// catalogChanged ends the watches of a namespace that is deleted, and has those of one
// of which keys are cleared look at what the store holds.
func (h *Hub) catalogChanged(r *godwit.Record) {
	if ns, _, ok := godwit.ClearedKeys(r.Key); ok && r.Op == godwit.OpPut {
		if t := h.topics[ns]; t != nil {
			t.forget(r.Revision-1, h.second())
			t.wake()
		}
		return
	}
	if r.Op != godwit.OpDelete {
		return
	}
	for id, t := range h.topics {
		if r.Key == catalog.NamespaceKey(id) {
			t.gone = true
			t.wake()
			delete(h.topics, id)
		}
	}
}

// eventOf is a record as an event, without ID, of which nothing points into the
// record. now is unix seconds.
func eventOf(r *godwit.Record, now int64, values bool) Event {
	e := Event{Kind: Put, Key: strings.Clone(r.Key), Revision: r.Revision, Expiration: r.Expiration}
	switch {
	case r.Op == godwit.OpDelete:
		e.Kind = Deleted
	case r.Swept || r.Expiration != 0 && r.Expiration <= now:
		e.Kind = Expired
	default:
		e.Metadata, e.Size = bytes.Clone(r.Metadata), r.Value.Size()
		if values && r.Value.Blob.IsZero() && e.Size <= MaxValue {
			e.Value = append([]byte{}, r.Value.Inline...)
		}
	}
	return e
}

// Expired takes entries that have expired, before anything can be put under
// their keys again.
func (h *Hub) Expired(expired []store.Expired) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.note(expired)
	if h.mixed || len(h.topics) == 0 {
		return
	}
	for _, e := range expired {
		switch {
		case h.topics[e.Namespace] == nil:
		case e.Revision > h.rev: // the entry itself comes first
			h.pending = append(h.pending, e)
		default:
			h.expire(e)
		}
	}
}

// releasePending tells of what had expired before it was told of.
func (h *Hub) releasePending() {
	if len(h.pending) == 0 {
		return
	}
	var rest []store.Expired
	for _, e := range h.pending {
		if e.Revision > h.rev {
			rest = append(rest, e)
			continue
		}
		h.expire(e)
	}
	h.pending = rest
}

func (h *Hub) expire(e store.Expired) {
	t := h.topics[e.Namespace]
	if t == nil {
		return
	}
	at := position{h.rev, e.At}
	t.add(&change{at: at, swept: true, Event: Event{
		Kind: Expired, ID: at.String(), Key: strings.Clone(e.Key), Revision: e.Revision, Expiration: e.At,
	}}, h.share())
}

// span is a span of time, unix seconds, both ends included.
type span struct{ from, to int64 }

// note keeps the latest second of an expiry, and from when and until when expiries
// were told late, as after the node was down or when very many come at once: an ID of
// that time does not mean that all that had expired before was told.
func (h *Hub) note(expired []store.Expired) {
	now := h.cfg.Now().Unix()
	for i := range expired {
		at := expired[i].At
		h.latest = max(h.latest, at)
		if now-at <= int64(late/time.Second) {
			continue
		}
		if h.behind == (span{}) {
			h.behind.from = at
		}
		h.behind = span{min(h.behind.from, at), max(h.behind.to, now)}
	}
}

// second is the one up to which entries may have been told of as expired. The caller
// holds the hub's lock.
func (h *Hub) second() int64 { return max(h.cfg.Now().Unix(), h.latest) }

// since is from which second on expiries must be told to whoever stands at a
// second.
func (h *Hub) since(sec int64) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	slack := int64(min(time.Minute, h.cfg.Store.Retention()/8) / time.Second)
	since := max(sec-slack, 0)
	if since <= h.behind.to {
		since = min(since, h.behind.from)
	}
	return since
}

// Mixed tells that the store is not an exact prefix of the log until Exact:
// watches wait, and get a reset if their position no longer means anything.
func (h *Hub) Mixed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mixed = true
	h.states++
	h.forgetAll()
}

// Exact tells that the store is an exact prefix again; reset: in a way that left
// deletions out, so that every watch begins anew.
func (h *Hub) Exact(reset bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mixed = false
	h.states++
	if reset {
		h.life++
	}
	h.rev = h.cfg.Store.Revision()
	h.forgetAll()
	h.wakeAll()
}

// isMixed tells that the store is no exact prefix for now. Somebody will be
// woken when it is one again.
func (h *Hub) isMixed() bool { return h.mixed || h.cfg.Store.Mixed() }

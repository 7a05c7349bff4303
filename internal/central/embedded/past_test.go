package embedded_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// past is the part of the model that remembers: everything there ever was, and what of
// it the store has promised to keep.
type past struct {
	policy map[godwit.NamespaceID]godwit.HistoryPolicy
	since  map[godwit.NamespaceID]int64 // from when on something is promised, unix milliseconds
	all    map[id][]stay
	kept   map[id][]stay
	lost   map[id]int64 // until when the last one stood that is not promised any more
}

// stay is an entry and until when it stood, unix milliseconds.
type stay struct {
	entry
	until int64
}

func newPast() past {
	return past{
		policy: map[godwit.NamespaceID]godwit.HistoryPolicy{}, since: map[godwit.NamespaceID]int64{},
		all: map[id][]stay{}, kept: map[id][]stay{}, lost: map[id]int64{},
	}
}

func (p *past) end(k id, e entry, ms int64) {
	if e.expiration != 0 {
		ms = min(ms, e.expiration*1000)
	}
	s := stay{e, ms}
	p.all[k] = append(p.all[k], s)
	if !p.policy[k.ns].Off() {
		p.kept[k] = append(p.kept[k], s)
		p.limit(k, p.policy[k.ns].Versions)
	}
}

// limit forgets all but the last promised stays.
func (p *past) limit(k id, most int) {
	for kept := p.kept[k]; len(kept) > most; kept = p.kept[k] {
		p.lost[k] = max(p.lost[k], kept[0].until)
		p.kept[k] = kept[1:]
	}
}

// set takes a namespace's own entry.
func (p *past) set(mu godwit.Mutation, value string, entries map[id]entry, ms int64) {
	ns, ok := createdNamespace(mu)
	if !ok {
		return
	}
	for k, e := range entries { // what has expired may be a version already
		if old := p.policy[ns]; k.ns == ns && e.expiration != 0 && e.expiration*1000 <= ms && !old.Off() {
			p.limit(k, old.Versions-1)
		}
	}
	var row godwit.Namespace
	_ = json.Unmarshal([]byte(value), &row)
	policy, _ := godwit.ParseHistory(row.Settings.History)
	if p.policy[ns].Off() {
		p.since[ns] = ms
	} else { // what was over then may be gone
		p.since[ns] = max(p.since[ns], ms-p.policy[ns].Span.Milliseconds())
	}
	p.policy[ns] = policy
	for k := range p.kept {
		if k.ns == ns {
			p.limit(k, policy.Versions)
		}
	}
}

func createdNamespace(mu godwit.Mutation) (ns godwit.NamespaceID, ok bool) {
	const prefix = len("namespace/")
	if mu.Namespace != godwit.SystemNamespace || len(mu.Key) <= prefix {
		return ns, false
	}
	ns, err := godwit.ParseNamespaceID(mu.Key[prefix:])
	return ns, err == nil && mu.Key == catalog.NamespaceKey(ns)
}

func (p *past) drop(ns godwit.NamespaceID) {
	for k := range p.all {
		if k.ns == ns {
			delete(p.all, k)
			delete(p.kept, k)
		}
	}
	delete(p.policy, ns)
}

// at finds what stood at a time among stays.
func at(stays []stay, ms int64) *entry {
	var found *entry
	for i := range stays {
		if stays[i].modified <= ms {
			if found = nil; ms < stays[i].until {
				found = &stays[i].entry
			}
		}
	}
	return found
}

// comparePast asks what stood at some time. What is promised must be answered, and
// what is answered must be true.
func (h *history) comparePast(k id) {
	h.t.Helper()
	p, now := &h.model.past, h.clock.Now().UnixMilli()
	then := now - h.rng.Int64N(60_000)*int64(h.rng.IntN(3))
	all, kept := p.all[k], p.kept[k]
	if e, ok := h.model.entries[k]; ok {
		s := stay{e, now + 1}
		if e.expiration != 0 {
			s.until = min(s.until, e.expiration*1000)
		}
		all = append(slices.Clone(all), s)
		if s.until > now {
			kept = append(slices.Clone(kept), s)
		} else if !p.policy[k.ns].Off() {
			p.limit(k, p.policy[k.ns].Versions-1) // it is a version, or will be
			kept = append(slices.Clone(p.kept[k]), s)
		}
	}
	whole := max(p.since[k.ns], p.lost[k], now-p.policy[k.ns].Span.Milliseconds())
	v, err := h.store.VersionAt(context.Background(), k.ns, k.key, godwit.Moment{Time: then})
	truth, promised := at(all, then), at(kept, then)
	gone := godwit.CodeOf(err) == godwit.CodeHistoryGone
	switch {
	case err != nil && !gone && !errors.Is(err, godwit.ErrKeyNotFound):
		h.t.Errorf("past of %s: %v", k.key, err)
	case gone && (promised != nil && h.stillPromised(k, promised, now) || !p.policy[k.ns].Off() && then >= whole):
		h.t.Errorf("past of %s at %d: %v, but that was promised, and all from %d on", k.key, then, err, whole)
	case gone:
	case err != nil && truth != nil:
		h.t.Errorf("past of %s at %d: absent, want revision %d", k.key, then, truth.revision)
	case err == nil && truth == nil:
		h.t.Errorf("past of %s at %d: %+v, want it absent", k.key, then, v)
	case err == nil:
		if diff := cmp.Diff(*truth, h.read(k.ns, &v.Entry), cmp.AllowUnexported(entry{})); diff != "" {
			h.t.Errorf("past of %s at %d (-want +got):\n%s", k.key, then, diff)
		}
	}
}

// stillPromised tells whether a stay is recent enough for the namespace's time, or
// stands.
func (h *history) stillPromised(k id, e *entry, now int64) bool {
	p := &h.model.past
	if cur, ok := h.model.entries[k]; ok && cur.revision == e.revision && (cur.expiration == 0 || cur.expiration*1000 > now) {
		return true
	}
	for _, s := range p.kept[k] {
		if s.revision == e.revision {
			return !p.policy[k.ns].Off() && s.until > p.since[k.ns] && s.until > now-p.policy[k.ns].Span.Milliseconds()+time.Second.Milliseconds()
		}
	}
	return false
}

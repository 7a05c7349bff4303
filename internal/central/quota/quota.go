// Package quota owns how much a namespace may hold: a log in front of the log that
// refuses what would take a namespace over its settings max_keys and max_bytes, and
// what clears more keys at once than its history has room for in memory. It stands where
// the log is, so that a write is judged alike whichever node took it in. It must import
// the domain alone.
//
// What is on its way is not counted yet: writers side by side may go over a quota
// by what they write at once.
package quota

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/godwitkv/godwit"
)

// readAtOnce bounds the entries that are held in memory to learn their sizes.
const readAtOnce = 64

// Config is what a Log needs; all fields but MaxCleared are required.
type Config struct {
	Log godwit.Log
	// Namespace is one that is known here, else nil. It does not wait.
	Namespace func(godwit.NamespaceID) *godwit.Namespace
	// Size counts the keys of a namespace and the bytes of their names, metadata
	// and values.
	Size    func(godwit.NamespaceID) (keys, bytes int64)
	Reader  Reader
	Metrics prometheus.Registerer
	// MaxCleared bounds the bytes of keys that are cleared at once in namespaces with
	// history. 0: 256 MiB.
	MaxCleared int64
}

// Reader finds what a write replaces and what a prefix holds; a store is one.
type Reader interface {
	List(ctx context.Context, ns godwit.NamespaceID, q godwit.ListQuery, opts godwit.ReadOptions) (*godwit.Page, error)
	GetMany(ctx context.Context, ns godwit.NamespaceID, keys []string, opts godwit.ReadOptions) ([]*godwit.Entry, godwit.Served, error)
}

// Log is a log that holds namespaces to their quotas.
type Log struct {
	godwit.Log
	cfg     Config
	clears  *semaphore.Weighted // bytes that are being moved by what clears
	refused prometheus.Counter
}

var _ godwit.Log = (*Log)(nil)

// New returns a Log. It registers its metric.
func New(cfg Config) *Log {
	if cfg.MaxCleared == 0 {
		cfg.MaxCleared = maxCleared
	}
	l := &Log{Log: cfg.Log, cfg: cfg, clears: semaphore.NewWeighted(cfg.MaxCleared), refused: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "godwit_quota_refused_total",
		Help: "Proposals refused because their namespace would hold more than its settings allow.",
	})}
	cfg.Metrics.MustRegister(l.refused)
	return l
}

// Propose implements [godwit.Log]. What clears waits while what others clear takes the
// memory that there is for it. Errors, beside the log's own: CodeQuota; of what
// clears, CodeInvalidRequest; those of Reader.
func (l *Log) Propose(ctx context.Context, txs []godwit.Transaction) ([]godwit.Result, error) {
	bytes, err := l.cleared(ctx, txs)
	if err != nil {
		return nil, err
	}
	if bytes > 0 {
		if err := l.clears.Acquire(ctx, bytes); err != nil {
			return nil, &godwit.Error{Code: godwit.CodeUnavailable, Message: "The request was cancelled.", Err: err}
		}
		defer l.clears.Release(bytes)
	}
	for ns, mutations := range l.limited(txs) {
		if err := l.check(ctx, ns, mutations); err != nil {
			l.refused.Inc()
			return nil, err
		}
	}
	return l.Log.Propose(ctx, txs)
}

// limited is what is written to namespaces that have a quota; nil where there is
// none, which costs a look at each namespace.
func (l *Log) limited(txs []godwit.Transaction) (found map[*godwit.Namespace][]*godwit.Mutation) {
	var last *godwit.Namespace
	for i := range txs {
		for j := range txs[i].Mutations {
			m := &txs[i].Mutations[j]
			if m.Namespace == godwit.SystemNamespace {
				continue
			}
			if last == nil || last.ID != m.Namespace {
				if last = l.cfg.Namespace(m.Namespace); last == nil {
					continue // the log knows
				}
			}
			if last.Settings.MaxKeys == nil && last.Settings.MaxBytes == nil {
				continue
			}
			if found == nil {
				found = make(map[*godwit.Namespace][]*godwit.Mutation)
			}
			found[last] = append(found[last], m)
		}
	}
	return found
}

// amount is keys and bytes.
type amount struct{ keys, bytes int64 }

// check tells whether ns may hold what mutations leave. Far from the limit nothing
// is read: each key is taken for a new one. What takes nothing more always passes.
// Error: CodeQuota.
func (l *Log) check(ctx context.Context, ns *godwit.Namespace, mutations []*godwit.Mutation) error {
	var held, grows amount
	held.keys, held.bytes = l.cfg.Size(ns.ID)
	for _, m := range mutations {
		if m.Op != godwit.OpDelete {
			grows.keys++
			grows.bytes += size(m)
		}
	}
	if over(ns, held, grows) == nil {
		return nil
	}
	grows, err := l.growth(ctx, ns.ID, mutations)
	if err != nil {
		return err
	}
	return over(ns, held, grows)
}

// over is the error of holding grows more than held; nil if that may be.
func over(ns *godwit.Namespace, held, grows amount) error {
	s := &ns.Settings
	switch {
	case s.MaxKeys != nil && grows.keys > 0 && held.keys+grows.keys > *s.MaxKeys:
		return godwit.Errorf(godwit.CodeQuota, "free limit reached: the namespace may hold %d keys (max_keys)", *s.MaxKeys)
	case s.MaxBytes != nil && grows.bytes > 0 && held.bytes+grows.bytes > *s.MaxBytes:
		return godwit.Errorf(godwit.CodeQuota, "free limit reached: the namespace may hold %d bytes (max_bytes)", *s.MaxBytes)
	}
	return nil
}

// growth is what mutations, if all of them happen, add to what stands there.
func (l *Log) growth(ctx context.Context, ns godwit.NamespaceID, mutations []*godwit.Mutation) (g amount, err error) {
	last := make(map[string]*godwit.Mutation, len(mutations)) // of each key
	keys := make([]string, 0, len(mutations))
	for _, m := range mutations {
		if last[m.Key] == nil {
			keys = append(keys, m.Key)
		}
		last[m.Key] = m
	}
	for len(keys) > 0 {
		n := min(len(keys), readAtOnce)
		entries, _, err := l.cfg.Reader.GetMany(ctx, ns, keys[:n], godwit.ReadOptions{})
		if err != nil {
			return g, err
		}
		for i, e := range entries {
			g.replace(e, last[keys[i]])
		}
		keys = keys[n:]
	}
	return g, nil
}

// replace counts that m takes the place of e, nil if there is none.
func (g *amount) replace(e *godwit.Entry, m *godwit.Mutation) {
	if e != nil {
		g.keys--
		g.bytes -= int64(len(e.Key)+len(e.Metadata)) + e.Value.Size()
	}
	if m.Op != godwit.OpDelete {
		g.keys++
		g.bytes += size(m)
	}
}

// sumBytes is the longest sum of an add.
const sumBytes = int64(len("-9223372036854775808"))

// size is how many bytes a put or an add leaves, as the store counts them.
func size(m *godwit.Mutation) int64 {
	n := int64(len(m.Key)+len(m.Metadata)) + m.Value.Size()
	if m.Op == godwit.OpAdd {
		n += sumBytes
	}
	return n
}

package quota

import (
	"context"

	"github.com/godwitkv/godwit"
)

// A namespace that keeps history has an earlier version of each key that is cleared, all
// written at once: a node has several times their size in memory meanwhile. So they are
// bounded. What counts of a key is about what moves: its own rows, and a value beside
// them of up to movedBytes.
const (
	rowBytes   = 512
	movedBytes = 2 << 10
)

// maxCleared bounds the sum of what counts of the keys that are cleared at once.
const maxCleared = 256 << 20

// shareCounted is which share of that a namespace may have so that no key of it is counted:
// what a part of it moves is taken for all of it.
const shareCounted = 16

// cleared is about how many bytes transactions move that clear keys: all of them may come
// into one batch. Errors: CodeInvalidRequest, those of Reader.
func (l *Log) cleared(ctx context.Context, txs []godwit.Transaction) (bytes int64, err error) {
	var all amount
	for i := range txs {
		for j := range txs[i].Mutations {
			m := &txs[i].Mutations[j]
			if m.Namespace != godwit.SystemNamespace || m.Op != godwit.OpPut {
				continue
			}
			ns, prefix, clears := godwit.ClearedKeys(m.Key)
			if !clears {
				continue
			}
			some, err := l.clearedBy(ctx, ns, prefix)
			if err != nil {
				return 0, err
			}
			all.keys += some.keys
			if bytes += some.moved(); bytes > l.cfg.MaxCleared {
				return 0, tooMany(all)
			}
		}
	}
	return bytes, nil
}

// clearedBy is what goes of a namespace that keeps history, or a bound of it, if keys with
// a prefix are cleared. It counts no further than to what is too much.
func (l *Log) clearedBy(ctx context.Context, id godwit.NamespaceID, prefix string) (some amount, err error) {
	ns := l.cfg.Namespace(id)
	if ns == nil || ns.Settings.History == "" {
		return some, nil
	}
	some.keys, some.bytes = l.cfg.Size(id)
	if prefix == "" || some.moved() <= l.cfg.MaxCleared/shareCounted {
		return some, nil
	}
	some = amount{}
	q := godwit.ListQuery{Prefix: prefix, Limit: 1, Scan: &godwit.Scan{Count: true}}
	for more := true; more && some.moved() <= l.cfg.MaxCleared; {
		page, err := l.cfg.Reader.List(ctx, id, q, godwit.ReadOptions{})
		if err != nil {
			return some, err
		}
		some.keys += page.Keys
		some.bytes += page.Bytes
		q.Cursor, more = page.Cursor, page.More
	}
	return some, nil
}

// moved is about how many bytes are written when so much is cleared.
func (g *amount) moved() int64 { return g.keys*rowBytes + min(g.bytes, g.keys*movedBytes) }

func tooMany(a amount) error {
	return godwit.Errorf(godwit.CodeInvalidRequest, "%d keys or more are too many to be cleared at once in a namespace that keeps history, "+
		"of which they become part: clear them in parts, by longer prefixes, or turn the history off first.", a.keys)
}

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

func (l *Log) checkClears(ctx context.Context, txs []godwit.Transaction) error {
	for i := range txs {
		for j := range txs[i].Mutations {
			m := &txs[i].Mutations[j]
			if m.Namespace != godwit.SystemNamespace || m.Op != godwit.OpPut {
				continue
			}
			if ns, prefix, clears := godwit.ClearedKeys(m.Key); clears {
				if err := l.checkClear(ctx, ns, prefix); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// checkClear tells whether a namespace that keeps history can clear keys with a prefix.
// Errors: CodeInvalidRequest, those of Reader.
func (l *Log) checkClear(ctx context.Context, id godwit.NamespaceID, prefix string) error {
	ns := l.cfg.Namespace(id)
	if ns == nil || ns.Settings.History == "" {
		return nil
	}
	var some amount
	if some.keys, some.bytes = l.cfg.Size(id); some.moved() <= l.cfg.MaxCleared {
		return nil
	}
	if prefix == "" {
		return tooMany(some)
	}
	some = amount{}
	q := godwit.ListQuery{Prefix: prefix, Limit: 1, Scan: &godwit.Scan{Count: true}}
	for {
		page, err := l.cfg.Reader.List(ctx, id, q, godwit.ReadOptions{})
		if err != nil {
			return err
		}
		some.keys += page.Keys
		some.bytes += page.Bytes
		switch {
		case some.moved() > l.cfg.MaxCleared:
			return tooMany(some)
		case !page.More:
			return nil
		}
		q.Cursor = page.Cursor
	}
}

// moved is about how many bytes are written when so much is cleared.
func (g *amount) moved() int64 { return g.keys*rowBytes + min(g.bytes, g.keys*movedBytes) }

func tooMany(a amount) error {
	return godwit.Errorf(godwit.CodeInvalidRequest, "%d keys or more are too many to be cleared at once in a namespace that keeps history, "+
		"of which they become part: clear them in parts, by longer prefixes, or turn the history off first.", a.keys)
}

package store_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// TestGolden runs the scripts in testdata. With --rewrite it writes down what
// happens now.
func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		cfg := store.Config{Retention: time.Hour, InlineBytes: 2000, Follower: filepath.Base(path) == "following"}
		g := &golden{disk: newDisk(t, cfg)}
		datadriven.RunTest(t, path, func(t *testing.T, td *datadriven.TestData) string {
			t.Helper()
			g.t, g.td = t, td
			return g.run()
		})
	})
}

type golden struct {
	*disk
	td     *datadriven.TestData
	cursor string
}

func (g *golden) run() string {
	commands := map[string]func() string{
		"put": g.put, "delete": g.delete, "get": g.get, "list": g.list, "advance": g.advance, "sweep": g.sweepNow,
		"drop": g.drop, "stats": g.stats, "rows": g.rows, "key": g.key, "entry": g.entry, "tombstone": g.tombstone,
		"revision": g.revision, "pair": g.pair, "cursor": g.cursorText, "blob": g.blobRow,
		"catch-up": g.catchUp, "install": g.install, "remove": g.remove, "reach": g.reach, "rewind": g.rewind,
		"follow": g.follow, "note": g.note, "changes": g.changes,
	}
	fn, ok := commands[g.td.Cmd]
	if !ok {
		return "no such command: " + g.td.Cmd
	}
	return fn()
}

// arg is the i-th argument without a value.
func (g *golden) arg(i int) string {
	for _, a := range g.td.CmdArgs {
		if len(a.Vals) == 0 {
			if i == 0 {
				return a.Key
			}
			i--
		}
	}
	return ""
}

func (g *golden) text(name string) string {
	for _, a := range g.td.CmdArgs {
		if a.Key == name && len(a.Vals) > 0 {
			return strings.Join(a.Vals, ",")
		}
	}
	return ""
}

func (g *golden) number(name string) int64 {
	text := g.text(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		g.t.Fatalf("%s: %v", g.td.Pos, err)
	}
	return n
}

func (g *golden) ns() godwit.NamespaceID {
	return godwit.NamespaceID{15: byte(max(g.number("ns"), 1))}
}

func (g *golden) record() godwit.Record {
	r := godwit.Record{
		Mutation: godwit.Mutation{Op: godwit.OpPut, Namespace: g.ns(), Key: g.arg(0), Expiration: g.number("expiration")},
		Revision: godwit.Revision(g.number("revision")), Created: g.number("created"), Modified: g.number("modified"),
	}
	r.Value.Inline = []byte(strings.Repeat(g.arg(1), int(max(g.number("times"), 1))))
	if m := g.text("metadata"); m != "" {
		r.Metadata = []byte(m)
	}
	if n := g.number("blob"); n > 0 {
		r.Value = godwit.Value{Blob: godwit.Blob{ID: godwit.BlobID{0xb1, 15: 0x0b}, Size: n, Hash: [32]byte{0xaa, 31: 0xbb}}}
	}
	return r
}

func (g *golden) put() string {
	m := g.record().Mutation
	if ttl := g.number("ttl"); ttl > 0 {
		m.Expiration = g.clock.Now().Unix() + ttl
	}
	return fmt.Sprintf("revision %d\n", g.write(m))
}

func (g *golden) delete() string { return fmt.Sprintf("revision %d\n", g.write(del(g.ns(), g.arg(0)))) }
func (g *golden) drop() string   { return fmt.Sprintf("revision %d\n", g.write(dropNS(g.ns()))) }

func (g *golden) get() string {
	e, _, err := g.Get(ctx, g.ns(), []byte(g.arg(0)), godwit.ReadOptions{})
	if errors.Is(err, godwit.ErrKeyNotFound) {
		return "miss\n"
	}
	if err != nil {
		return err.Error() + "\n"
	}
	r, err := g.OpenValue(ctx, g.ns(), e)
	if err != nil {
		return err.Error() + "\n"
	}
	defer r.Close()
	value, err := io.ReadAll(r)
	if err != nil {
		return err.Error() + "\n"
	}
	return g.line(e) + fmt.Sprintf(" value=%s\n", value)
}

func (g *golden) line(e *godwit.Entry) string {
	s := fmt.Sprintf("%s revision=%d", e.Key, e.Revision)
	if e.Expiration != 0 {
		s += fmt.Sprintf(" ttl=%d", e.Expiration-g.clock.Now().Unix())
	}
	if e.Metadata != nil {
		s += fmt.Sprintf(" metadata=%s", e.Metadata)
	}
	return s
}

// list goes on after the page before with "next".
func (g *golden) list() string {
	q := godwit.ListQuery{Prefix: g.text("prefix"), Limit: int(g.number("limit"))}
	if g.arg(0) == "next" {
		q.Cursor = g.cursor
	}
	if q.Limit == 0 {
		q.Limit = 1000
	}
	page, err := g.List(ctx, g.ns(), q, godwit.ReadOptions{})
	if err != nil {
		return err.Error() + "\n"
	}
	var out strings.Builder
	for i := range page.Entries {
		fmt.Fprintln(&out, g.line(&page.Entries[i]))
	}
	if g.cursor = page.Cursor; page.More {
		fmt.Fprintln(&out, "more")
	} else {
		fmt.Fprintln(&out, "end")
	}
	return out.String()
}

func (g *golden) advance() string {
	d, err := time.ParseDuration(g.arg(0))
	if err != nil {
		g.t.Fatalf("%s: %v", g.td.Pos, err)
	}
	g.clock.advance(d)
	return ""
}

func (g *golden) sweepNow() string {
	g.sweep()
	return ""
}

func (g *golden) stats() string {
	keys, bytes := g.NamespaceStats(g.ns())
	return fmt.Sprintf("%d keys, %d bytes, revision %d, purged %d\n", keys, bytes, g.Revision(), g.Purged())
}

// rows are all rows but those that differ from run to run.
func (g *golden) rows() string {
	var out strings.Builder
	err := g.Rows(func(k, v []byte) {
		if string(k) != string(store.MetaCluster()) {
			fmt.Fprintf(&out, "%s = %s\n", printable(k), printable(v))
		}
	})
	if err != nil {
		return err.Error()
	}
	return out.String()
}

// printable shows runs of zeros short, other bytes that are no text in
// hexadecimal.
func printable(b []byte) string {
	var out strings.Builder
	for len(b) > 0 {
		zeros := 0
		for zeros < len(b) && b[zeros] == 0 {
			zeros++
		}
		switch {
		case zeros > 2:
			fmt.Fprintf(&out, "<0*%d>", zeros)
			b = b[zeros:]
			continue
		case b[0] > ' ' && b[0] <= '~' && b[0] != '<':
			out.WriteByte(b[0])
		default:
			fmt.Fprintf(&out, "<%02x>", b[0])
		}
		b = b[1:]
	}
	return out.String()
}

func (g *golden) key() string {
	r := g.record()
	id := godwit.BlobID{0xb1, 15: 0x0b}
	request := godwit.RequestKey{0x4e, 15: 0xee}
	due := g.number("due")
	keys := map[string][]byte{
		"entry": store.EntryKey(nil, r.Namespace, r.Key), "tombstone": store.TombstoneKey(nil, r.Namespace, r.Key),
		"value": store.ValueKey(nil, r.Namespace, r.Revision), "revision": store.RevisionKey(nil, r.Revision),
		"due": store.DueKey(nil, due, r.Namespace, r.Key), "counter": store.CounterKey(r.Namespace),
		"blob": store.BlobKey(nil, r.Namespace, id), "garbage": store.GarbageKey(nil, due, id),
		"dropped": store.DroppedKey(r.Namespace), "request": store.RequestKey(nil, request),
		"request-time": store.ReqTimeKey(nil, due, request), "lineage": store.LineageKey(nil, r.Revision),
		"note": store.NoteKey(nil, r.Key),
	}
	return hex.Dump(keys[g.text("kind")])
}

func (g *golden) entry() string {
	r := g.record()
	return hex.Dump(store.EntryRow(nil, &r))
}

func (g *golden) tombstone() string {
	return hex.Dump(store.TombstoneRow(store.Tombstone{
		Swept: g.arg(0) == "swept", Revision: godwit.Revision(g.number("revision")), Due: g.number("due"),
		Expiration: g.number("expiration"), Created: g.number("created"),
	}))
}

func (g *golden) revision() string {
	op := godwit.OpPut
	if g.arg(1) == "deleted" {
		op = godwit.OpDelete
	}
	return hex.Dump(store.RevisionRow(nil, op, g.ns(), g.arg(0)))
}

func (g *golden) pair() string {
	return hex.Dump(store.Pair(nil, uint64(g.number("x")), uint64(g.number("y"))))
}

func (g *golden) blobRow() string {
	return hex.Dump(store.BlobRow(nil, godwit.Revision(g.number("revision")), g.arg(0)))
}

// did commits what a follower does, and shows where it stands.
func (g *golden) did(fn func(tx *store.Tx) error) string {
	g.tx(fn)
	return fmt.Sprintf("revision %d, mixed %v, purged %d\n", g.Revision(), g.Mixed(), g.Purged())
}

func (g *golden) catchUp() string {
	return g.did(func(tx *store.Tx) error { r := g.incoming(); return tx.CatchUp(&r) })
}

func (g *golden) install() string {
	return g.did(func(tx *store.Tx) error { r := g.incoming(); return tx.Install(&r) })
}

// incoming is a record, "deleted" or "swept" if it says so.
func (g *golden) incoming() godwit.Record {
	r := g.record()
	switch g.text("op") {
	case "deleted":
		r.Mutation = del(r.Namespace, r.Key)
	case "swept":
		r.Swept, r.Value = true, godwit.Value{}
	}
	return r
}

func (g *golden) remove() string {
	return g.did(func(tx *store.Tx) error { return tx.Remove(store.Place{Namespace: g.ns(), Key: g.arg(0)}) })
}

func (g *golden) reach() string {
	return g.did(func(tx *store.Tx) error { return tx.Reach(godwit.Revision(g.number("revision"))) })
}

func (g *golden) rewind() string {
	return g.did(func(tx *store.Tx) error { tx.Rewind(godwit.Revision(g.number("revision"))); return nil })
}

func (g *golden) follow() string {
	return g.did(func(tx *store.Tx) error {
		l := godwit.Lineage{{ID: godwit.EpochID{0xe0, 15: 0x0e}, First: godwit.Revision(g.number("revision"))}}
		return tx.Follow(g.arg(0), l, godwit.Revision(g.number("purged")))
	})
}

func (g *golden) note() string {
	return g.did(func(tx *store.Tx) error { tx.SetNote(g.arg(0), []byte(g.arg(1))); return nil })
}

func (g *golden) changes() string {
	v := g.view()
	defer v.Close()
	return lines(changes(g.t, v, godwit.Revision(g.number("after")), godwit.Revision(g.number("revision"))))
}

func (g *golden) cursorText() string { return store.EncodeCursor(g.arg(0)) + "\n" }

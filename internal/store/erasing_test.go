package store_test

import (
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// TestErasingRollback: a transaction that is given up changes nothing of what is to be
// erased, and within which time.
func TestErasingRollback(t *testing.T) {
	for name, change := range map[string]godwit.Mutation{
		"namespace deleted":      dropNS(ns1),
		"setting taken away":     erasingWithin(ns1, "", ""),
		"setting changed":        erasingWithin(ns1, "24h", ""),
		"another's setting made": erasingWithin(ns2, "10m", ""),
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t, store.Config{})
			d.openEpoch()
			value := secret(2000, 7)
			d.write(erasingWithin(ns1, "1h", ""), put(ns1, "k", value))
			d.giveUp(change)
			wantWithin(t, d, "at once", time.Hour)
			d.later(2 * time.Hour)
			wantWithin(t, d, "after a pass", time.Hour)
			d.write(del(ns1, "k"))
			d.giveUp(change)
			d.later(time.Hour)
			if files := stands(t, d.mem, value); len(files) > 0 {
				t.Errorf("an hour after its deletion it stands in %v", files)
			}
			d.reopen()
			wantWithin(t, d, "opened again", time.Hour)
			d.healthy()
		})
	}
}

// giveUp applies a mutation in a transaction that is rolled back.
func (d *disk) giveUp(m godwit.Mutation) {
	d.t.Helper()
	tx := d.Begin()
	defer tx.Rollback()
	tx.Advance(d.clock.Now().UnixMilli())
	if err := tx.Apply(&godwit.Record{Mutation: m, Revision: tx.Revision() + 1, Created: tx.Time(), Modified: tx.Time()}); err != nil {
		d.t.Fatal(err)
	}
}

func wantWithin(t *testing.T, d *disk, when string, want time.Duration) {
	t.Helper()
	if got := d.EraseWithin(); got != want {
		t.Errorf("%s: what is deleted is erased within %v, want %v", when, got, want)
	}
}

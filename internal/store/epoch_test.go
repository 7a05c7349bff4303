package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

func (d *disk) openEpoch() godwit.Epoch {
	d.t.Helper()
	e, err := d.OpenEpoch()
	if err != nil {
		d.t.Fatalf("open epoch: %v", err)
	}
	return e
}

// TestOpenEpoch: each is above all before it and at least the time, is durable,
// and takes its first revision itself.
func TestOpenEpoch(t *testing.T) {
	d := newDisk(t, store.Config{})
	first := d.openEpoch()
	if want := godwit.Revision(d.clock.Now().UnixMicro()); first.First != want || d.Revision() != want {
		t.Errorf("first epoch at %d, store at %d, want %d", first.First, d.Revision(), want)
	}
	r := d.write(put(ns1, "k", "v"))
	if r != first.First+1 {
		t.Errorf("first write at %d", r)
	}
	second := d.openEpoch() // the clock has not moved
	if second.First != r+1 || second.ID == first.ID {
		t.Errorf("second epoch %+v after %+v and a write at %d", second, first, r)
	}
	d.clock.advance(-time.Hour) // nor when it goes back
	third := d.openEpoch()
	if third.First != second.First+1 {
		t.Errorf("third epoch at %d", third.First)
	}
	crashed := openDisk(t, d.mem.CrashClone(store.CrashClone{}), store.Config{})
	for _, at := range []*disk{d, crashed} {
		l := at.Lineage()
		if len(l) != 3 || l[0] != first || l[1] != second || l[2] != third || at.Revision() != third.First {
			t.Errorf("lineage %v at %d", l, at.Revision())
		}
		if e, ok := l.At(r); !ok || e != first {
			t.Errorf("revision %d is of epoch %v", r, e)
		}
	}
	crashed.healthy()
	d.healthy()
}

// TestOpenEpochFarAhead: a clock that is centuries ahead opens no epoch, which would leave
// no revisions that followers take, and the next one by a clock that is right does.
func TestOpenEpochFarAhead(t *testing.T) {
	d := newDisk(t, store.Config{})
	first := d.openEpoch()
	const ahead = 233 * 365 * 24 * time.Hour
	d.clock.advance(ahead)
	if e, err := d.OpenEpoch(); err == nil || !strings.Contains(err.Error(), "clock it is 2258-") {
		t.Errorf("epoch %+v, %v", e, err)
	}
	d.clock.advance(-ahead)
	if second := d.openEpoch(); second.First != first.First+1 {
		t.Errorf("second epoch at %d after %d", second.First, first.First)
	}
	if r := d.write(put(ns1, "k", "v")); r > godwit.MaxRevision {
		t.Errorf("a write at %d", r)
	}
	d.healthy()
}

// TestOldCopy puts an old copy of the directory back, again and again: whatever
// was written to the lost one, no revision is given twice.
func TestOldCopy(t *testing.T) {
	d := newDisk(t, store.Config{})
	given := map[godwit.Revision]bool{}
	give := func(from, to godwit.Revision) {
		for r := from; r <= to; r++ {
			if given[r] {
				t.Errorf("revision %d was given twice", r)
			}
			given[r] = true
		}
	}
	epochs := map[godwit.EpochID]bool{}
	var copied *store.MemFS
	for life := range 5 {
		e := d.openEpoch()
		if epochs[e.ID] {
			t.Errorf("epoch %s twice", e.ID)
		}
		epochs[e.ID] = true
		copied = d.mem.CrashClone(store.CrashClone{})
		for range 20 * (life + 1) {
			d.write(put(ns1, "k", "v"))
		}
		give(e.First, d.Revision())
		later := d.clock.Now().Add(time.Millisecond) // the time keeps going
		d.close()
		d = openDisk(t, copied, store.Config{})
		d.clock.advance(later.Sub(d.clock.Now()))
	}
}

// TestLineageIsTrimmed: epochs that the purge floor has passed are forgotten,
// but for the one that it lies in.
func TestLineageIsTrimmed(t *testing.T) {
	d := newDisk(t, store.Config{Retention: 10 * time.Second})
	var epochs []godwit.Epoch
	for range 5 {
		d.clock.advance(time.Second)
		epochs = append(epochs, d.openEpoch())
		d.write(put(ns1, "k", "v"))
		d.write(del(ns1, "k"))
	}
	d.clock.advance(7 * time.Second) // the first three tombstones were replaced
	d.sweep()
	if d.Purged() != 0 {
		t.Fatalf("purge floor %d", d.Purged())
	}
	d.clock.advance(time.Minute)
	d.sweep()
	if d.Purged() < epochs[4].First {
		t.Fatalf("purge floor %d, last epoch at %d", d.Purged(), epochs[4].First)
	}
	last := d.openEpoch()
	want := godwit.Lineage{epochs[4], last}
	for range 2 {
		if got := d.Lineage(); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
			t.Errorf("lineage %v, want %v", got, want)
		}
		d.reopen()
	}
	d.healthy()
}

// TestEpochKnowsWhatItCameAfter: a disk that was put back to an old image opens an
// epoch that says so, and says so again after a restart.
func TestEpochKnowsWhatItCameAfter(t *testing.T) {
	d := newDisk(t, store.Config{})
	first := d.openEpoch()
	if first.After != 0 {
		t.Errorf("the first epoch came after %d", first.After)
	}
	d.write(put(ns1, "k", "kept"))
	kept := d.Revision()
	d.clock.advance(time.Minute)
	second := d.openEpoch()
	for range 2 {
		l := d.Lineage()
		if second.After != kept || len(l) != 2 || l[1] != second {
			t.Errorf("lineage %v, the last revision was %d", l, kept)
		}
		if !l.Holds(godwit.Position{Epoch: first.ID, Revision: kept}) || l.Holds(godwit.Position{Epoch: first.ID, Revision: kept + 1}) {
			t.Errorf("lineage %v does not end its first epoch at %d", l, kept)
		}
		d.reopen()
	}
}

package edge

import (
	"fmt"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/planted"
	"github.com/godwitkv/godwit/internal/store"
)

// What frames that have already arrived share one commit: they are whole batches
// of the log, and a commit costs as much as some twenty records.
const (
	groupRecords = 4096
	groupBytes   = 4 << 20
)

// applier makes what a feed says take effect in the store. A frame is applied
// whole or not at all. It is for the follow loop's goroutine.
//
// The store is exact, a prefix of the log, or it is mixed: rounds of catching up
// and a reconcile bring in parts of later states before the earlier ones are
// whole. It is exact again once its position has passed the highest such part. A
// Ready alone does not say so: it may come from another upstream, which is behind
// the one that the part came from.
type applier struct {
	edge  *Edge
	store *store.Store
	note  note
	hello *feed.Hello // of the stream that is applied
	off   bool        // its log cannot be followed from where the store is: only its End is to come

	position godwit.Revision // with the open group
	inRound  bool            // parts of a round are in, and its Ready is still to come
	heard    bool            // an upstream of this process has said Ready since the last reconcile
	mixed    bool            // Config.Mixed was told, and Config.Exact was not since
	unmet    time.Time       // since when the stream is in order and the store is not exact all the same; zero: it is not so

	tx     *store.Tx // the open group; nil: none
	behind bool      // the group brings in parts of later states, or the store has some
	count  int
	bytes  int
	wants  []want
}

func newApplier(e *Edge) (*applier, error) {
	n, err := readNote(e.store)
	if err != nil {
		return nil, err
	}
	unfinished, err := feed.Unfinished(e.store)
	if err != nil {
		return nil, err
	}
	if unfinished && n.Reconciling == "" {
		n.Reconciling, n.Reset = "an earlier one was cut off", true
	}
	return &applier{edge: e, store: e.store, note: n, position: e.store.Revision()}, nil
}

// isMixed tells whether the store is not a prefix of the log.
func (a *applier) isMixed() bool {
	return a.store.Mixed() || a.note.Reconciling != "" || a.note.Reset || a.note.Ahead > a.position
}

// begin opens a group unless one is open.
func (a *applier) begin() *store.Tx {
	if a.tx == nil {
		a.tx = a.store.Begin()
		a.behind = a.isMixed()
	}
	return a.tx
}

// apply makes one frame of the log take effect with the next commit. Errors:
// errGap, errFrame, errDiskFull; a fatal one of the store.
func (a *applier) apply(f *feed.Records) error {
	if err := a.check(f); err != nil {
		return err
	}
	if f.Round {
		if err := a.enterRound(); err != nil {
			return err
		}
	}
	tx := a.begin()
	tx.Advance(f.Time)
	a.behind = a.behind || f.Round
	for i := range f.Records {
		if planted.SkipFrame && !f.Round && f.Revision%16 == 0 {
			break
		}
		if planted.HalfTransaction && !f.Round && i > 0 && i == len(f.Records)/2 {
			if err := a.commit(); err != nil {
				return err
			}
			tx = a.begin()
		}
		if err := a.record(tx, &f.Records[i]); err != nil {
			return a.abandon(err)
		}
	}
	if f.Round {
		return nil
	}
	return a.reach(tx, f.Revision)
}

func (a *applier) record(tx *store.Tx, r *godwit.Record) error {
	if r.Op == godwit.OpPut && !r.Value.Blob.IsZero() {
		a.wants = append(a.wants, want{r.Namespace, r.Key, r.Revision, r.Value.Blob})
	}
	a.count++
	a.bytes += len(r.Key) + len(r.Metadata) + len(r.Value.Inline)
	if a.behind {
		return tx.CatchUp(r)
	}
	return tx.Apply(r)
}

func (a *applier) reach(tx *store.Tx, r godwit.Revision) error {
	if tx.Revision() < r || a.behind {
		if err := tx.Reach(r); err != nil {
			return a.abandon(err)
		}
	}
	a.position = r
	return nil
}

// checkOff tells whether anything of the log is to be taken of this upstream.
func (a *applier) checkOff() error {
	if a.off {
		return fmt.Errorf("%w: it cannot go on from revision %d, and goes on", errFrame, a.position)
	}
	return nil
}

// check tells whether a frame continues what is here.
func (a *applier) check(f *feed.Records) error {
	if err := a.checkOff(); err != nil {
		return err
	}
	if !f.Round && f.Prev != a.position {
		return fmt.Errorf("%w: a frame goes on from revision %d, and the store is at %d", errGap, f.Prev, a.position)
	}
	if f.Revision < f.Prev || !a.hello.MayReach(f.Revision, a.position) {
		return fmt.Errorf("%w: a frame from revision %d to %d", errFrame, f.Prev, f.Revision)
	}
	last, puts := f.Prev, false
	for i := range f.Records {
		r := &f.Records[i]
		if r.Revision <= last || r.Revision > f.Revision {
			return fmt.Errorf("%w: revision %d behind %d in a frame up to %d", errFrame, r.Revision, last, f.Revision)
		}
		last = r.Revision
		puts = puts || !r.Frees()
	}
	if puts && a.store.DiskFull() {
		return errDiskFull
	}
	return nil
}

// enterRound tells everyone, before the first part of a round is in.
func (a *applier) enterRound() error {
	if a.inRound {
		return nil
	}
	if err := a.commit(); err != nil {
		return err
	}
	a.inRound = true
	a.mix()
	return nil
}

// mix tells everyone that the store is mixed from now on.
func (a *applier) mix() {
	a.edge.follow.mix()
	if a.mixed {
		return
	}
	a.mixed = true
	if a.edge.cfg.Mixed != nil {
		a.edge.cfg.Mixed()
	}
}

// ready ends a round: all up to f.Revision is in.
func (a *applier) ready(f *feed.Ready) error {
	if err := a.checkOff(); err != nil {
		return err
	}
	if f.Revision < a.position || !a.hello.MayReach(f.Revision, a.position) {
		return fmt.Errorf("%w: ready at revision %d, and the store is at %d", errFrame, f.Revision, a.position)
	}
	a.inRound, a.heard = false, true
	tx := a.begin()
	tx.Advance(f.Time)
	if err := a.reach(tx, f.Revision); err != nil {
		return err
	}
	if err := a.commit(); err != nil {
		return err
	}
	a.unmet = time.Time{}
	if !a.edge.follow.exact() {
		a.unmet = time.Now()
	}
	return nil
}

// full tells that the open group is to be committed though more has arrived.
func (a *applier) full() bool { return a.count >= groupRecords || a.bytes >= groupBytes }

// commit makes the open group visible and tells everyone.
func (a *applier) commit() error {
	if a.tx == nil {
		return nil
	}
	if err := a.end(); err != nil {
		return err
	}
	a.edge.metrics.applied.Add(float64(a.count))
	a.edge.values.wanted(a.wants)
	clear(a.wants)
	a.wants, a.count, a.bytes = a.wants[:0], 0, 0
	if err := a.settle(); err != nil {
		return err
	}
	a.edge.follow.applied.tell()
	return nil
}

func (a *applier) end() error {
	c, err := a.tx.Commit(store.NoSync)
	a.tx = nil
	if err == nil {
		err = c.Wait()
	}
	if err != nil {
		return fatal("commit", err)
	}
	a.edge.unsynced.Store(true)
	return nil
}

// settle tells everyone that the store is an exact prefix of the log, if it has
// become one. Where deletions were left out on the way, nobody may go on from
// before.
func (a *applier) settle() error {
	f := a.edge.follow
	if f.exact() || !a.heard || a.inRound || a.store.Mixed() || a.note.Ahead > a.position {
		return nil
	}
	reset := a.note.Reset
	a.tx = a.store.Begin()
	a.note = note{Copied: true, Account: a.hello.Account, Carries: &a.hello.Carries}
	a.note.write(a.tx)
	if err := a.end(); err != nil {
		return err
	}
	f.carry(a.note.Carries)
	a.edge.copied.Store(true)
	f.isExact.Store(true)
	if a.mixed {
		a.mixed = false
		if a.edge.cfg.Exact != nil {
			a.edge.cfg.Exact(reset)
		}
	}
	return nil
}

// leave ends what a stream has begun: whole frames stay.
func (a *applier) leave() error {
	a.inRound, a.unmet = false, time.Time{}
	if err := a.commit(); err != nil {
		return err
	}
	return a.settle()
}

// abandon drops the open group: the store failed.
func (a *applier) abandon(err error) error {
	a.tx.Rollback()
	a.tx = nil
	return fatal("apply", err)
}

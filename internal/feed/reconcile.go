package feed

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// Reconcile makes a store a copy of an upstream's: it walks the upstream's keys
// in order, takes what differs and drops what the upstream lacks. It goes on
// where an earlier one was cut off.
//
// A store says of itself at which position of which log it stands, and that must
// be true whenever the process ends. It is, since a reconcile never touches it:
//
//   - Position, lineage and cluster id stay as they were until Reconciled.Settle,
//     which replaces them in one transaction, after the last key. A crash before
//     finds the old ones, and the note.
//   - The note comes with the first entry that changes and goes with Settle. What
//     is committed without a sync may be lost in a crash, but never out of order:
//     what remains is a prefix of the commits. So the note is there whenever the
//     store is a mixture, and the mixture is what the note says: up to its place
//     as the upstream had it, behind that as before. Where nothing stood here, what
//     comes goes in as runs, see store.Tx.Take: the states that one is of are
//     noted before it, and the place behind it. What a crash between the two has
//     left behind the noted place is removed before anything else.
//   - While the note is there the position is not to be followed from; Unfinished
//     tells. A walk that goes on must be of a log that has all states read so far,
//     and of the same keys: else it begins anew.
//   - Equal revisions mean equal content only within what two logs have in common.
//     What is here of a log that the upstream's has not taken over, under revisions
//     that the upstream's may have given as well, goes before anything of the
//     upstream comes in: see forgetLost. So all that stands here is numbered by one
//     log at any time, the note's lineage.
//   - From the lowest state that was read, each key is here as it was then or
//     later. Following from there brings what came after, deletions too, and skips
//     what is as new: at the first Ready beyond the highest of the states the store
//     is exact. That is also why the position may be moved to the lowest state
//     though newer entries are here.
//
// Starting with the position at zero instead would tell the truth as well, and
// would take from an edge whose upstream goes away meanwhile all that it can still
// serve as stale.
type Reconcile struct {
	Store      *store.Store
	Client     *Client
	Namespaces []string
	MaxValue   int64
	// Jurisdictions whose namespaces are walked too.
	Jurisdictions []string
	Logger        *slog.Logger
	Progress      func(Progress) // told now and then
	Greeted       func(*Hello)   // told of the first frame of each walk; nil: it is not
	Now           func() time.Time
}

// Progress is how far a reconcile came.
type Progress struct {
	Keys    int64 // looked at
	Taken   int64
	Dropped int64
	Bytes   int64 // received
	Place   store.Place
}

// Reconciled is what a reconcile that came to its end leaves: a store that holds
// nothing older than From and nothing newer than Highest. Following from From
// makes it exact once Highest is passed.
type Reconciled struct {
	Hello   *Hello          // of the last walk
	From    godwit.Position // the lowest of the upstream's states that were read
	Highest godwit.Revision // the highest of them, also of walks that were cut off
}

// Settle moves the store to where it is to be followed from, takes over the
// upstream's identity and forgets that there was a reconcile, all with what else
// tx changes. Deletions up to Highest were left out: the purge floor says so.
func (r *Reconciled) Settle(tx *store.Tx) error {
	tx.Rewind(r.From.Revision)
	tx.SetNote(noteName, nil)
	return tx.Follow(r.Hello.Cluster, r.Hello.Lineage, max(r.Highest, r.Hello.Purged))
}

// Run reconciles. The store is a mixture from its first commit on, and its
// position stays until Settle. Errors: the transport's, the store's, *End as an
// error.
func (r *Reconcile) Run(ctx context.Context) (*Reconciled, error) {
	ctx, cancel := context.WithCancel(ctx) // the group's own ends with Wait alone
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	w, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer w.stream.Close()
	r.Logger.Info("reconcile: begun", w.attributes()...)
	if err := w.forgetLost(ctx); err != nil {
		return nil, err
	}
	ahead := chunksAhead
	if w.note.Blank {
		ahead = pagesAhead
	}
	chunks := make(chan *chunk, ahead)
	var broke error // of the stream: what came before is brought in all the same
	group.Go(func() error {
		defer close(chunks)
		broke = w.read(ctx, group, chunks)
		return nil
	})
	group.Go(func() error { return w.installAll(ctx, chunks) })
	if err := group.Wait(); err != nil || broke != nil {
		return nil, cmp.Or(err, broke)
	}
	if err := r.Store.Sync(); err != nil {
		return nil, fmt.Errorf("sync what was reconciled: %w", err)
	}
	r.Logger.Info("reconcile: done", w.attributes()...)
	return &Reconciled{Hello: w.hello, From: w.note.Lowest.position(), Highest: w.note.Highest.Revision}, nil
}

// cluster is that of the store's data, "" if it has none.
func (r *Reconcile) cluster() string {
	if r.Store.Revision() == 0 {
		return ""
	}
	return r.Store.Cluster()
}

// maxOpenings bounds how often a walk is opened anew because the upstream is not
// what it was a moment ago.
const maxOpenings = 3

// open opens a walk that goes on where the last one was cut off, or else from the
// start.
func (r *Reconcile) open(ctx context.Context) (*walk, error) {
	n, err := readResumption(r.Store)
	if err != nil {
		return nil, err
	}
	if n != nil && n.Blank {
		if err := r.Store.Unrun(ctx, n.place()); err != nil {
			return nil, fmt.Errorf("remove what was cut off: %w", err)
		}
	}
	if n == nil {
		n = &resumption{Blank: r.Store.Revision() == 0 && r.Store.Stats().Keys == 0}
		n.setLineage(r.Store.Lineage())
	}
	for range maxOpenings {
		w := &walk{Reconcile: r, note: n, room: semaphore.NewWeighted(aheadBytes), told: time.Now()}
		if w.stream, err = r.Client.Walk(ctx, WalkRequest{
			After: n.place(), Heads: !n.takesAll(), Namespaces: r.Namespaces, MaxValue: r.MaxValue,
			Jurisdictions: r.Jurisdictions,
			Cluster:       r.cluster(), Generation: r.Store.Generation(),
		}); err != nil {
			return nil, err
		}
		if err = w.greet(); err != nil {
			w.stream.Close()
			return nil, err
		}
		next := w.plan()
		if next == nil {
			return w, nil
		}
		n = next
		w.stream.Close()
	}
	return nil, broken(fmt.Errorf("the upstream's log changed %d times in a row", maxOpenings))
}

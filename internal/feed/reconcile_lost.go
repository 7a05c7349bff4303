package feed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// forgetLost removes what stands here under revisions that the upstream's log may
// have given to other mutations: entries, and tombstones too, which a walk does
// not meet. Two mutations under one revision would mix up the store's rows, and a
// tombstone would keep out what came later. A log that is put back begins its next
// epoch at the time of day, which is above all revisions that it has lost, unless
// its clock is wrong: then there is nothing to remove.
func (w *walk) forgetLost(ctx context.Context) (err error) {
	if slices.Equal(w.note.lineage(), w.hello.Lineage) {
		return nil
	}
	i := &installer{walk: w}
	defer i.rollback()
	i.begin().RaiseGeneration(w.hello.Lineage.Generation())
	view, err := w.Store.View(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	err = view.Changes(ctx, max(w.others, 1)-1, godwit.MaxRevision, func(r *godwit.Record) error {
		if err := i.begin().Remove(store.Place{Namespace: r.Namespace, Key: strings.Clone(r.Key)}); err != nil {
			return fmt.Errorf("remove what was lost: %w", err)
		}
		if i.full(len(r.Key)) {
			return i.commit()
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.note.setLineage(w.hello.Lineage)
	return i.commit()
}

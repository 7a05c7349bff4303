package edge

import (
	"context"
	"errors"
	"fmt"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
)

// copy makes the store a copy of an upstream's by a walk of all its keys. The
// store is mixed from before the first of them until it has followed the feed
// past the last.
func (l *loop) copy(ctx context.Context, c *feed.Client, reason string, times int) error {
	if times > mostCopies {
		return errReconciles
	}
	if err := l.awaitUnbound(ctx); err != nil {
		return err
	}
	if err := l.apply.beginCopy(reason); err != nil {
		return err
	}
	l.metrics.reconciles.Inc()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l.log.Info("reconcile: walking the upstream's keys", logUpstream, c.URL(), logReason, reason)
	r := feed.Reconcile{
		Store: l.store, Client: c, Namespaces: l.cfg.Namespaces, MaxValue: l.cfg.MaxValue, Jurisdictions: l.cfg.Jurisdictions,
		Logger: l.log, Greeted: func(h *feed.Hello) { l.copying(cancel, c, h) }, Progress: func(p feed.Progress) { l.status.progress(reason, p) }, Now: l.cfg.Clock.Now,
	}
	done, err := r.Run(ctx)
	l.session.Store(nil)
	l.status.walked()
	if err != nil {
		return l.copyFailed(ctx, c, err)
	}
	if err := l.apply.endCopy(done); err != nil {
		return err
	}
	l.values.rescan()
	l.log.Info("reconcile: the walk is done, following from there", logUpstream, c.URL(), logRevision, uint64(done.From.Revision))
	return nil
}

// copying has the upstream told how this node is though it does not follow yet,
// so that it stands in the tree.
func (l *loop) copying(cancel context.CancelCauseFunc, c *feed.Client, h *feed.Hello) {
	l.session.Store(&session{client: c, walks: true, cancel: cancel, greeted: true, id: h.Session, ended: true})
	l.reporter.soon()
}

// copyFailed tells the store's failure, which ends the edge, from the upstream's.
func (l *loop) copyFailed(ctx context.Context, c *feed.Client, err error) error {
	var end *feed.End
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &end):
		err = endError(nil, end, position(l.store), l.store.Generation())
	case isCode(err, godwit.CodeDiskFull):
		err = errDiskFull
	}
	if !answers(err) {
		l.follow.setUpstream(c, nil)
	}
	return fmt.Errorf("reconcile: %w", err)
}

// beginCopy notes that the store is about to be mixed, before anything makes it
// so: after a crash there is never a later commit without an earlier one.
func (a *applier) beginCopy(reason string) error {
	a.mix()
	a.heard = false
	a.edge.follow.forget()
	a.note.Reconciling, a.note.Reset = reason, true
	a.tx = a.store.Begin()
	a.note.write(a.tx)
	return a.end()
}

// endCopy moves the position to where the feed is to be followed from.
func (a *applier) endCopy(done *feed.Reconciled) error {
	carries := done.Hello.Carries
	a.note.Reconciling = ""
	a.note.Ahead = done.Highest
	a.note.Account = done.Hello.Account
	a.note.Carries = &carries
	a.tx = a.store.Begin()
	if err := done.Settle(a.tx); err != nil {
		return a.abandon(err)
	}
	a.note.write(a.tx)
	a.position = done.From.Revision
	return a.end()
}

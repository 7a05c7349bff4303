package jetstream

import (
	"context"
	"io"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/gather"
	"github.com/godwitkv/godwit/internal/planted"
)

// errDiskFull refuses all writes of a member that has stopped applying: it could
// not tell what becomes of them.
var errDiskFull = &godwit.Error{Code: godwit.CodeDiskFull, Message: "This member's disk is full: it takes no writes until there is room. Others may."}

// Propose implements godwit.Log. Values that are blobs go ahead of the batch that
// names them.
func (m *Member) Propose(ctx context.Context, txs []godwit.Transaction) ([]godwit.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, &godwit.Error{Code: godwit.CodeUnavailable, Message: "The request was cancelled.", Err: err}
	}
	if len(txs) == 0 {
		return nil, nil
	}
	_, ahead := m.farAhead(m.cfg.Now())
	brims := m.board.brims.Load()
	switch {
	case m.board.isFull():
		return nil, errDiskFull
	case brims != nil:
		return nil, brims
	case ahead:
		return nil, errClock
	case gather.Puts(txs) && m.store.DiskFull():
		return nil, godwit.ErrDiskFull
	case m.store.Stalled():
		return nil, godwit.ErrBusy
	case m.proposer.form() < addFormat && gather.Adds(txs):
		return nil, errNoAdds
	case m.proposer.form() < addFormat && clears(txs):
		return nil, errNoClears
	}
	if err := m.proposer.refusal(); err != nil {
		return nil, err
	}
	defer m.chunks.keep(txs)()
	if err := m.sendValues(ctx, txs); err != nil {
		return nil, err
	}
	return m.proposer.propose(txs)
}

// clears tells whether transactions clear keys, which a member that does not know how
// would keep.
func clears(txs []godwit.Transaction) bool {
	for i := range txs {
		for j := range txs[i].Mutations {
			if m := &txs[i].Mutations[j]; m.Op == godwit.OpPut && m.Frees() {
				return true
			}
		}
	}
	return false
}

// Barrier implements godwit.Log: a batch of its own, or one that is to be sent
// anyway, has gone through the log and is applied here. All who ask while none
// leaves share the next.
func (m *Member) Barrier(context.Context) (godwit.Revision, error) {
	if planted.StaleBarrier {
		return m.store.Revision(), nil
	}
	if _, err := m.proposer.propose(nil); err != nil {
		return 0, &godwit.Error{Code: godwit.CodeUnavailable, Message: godwit.MessageOf(err), Err: err}
	}
	return m.store.Revision(), nil
}

// Upload implements godwit.Uploader: the value is kept here until it is proposed.
func (m *Member) Upload(ctx context.Context, r io.Reader, limit int64) (godwit.Value, error) {
	return m.store.Upload(ctx, r, limit)
}

// Discard implements godwit.Uploader.
func (m *Member) Discard(v godwit.Value) { m.store.Discard(v) }

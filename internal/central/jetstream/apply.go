package jetstream

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/pause"
	"github.com/godwitkv/godwit/internal/state"
	"github.com/godwitkv/godwit/internal/store"
)

// errForeign tells that the stream does not go on from what the store holds.
var errForeign = errors.New("the store is not one that the log goes on from")

// take applies one message. Errors are fatal, or errForeign, or a *noRoomError.
func (m *Member) take(msg Message) error {
	kind, rest, err := head(msg.Data, m.cfg.Formats)
	if err != nil {
		return fatal(fmt.Errorf("message %d: %w", msg.Sequence, err))
	}
	m.waitRoom()
	m.applying.Lock()
	defer m.applying.Unlock()
	if err := m.chunks.forget(msg.Time); err != nil {
		return fatal(fmt.Errorf("forget values that nothing names: %w", err))
	}
	known := msg.Sequence <= m.place.Sequence // it is read again for the chunks in it
	switch {
	case kind == kindChunk:
		err = m.takeChunk(msg, rest)
	case known && (kind == kindBatch || kind == kindPacked):
		err = m.passBatch(msg, kind, rest)
	case known:
	case kind == kindBatch || kind == kindPacked:
		err = m.takeBatch(msg, kind, rest)
	case kind == kindEpoch:
		err = m.takeOpening(msg, rest)
	case kind == kindFormat:
		err = m.takeFormat(msg, rest)
	case kind == kindCompare:
		err = m.compare(msg)
	case kind == kindFence:
		err = m.takeFence(msg, rest)
	}
	if err != nil {
		if full := (*noRoomError)(nil); !errors.Is(err, errForeign) && !errors.As(err, &full) {
			err = fatal(fmt.Errorf("apply message %d: %w", msg.Sequence, err))
		}
		return err
	}
	m.place.Sequence = max(m.place.Sequence, msg.Sequence)
	m.applied.Store(m.place.Sequence)
	if !known {
		m.messages.Add(1)
	}
	m.window.add(msg.Sequence, len(msg.Data))
	m.hasRoom(msg.Sequence)
	return nil
}

// takeBatch decides a batch, whoever proposed it, and tells its writers if they
// wait here.
func (m *Member) takeBatch(msg Message, kind byte, rest []byte) error {
	b, err := decodeBatch(m.proposer.packer, kind, rest, msg.Time)
	if err != nil {
		return err
	}
	switch {
	case len(m.store.Lineage()) == 0:
		return errors.New("the log has no beginning")
	case m.store.Fenced() != 0:
		return nil // it has an end
	}
	// By what the log has said up to here, which is the same at all members; not by the
	// message's own format, for a proposer may not have heard of the new one yet.
	b.Scoped = m.place.Format >= scopedFormat
	tx := m.store.Begin()
	verdict, results, err := state.ApplyNumbered(tx, b, make([]godwit.Result, 0, len(b.Transactions)))
	if err != nil {
		tx.Rollback()
		return err
	}
	late := false
	if verdict == state.Taken {
		_, late = m.chunks.named(&b.Batch)
	}
	if verdict != state.Taken && verdict != state.WrongClock {
		tx.Rollback()
	} else if err := m.commit(tx, msg.Sequence); err != nil {
		return err
	}
	if late { // a crash would not have its chunks read again
		if err := m.store.Sync(); err != nil {
			return err
		}
	}
	m.board.verdict(verdict)
	if verdict == state.Taken {
		if err := m.settleValues(&b.Batch, results); err != nil {
			return err
		}
	}
	if since, ok := m.proposer.arrived(b, verdict, results); ok {
		m.met.applied.Observe(time.Since(since).Seconds())
		m.hear(since, time.Duration(b.Time-b.Ordered)*time.Millisecond)
	}
	return nil
}

// settleValues has the values of writes go that were refused, or done before, and tells of
// those that have been named and whose chunks have not all come: others have them.
func (m *Member) settleValues(b *godwit.Batch, results []godwit.Result) error {
	for i := range b.Transactions {
		done := results[i].Outcome == godwit.Applied && !results[i].Repeated
		for _, mu := range b.Transactions[i].Mutations {
			switch id := mu.Value.Blob; {
			case id.IsZero() || m.store.HasBlob(id.ID) == done:
			case done:
				m.log.Warn("a value that the log names has not come", logRevision, uint64(results[i].Revision))
				m.store.TellAbsent(mu.Namespace, mu.Key, results[i].Revision, id)
			default:
				if err := m.store.SpareBlob(mu.Namespace, id.ID); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// passBatch takes a batch that was read already: the values that it names came again. If
// it was not taken, because one before it had not come, it may come again and be.
func (m *Member) passBatch(msg Message, kind byte, rest []byte) error {
	b, err := decodeBatch(m.proposer.packer, kind, rest, msg.Time)
	if err != nil {
		return err
	}
	tx := m.store.Begin()
	last, err := tx.Proposer(b.Proposer)
	tx.Rollback()
	if err != nil || b.Number > last {
		return err
	}
	return m.chunks.passed(&b.Batch)
}

// hear notes that all acknowledged before since is here. ahead is by how much this
// member's clock was ahead of the stream's when the batch left, or less.
func (m *Member) hear(since time.Time, ahead time.Duration) {
	m.fresh.hear(since)
	if _, ok := m.told.Load().ofThree(); !ok {
		m.board.clock(ahead, time.Since(since))
	}
	if m.serving.CompareAndSwap(false, true) {
		m.log.Info("reads are served: the member has caught up", logRevision, uint64(m.store.Revision()))
	}
	if m.ctx.Err() != nil { // it has failed meanwhile
		m.serving.Store(false)
	}
	m.caught.Do(func() { close(m.caughtUp) })
}

// commit makes what a message changes visible, with the place behind it. A crash
// may take it back: the stream holds it.
func (m *Member) commit(tx *store.Tx, sequence uint64) error {
	p := m.place
	p.Sequence = max(p.Sequence, sequence)
	p.Chunks = m.chunks.first()
	if err := SetPlace(tx, p); err != nil {
		tx.Rollback()
		return err
	}
	c, err := tx.Commit(store.NoSync)
	if err == nil {
		err = c.Wait()
	}
	if err == nil {
		m.noted, m.place.Chunks = p.Sequence, p.Chunks
		err = m.cfg.MayHold()
	}
	return err
}

// takeOpening starts an epoch, if it goes on from what the store holds.
func (m *Member) takeOpening(msg Message, rest []byte) error {
	o, err := decodeOpening(rest)
	if err != nil {
		return err
	}
	lineage := m.store.Lineage()
	for _, e := range lineage {
		if e.ID == o.epoch {
			return fmt.Errorf("%w: it is of this epoch already, from elsewhere", errForeign)
		}
	}
	cluster := hex.EncodeToString(o.cluster[:])
	blank := m.store.Revision() == 0
	if is, err := anEdges(m.store); err != nil {
		return err
	} else if is && !blank {
		return fmt.Errorf("%w: the store is an edge's, which may hold a part of the log", errForeign)
	}
	if !blank && (m.store.Cluster() != cluster || position(m.store) != o.after) || blank && o.after.Revision != 0 {
		return fmt.Errorf("%w: the log begins behind revision %d of cluster %s", errForeign, o.after.Revision, cluster)
	}
	tx := m.store.Begin()
	if err := tx.Follow(cluster, append(lineage[:len(lineage):len(lineage)], o.lineageEpoch()), 0); err != nil {
		tx.Rollback()
		return err
	}
	tx.Advance(msg.Time)
	tx.StartEpoch(o.lineageEpoch())
	if err := m.commit(tx, msg.Sequence); err != nil {
		return err
	}
	m.log.Info("an epoch begins", logEpoch, o.epoch.String(), logFirst, uint64(o.first))
	return nil
}

// takeFormat notes from where on messages may have another format.
func (m *Member) takeFormat(msg Message, rest []byte) error {
	format, err := decodeFormat(rest)
	if err != nil {
		return err
	}
	format = max(format, m.place.Format) // a message that comes late changes nothing
	if err := m.useFormat(format); err != nil {
		return err
	}
	m.place.Format = format
	return m.commit(m.store.Begin(), msg.Sequence)
}

// position is where the store stands in the log; of no epoch where it holds nothing.
func position(s *store.Store) godwit.Position {
	r := s.Revision() // before the lineage: it lies on that
	return s.Lineage().Position(r)
}

// foundWait is how long a member without data, or with an edge's, waits for one with
// data to begin the log.
const foundWait = 3 * time.Second

// found begins the log of a stream that has had no message, behind what the store
// holds. One member does: the others find the stream begun.
func (m *Member) found(ctx context.Context) error {
	if is, err := anEdges(m.store); err != nil {
		return err
	} else if is {
		return m.leaveFounding(ctx)
	}
	o := opening{after: position(m.store), generation: m.store.Generation()}
	switch {
	case m.unfinished():
		return errors.New("the log is to be begun, and not by this member: it is half a copy of another")
	case m.store.Revision() == 0:
		pause.For(ctx, foundWait)
		o.after = godwit.Position{}
	}
	id, err := hex.DecodeString(m.store.Cluster())
	if err != nil || len(id) != len(o.cluster) {
		return fatal(fmt.Errorf("cluster id %q is none", m.store.Cluster()))
	}
	copy(o.cluster[:], id)
	_, _ = rand.Read(o.epoch[:])
	if o.first, err = store.FirstRevision(o.after.Revision, m.cfg.Now()); err != nil {
		return err
	}
	err = m.cfg.Stream.Begin(ctx, appendOpening(nil, &o))
	if errors.Is(err, ErrNotEmpty) {
		return nil
	}
	return err
}

// anEdges tells whether a store follows a log and was never at a place of a stream: it
// may hold a part of that log, whose centre is of the same generation and may go on.
func anEdges(s *store.Store) (bool, error) {
	if follows, err := s.Follows(); err != nil || !follows {
		return false, err
	}
	p, err := readPlace(s)
	return p == Place{}, err
}

// leaveFounding has an edge's store wait for another member to begin the log, and become
// a copy of that. Error: none does, and this one must be promoted first.
func (m *Member) leaveFounding(ctx context.Context) error {
	pause.For(ctx, foundWait)
	st, err := m.cfg.Stream.State(ctx)
	if err != nil || st.Last != 0 {
		return err
	}
	return fatal(store.ErrFollower)
}

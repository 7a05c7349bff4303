package jetstream

import (
	"context"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/godwitkv/godwit"
)

const (
	chunkBytes  = 512 << 10
	leastChunk  = 4 << 10
	chunksAhead = 4 // on their way at once, of one value
	// chunkWait is how long the stream may take for one, and chunkPause how long it may be
	// from one to the next: members have not given the value up by then. See abandonAfter.
	chunkWait  = giveUp
	chunkPause = abandonAfter / 3
)

// sendValues sends the content of all blobs that transactions name, and returns
// once a quorum holds it. Errors: CodeUnavailable; nothing was done.
func (m *Member) sendValues(ctx context.Context, txs []godwit.Transaction) error {
	for i := range txs {
		for j := range txs[i].Mutations {
			b := txs[i].Mutations[j].Value.Blob
			if b.IsZero() {
				continue
			}
			if err := m.sendValue(ctx, b); err != nil {
				return &godwit.Error{Code: godwit.CodeUnavailable, Message: "The value could not be written to the cluster's log.", Err: err}
			}
		}
	}
	return nil
}

func (m *Member) sendValue(ctx context.Context, b godwit.Blob) error {
	r, err := m.store.OpenValue(ctx, godwit.NamespaceID{}, &godwit.Entry{Value: godwit.Value{Blob: b}})
	if err != nil {
		return err
	}
	defer r.Close()
	s := newChunkSender(m.cfg.Stream)
	size := chunkSize(m.cfg.Stream)
	for offset := int64(0); offset < b.Size; {
		data := make([]byte, min(int64(size), b.Size-offset))
		if _, err := io.ReadFull(r, data); err != nil {
			return fmt.Errorf("read the value: %w", err)
		}
		if err := s.send(ctx, appendChunk(nil, m.proposer.form(), &chunk{blob: b, offset: offset, data: data})); err != nil {
			return err
		}
		offset += int64(len(data))
	}
	return s.wait(ctx, chunksAhead)
}

// chunkSize is how much of a value goes into a message. Where a server that takes
// next to nothing comes in place of another, it refuses them.
func chunkSize(s Stream) int { return max(min(chunkBytes, s.MaxMessage()-batchRoom), leastChunk) }

// chunkSender sends messages, a few at once.
type chunkSender struct {
	stream Stream
	room   *semaphore.Weighted
	failed chan error
	last   time.Time // when one was to be handed over
}

func newChunkSender(s Stream) *chunkSender {
	return &chunkSender{stream: s, room: semaphore.NewWeighted(chunksAhead), failed: make(chan error, 1), last: time.Now()}
}

func (s *chunkSender) send(ctx context.Context, msg []byte) error {
	if err := s.wait(ctx, 1); err != nil {
		return err
	}
	s.last = time.Now()
	s.stream.Send(msg, func(err error) {
		if err != nil {
			select {
			case s.failed <- err:
			default: // one is enough
			}
		}
		s.room.Release(1)
	})
	return nil
}

// wait takes n places: once it has all, everything sent has been answered.
func (s *chunkSender) wait(ctx context.Context, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, chunkWait)
	defer cancel()
	if err := s.room.Acquire(ctx, n); err != nil {
		return fmt.Errorf("wait for the stream: %w", err)
	}
	if took := time.Since(s.last); took > chunkPause {
		return fmt.Errorf("a part of a value took %v to be read and sent", took)
	}
	select {
	case err := <-s.failed:
		return err
	default:
		return nil
	}
}

package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godwitkv/godwit/internal/pause"
)

const (
	// roomEvery is how often a full disk is looked at.
	roomEvery = 250 * time.Millisecond
	// againAfter is how long a member waits that has met a full disk amid a value.
	againAfter = time.Second
)

// noRoomError tells that the disk has filled up amid a value, although there was room when
// it was looked for: others fill the same disk.
type noRoomError struct {
	first uint64 // message of the value's first chunk
	err   error
}

func (e *noRoomError) Error() string {
	return fmt.Sprintf("no room for the value that begins with message %d: %v", e.first, e.err)
}
func (e *noRoomError) Unwrap() error { return e.err }

// waitRoom waits while the disk is full: the member falls behind, and says so.
func (m *Member) waitRoom() {
	for m.store.DiskExhausted() && m.ctx.Err() == nil {
		m.board.full(true)
		pause.For(m.ctx, roomEvery)
	}
}

// read applies the stream from a message on. A value for which there is no room is read
// again from its first chunk on: it counts as held only once it is whole here.
func (m *Member) read(ctx context.Context, from uint64) error {
	for {
		err := m.cfg.Stream.Read(ctx, from, m.take)
		full := (*noRoomError)(nil)
		if !errors.As(err, &full) {
			return err
		}
		m.board.full(true)
		from = full.first
		pause.For(ctx, againAfter)
	}
}

// hasRoom notes that a message has been taken. That there is room is told once there is for
// the one that met none. It needs m.applying held.
func (m *Member) hasRoom(sequence uint64) {
	if sequence >= m.stuck {
		m.stuck = 0
		m.board.full(false)
	}
}

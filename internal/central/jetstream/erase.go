package jetstream

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"
)

// A namespace may say within which time the bytes of its deleted values are gone from
// every disk (erase_within), and its writes stand in the stream's messages too. Servers
// of NATS keep messages in files of up to 8 MiB, the stream's and, of 4 MiB, those of the
// log by which they replicate it; a trim unlinks whole files, and leaves that which is
// being written to as it is. So, where a namespace has such a time, the oldest message
// may have a third of the shortest of them at the most: what is behind it then is filled
// up with bytes that mean nothing, until all files that are to go are full ones, and the
// stream is trimmed up to their end, if enough members hold it.

// EraseBytes is how many bytes of messages are behind one before a trim takes it out of
// all files of a NATS server: two of the largest files.
const EraseBytes = 16 << 20

// eraseEach is how many of them are sent in each round of the upkeep.
const eraseEach = 2 << 20

// padding is how far this member is with what it sends to have messages erased. It is
// upkeep's own.
type padding struct {
	sent    int    // bytes
	through uint64 // the stream is to be trimmed up to this message; 0: to none yet
}

// pad sends what has the oldest messages erased, a part in each round, if they are old
// enough and it falls to this member. Error: they are older than they may be.
func (m *Member) pad(ctx context.Context, st State, members []peer) error {
	p, within := &m.padding, m.store.EraseWithin()
	if within == 0 || st.Last == 0 || p.through != 0 && st.First >= p.through || !duty(members, m.cfg.Self.Name) {
		*p = padding{}
		return nil
	}
	age := time.Since(st.FirstTime)
	switch {
	case p.through != 0 && age > within:
		return fmt.Errorf("messages of %v ago have values that were to be erased within %v, and too few members hold what came since", age.Round(time.Second), within)
	case p.through != 0, p.sent == 0 && age < within/3:
		return nil
	case p.sent >= EraseBytes:
		p.through = st.Last
		return nil
	}
	return m.sendPadding(ctx)
}

// sendPadding sends parts of a value that never began: every member drops them.
func (m *Member) sendPadding(ctx context.Context) error {
	s := newChunkSender(m.cfg.Stream)
	c := chunk{offset: 1, data: make([]byte, chunkSize(m.cfg.Stream))}
	_, _ = rand.Read(c.blob.ID[:])
	c.blob.Size = c.offset + int64(len(c.data))
	sent := 0
	for ; sent < eraseEach; sent += len(c.data) {
		_, _ = rand.Read(c.data) // what is packed anywhere must not get shorter
		if err := s.send(ctx, appendChunk(nil, m.proposer.form(), &c)); err != nil {
			return fmt.Errorf("erase old messages: %w", err)
		}
	}
	if err := s.wait(ctx, chunksAhead); err != nil {
		return fmt.Errorf("erase old messages: %w", err)
	}
	m.padding.sent += sent
	return nil
}

package jetstream

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/godwitkv/godwit/internal/store"
)

// Place is up to which message of which stream a store has applied the log. It is
// a note of the store, in the same transaction as what the message changes.
type Place struct {
	Stream   string `json:"stream"`
	Sequence uint64 `json:"sequence"`
	// Chunks is the first message of values that were not whole yet, or that nothing
	// named; 0: none.
	Chunks uint64 `json:"chunks,omitempty"`
	// Format is what messages may have by the log's own word.
	Format int `json:"format,omitempty"`
	// Joining is set as long as the store becomes a copy of a peer's, whose place is
	// still to come: the store is at none.
	Joining bool `json:"joining,omitempty"`
}

const placeNote = "stream"

func readPlace(s *store.Store) (p Place, err error) {
	text, err := s.Note(placeNote)
	if err != nil || text == nil {
		return p, err
	}
	return decodePlace(text)
}

func decodePlace(text []byte) (p Place, err error) {
	if err := json.Unmarshal(text, &p); err != nil {
		return p, fmt.Errorf("read the place in the stream: %w", err)
	}
	return p, nil
}

// SetPlace keeps where a store is in the stream, with what else tx changes.
func SetPlace(tx *store.Tx, p Place) error {
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode the place in the stream: %w", err)
	}
	tx.SetNote(placeNote, text)
	return nil
}

// Whole tells whether a store is a member's. Error: it is, and does not hold a whole
// state of the log.
func Whole(s *store.Store) (member bool, err error) {
	p, err := readPlace(s)
	switch {
	case err != nil:
		return false, err
	case p.Joining, p.Stream != "" && s.Mixed():
		return true, errors.New("it was becoming a copy of a peer, and did not come to the end of it")
	case p.Stream != "" && s.Revision() == 0:
		return true, errors.New("it holds nothing of any log")
	}
	return p.Stream != "", nil
}

// PlaceIn is where in the stream a state of this member's store stands, for a
// member that becomes a copy of it. Error: this one is no whole member itself.
func (m *Member) PlaceIn(v *store.View) ([]byte, error) {
	if !m.Ready() {
		return nil, errNotServing
	}
	text, err := v.Note(placeNote)
	if err != nil {
		return nil, err
	}
	if p, err := decodePlace(text); err != nil || p.Stream == "" || p.Joining {
		return nil, errNotServing
	}
	return text, nil
}

// errAhead tells that the stream ends before what the store holds: for a moment
// that may be a leader that has just been elected; if it stays so, the stream has
// lost what a quorum had.
var errAhead = errors.New("the stream is behind this member")

// resume returns the first message that is still to be read, or why the store
// cannot go on from there: one without the beginning of values that are still to be
// named would lack them for good.
func (m *Member) resume(st State) (from uint64, why error) {
	m.applying.Lock()
	defer m.applying.Unlock()
	switch {
	case m.store.Mixed() || m.place.Joining:
		return 0, fmt.Errorf("%w: it was becoming a copy of a peer, and that was cut off", errForeign)
	case m.place.Stream == st.ID && m.place.Sequence > st.Last:
		return 0, fmt.Errorf("%w: it ends at message %d, and this member has applied %d: a quorum of the cluster has lost what it had", errAhead, st.Last, m.place.Sequence)
	case m.place.Stream == st.ID:
		from = m.place.Sequence + 1
		if c := m.place.Chunks; c != 0 {
			from = min(from, c)
		}
	case m.place.Stream != "":
		return 0, fmt.Errorf("%w: the store was of another stream", errForeign)
	default: // the first message says whether the store may go on from it
		from = 1
	}
	if from < st.First {
		return 0, ErrTrimmed
	}
	m.place.Stream = st.ID
	return from, nil
}

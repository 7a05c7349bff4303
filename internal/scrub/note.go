package scrub

import (
	"encoding/json"
	"fmt"

	"github.com/godwitkv/godwit/internal/store"
)

// noteName is under which the store keeps how far a scrub came. It is the node's own:
// no feed and no backup carries it.
const noteName = "scrub"

// note is what is kept over restarts. Times are unix seconds.
type note struct {
	Since int64 `json:"since"`           // the first start of a node that scrubs
	Began int64 `json:"began,omitempty"` // the pass under way; 0: there is none
	counts
	Table    uint64 `json:"table,omitempty"`    // number of the last file of the database that was read
	AtBlobs  bool   `json:"at_blobs,omitempty"` // all files of the database were
	Position []byte `json:"position,omitempty"` // of the last blob

	Last *last `json:"last,omitempty"` // the last pass that came to its end
}

// counts are of one pass.
type counts struct {
	Bytes  int64 `json:"bytes"`
	Values int64 `json:"values"` // blobs that were read
	Found  int64 `json:"found"`  // damaged
	Mended int64 `json:"mended"`
}

type last struct {
	Began int64 `json:"began"`
	Ended int64 `json:"ended"`
	counts
}

func readNote(s *store.Store) (n note, err error) {
	text, err := s.Note(noteName)
	if err != nil || text == nil {
		return n, err
	}
	if json.Unmarshal(text, &n) != nil {
		return note{}, nil // of a version that is not known: begin anew
	}
	return n, nil
}

// keep writes the note. It becomes durable with what is synced next.
func (s *Scrubber) keep() error {
	s.mu.Lock()
	text, err := json.Marshal(s.note)
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("keep how far the scrub came: %w", err)
	}
	tx := s.cfg.Store.Begin()
	tx.SetNote(noteName, text)
	c, err := tx.Commit(store.NoSync)
	if err == nil {
		err = c.Wait()
	}
	if err != nil {
		return fmt.Errorf("keep how far the scrub came: %w", err)
	}
	return nil
}

package edge

import (
	"encoding/json"
	"fmt"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

const noteName = "edge"

// note is what an edge must still know after a crash. It is written with the
// transaction that makes it true.
type note struct {
	Copied      bool            `json:"copied,omitempty"`      // a first copy was completed once
	Reconciling string          `json:"reconciling,omitempty"` // why the store is being walked anew
	Ahead       godwit.Revision `json:"ahead,omitempty"`       // what a reconcile brought in may be of states up to here
	Reset       bool            `json:"reset,omitempty"`       // deletions were left out since the store was exact
	Account     string          `json:"account,omitempty"`
	// Carries is what the store holds; nil: no copy yet. One without jurisdictions is
	// from before they bound anything.
	Carries *feed.Filter `json:"carries,omitempty"`
}

func readNote(s *store.Store) (n note, err error) {
	text, err := s.Note(noteName)
	if err != nil || text == nil {
		return n, err
	}
	if err := json.Unmarshal(text, &n); err != nil {
		return n, fmt.Errorf("read the edge's note: %w", err)
	}
	return n, nil
}

func (n *note) write(tx *store.Tx) {
	text, err := json.Marshal(n)
	if err != nil {
		panic(err) // its fields are plain
	}
	tx.SetNote(noteName, text)
}

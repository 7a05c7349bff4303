package jetstream

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"github.com/godwitkv/godwit/internal/store"
)

const identityNote = "member"

// Identity returns what tells this disk from any other that a member of the same
// name may have had. It is made with the store. Error: the store's.
func Identity(s *store.Store) (string, error) {
	text, err := s.Note(identityNote)
	if err != nil || text != nil {
		return string(text), err
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process first
	id := hex.EncodeToString(b[:])
	tx := s.Begin()
	tx.SetNote(identityNote, []byte(id))
	c, err := tx.Commit(store.NoSync)
	if err == nil {
		err = c.Wait()
	}
	if err == nil {
		err = s.Sync()
	}
	if err != nil {
		return "", fmt.Errorf("keep the member's identity: %w", err)
	}
	return id, nil
}

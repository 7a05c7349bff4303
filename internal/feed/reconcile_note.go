package feed

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// noteName is under which the store keeps a resumption.
const noteName = "reconcile"

// resumption is how far a reconcile came: what stands up to After is as an
// upstream had it in a state between Lowest and Highest. It changes with the
// transactions that bring the entries in.
type resumption struct {
	Cluster    string               `json:"cluster"`
	Lineage    []notedEpoch         `json:"lineage"`    // of the log whose revisions name the content of all that stands here
	Namespaces []godwit.NamespaceID `json:"namespaces"` // walked; null: all
	// Jurisdictions whose namespaces are walked too; null: of all.
	Jurisdictions []string      `json:"jurisdictions"`
	After         *notedPlace   `json:"after,omitempty"`
	Lowest        notedPosition `json:"lowest,omitzero"`
	Highest       notedPosition `json:"highest,omitzero"`
	Blank         bool          `json:"blank,omitempty"` // nothing stood here at the start
	All           bool          `json:"all,omitempty"`   // the upstream's log has nothing in common with what stood here
}

type notedPlace struct {
	Namespace []byte `json:"namespace"`
	Key       []byte `json:"key"`
}

type notedEpoch struct {
	ID    []byte          `json:"id"`
	First godwit.Revision `json:"first"`
	After godwit.Revision `json:"after,omitempty"`

	Generation uint64 `json:"generation,omitempty"`
}

type notedPosition struct {
	Epoch    []byte          `json:"epoch"`
	Revision godwit.Revision `json:"revision"`
}

// Unfinished tells whether a reconcile of the store was begun and not settled:
// its content is a mixture, and its position says nothing.
func Unfinished(s *store.Store) (bool, error) {
	n, err := readResumption(s)
	return n != nil, err
}

// readResumption returns nil if there is none.
func readResumption(s *store.Store) (*resumption, error) {
	text, err := s.Note(noteName)
	if err != nil || text == nil {
		return nil, err
	}
	n := new(resumption)
	if err := json.Unmarshal(text, n); err != nil {
		return nil, fmt.Errorf("read the note of a reconcile: %w", err)
	}
	return n, nil
}

func (n *resumption) write(tx *store.Tx) {
	text, err := json.Marshal(n)
	if err != nil {
		panic(fmt.Sprintf("encode the note of a reconcile: %v", err)) // its fields are plain
	}
	tx.SetNote(noteName, text)
}

// place is After as a place.
func (n *resumption) place() *store.Place {
	if n.After == nil {
		return nil
	}
	p := store.Place{Key: string(n.After.Key)}
	copy(p.Namespace[:], n.After.Namespace)
	return &p
}

// passed notes that all up to p is done.
func (n *resumption) passed(p store.Place) {
	n.After = &notedPlace{slices.Clone(p.Namespace[:]), []byte(p.Key)}
}

// lineage is Lineage as a lineage.
func (n *resumption) lineage() godwit.Lineage {
	l := make(godwit.Lineage, len(n.Lineage))
	for i, e := range n.Lineage {
		l[i] = godwit.Epoch{First: e.First, After: e.After, Generation: e.Generation}
		copy(l[i].ID[:], e.ID)
	}
	return l
}

func (n *resumption) setLineage(l godwit.Lineage) {
	n.Lineage = make([]notedEpoch, len(l))
	for i, e := range l {
		n.Lineage[i] = notedEpoch{slices.Clone(e.ID[:]), e.First, e.After, e.Generation}
	}
}

// takesAll tells whether pages come with values: there is nothing here to compare
// them with, or it is of no use.
func (n *resumption) takesAll() bool { return n.Blank || n.All }

// saw notes that a state of the upstream was read.
func (n *resumption) saw(p godwit.Position) {
	noted := note(p)
	if n.Lowest.Epoch == nil || p.Revision < n.Lowest.Revision {
		n.Lowest = noted
	}
	if n.Highest.Epoch == nil || p.Revision > n.Highest.Revision {
		n.Highest = noted
	}
}

func note(p godwit.Position) notedPosition {
	return notedPosition{slices.Clone(p.Epoch[:]), p.Revision}
}

func (p notedPosition) position() godwit.Position {
	out := godwit.Position{Revision: p.Revision}
	copy(out.Epoch[:], p.Epoch)
	return out
}

// on tells whether the position lies on a lineage; none lies on each.
func (p notedPosition) on(l godwit.Lineage) bool {
	if p.Epoch == nil {
		return true
	}
	return l.Holds(p.position())
}

// continues tells whether a walk of who says h goes on where n was cut off: the
// same keys, of a log that has all states that were read so far.
func (n *resumption) continues(h *Hello) bool {
	walked := n.walked()
	return walked.SameNamespaces(&h.Carries) && walked.SameJurisdictions(&h.Carries) && n.Lowest.on(h.Lineage) && n.Highest.on(h.Lineage)
}

// walked is what the walk is of.
func (n *resumption) walked() *Filter {
	return &Filter{Namespaces: n.Namespaces, Jurisdictions: n.Jurisdictions}
}

// Walking is what of its upstream's data an unfinished reconcile of the store may
// have brought in; nil: there is none.
func Walking(s *store.Store) (*Filter, error) {
	n, err := readResumption(s)
	if n == nil || err != nil {
		return nil, err
	}
	return n.walked(), nil
}

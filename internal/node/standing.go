package node

import (
	"math"
	"time"

	"github.com/godwitkv/godwit/internal/central/embedded"
)

// standing is how a node stands to its log: in the node itself, at an upstream, or
// shared with others.
type standing interface {
	Ready() bool        // reads are served
	Exact() bool        // the store is an exact prefix of the log
	Age() time.Duration // for how long the node may have missed a write
	Failed() <-chan error
	Close() error
}

// centre is the standing of a node that has the log itself.
type centre struct{ *embedded.Log }

func (centre) Ready() bool        { return true }
func (centre) Exact() bool        { return true }
func (centre) Age() time.Duration { return 0 }

// stand is told once the node knows how it stands.
func (n *Node) stand(s standing) { n.standing.Store(&s) }

// stands is nil while the node is being opened.
func (n *Node) stands() standing {
	if s := n.standing.Load(); s != nil {
		return *s
	}
	return nil
}

// isReady, exact and age are what clients and followers are told. They are asked
// from the first commit on, which may come while the node is being opened.

func (n *Node) isReady() bool {
	s := n.stands()
	return s != nil && s.Ready()
}

func (n *Node) exact() bool {
	s := n.stands()
	return s != nil && s.Exact()
}

func (n *Node) age() time.Duration {
	if s := n.stands(); s != nil {
		return s.Age()
	}
	return math.MaxInt64
}

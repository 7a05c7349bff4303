package node

import "github.com/godwitkv/godwit/internal/store"

// Observer is told what goes on inside a node, before anyone else is: tests of
// whole worlds hold it against what they know. All fields must be set.
type Observer struct {
	// Opened is told of the store before anything is written into it.
	Opened func(*store.Store)
	// Committed is told of each commit, as store.Config.OnCommit.
	Committed func(*store.Committed)
	// Mixed and Exact are told of an edge's copy, as those of edge.Config.
	Mixed func()
	Exact func(reset bool)
}

// newObserver is who is told where nobody asked to be.
func newObserver() *Observer {
	return &Observer{
		Opened:    func(*store.Store) {},
		Committed: func(*store.Committed) {},
		Mixed:     func() {},
		Exact:     func(bool) {},
	}
}

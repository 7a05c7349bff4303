// Package feed is how nodes speak with each other: one long stream of frames
// from a store to each of its followers, the walk by which a store becomes a
// copy of another, and the requests that a follower passes on: reads that it
// cannot answer, values that it does not hold, writes.
//
// It owns the frames, the server, the client and reconcile. It must not import
// an API, a log or an edge: what a follower does with what it hears is theirs.
package feed

import (
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// Filter is what a follower carries of its upstream's data.
type Filter struct {
	Namespaces []godwit.NamespaceID // sorted; nil: all
	MaxValue   int64                // longer values are withheld; 0: none is
	// Jurisdictions, sorted: namespaces of others are left out. nil: none is; empty:
	// all are that are of any.
	Jurisdictions []string
}

// Hello is the first frame of a stream, and comes again when the lineage grows.
type Hello struct {
	Cluster  string
	Account  string
	Lineage  godwit.Lineage
	Purged   godwit.Revision // a follower behind it may have missed deletions
	Revision godwit.Revision // the sender's position
	Owner    bool            // the sender owns the log: it alone may make a follower go back
	Carries  Filter          // what the stream carries
	Session  uint64          // names the stream in reports
	Location string
	Clock    int64 // the sender's clock, unix milliseconds
}

// Records is one batch of the log (Round false: everything between Prev and
// Revision) or a part of a round of catching up.
type Records struct {
	Prev, Revision godwit.Revision
	Time           int64 // the log's, unix milliseconds
	Round          bool
	Records        []godwit.Record // point into the frame
}

// Ready ends a round: the follower is an exact prefix up to Revision.
type Ready struct {
	Revision godwit.Revision
	Time     int64
	Purged   godwit.Revision
}

// Heartbeat tells how far the stream is. All that the sender held when it got
// the ping has been sent before it.
type Heartbeat struct {
	Revision godwit.Revision
	Age      time.Duration // for how long the sender may have missed a write
	Ping     uint64        // number of the last report that had arrived; 0: none
	Clock    int64         // the sender's clock, unix milliseconds
}

// EndReason is why a stream ends.
type EndReason uint8

// The reasons.
const (
	EndClosing   EndReason = 1  // the sender stops: try again, or another
	EndTooOld    EndReason = 2  // the position is before the purge floor, or unknown: reconcile
	EndDiverged  EndReason = 3  // the position is off the lineage: reconcile
	EndAhead     EndReason = 4  // the position is ahead of this sender, who does not own the log: wait, or another
	EndRevoked   EndReason = 5  // the token is no longer good
	EndRedirect  EndReason = 6  // too many followers: Message is the URL of one to ask instead
	EndRefused   EndReason = 7  // what was asked cannot be carried: Message says why
	EndSlow      EndReason = 8  // the follower read too slowly
	EndSuspended EndReason = 9  // the sender is not an exact copy itself for now
	EndDone      EndReason = 10 // all that was asked for has been sent
)

// End is the last frame of a stream.
type End struct {
	Reason  EndReason
	Message string
}

// Page is one page of a walk: entries in order of place, none left out between
// the page before and Last. Done: nothing follows. Revision is the position of
// the state that the page was read from.
type Page struct {
	Revision godwit.Revision
	Time     int64
	Records  []godwit.Record // without values and metadata where heads alone were asked for
	Heads    bool
	Done     bool
}

// State is a state of a node whose log is shared, and what of it decisions read
// beside entries follows: Known, and Pages of entries that have expired.
type State struct {
	Position godwit.Position
	Time     int64  // the log's, unix milliseconds
	Place    []byte // in the shared log, as its members write it
}

// Known is what decisions remember in a State, or a part of it.
type Known struct {
	Proposers []store.KnownProposer
	Requests  []store.KnownRequest
}

// Frame is one of *Hello, *Records, *Ready, *Heartbeat, *End, *Page, *State, *Known.
type Frame any

// Report is what a follower tells its upstream once a second.
type Report struct {
	Session   uint64   `json:"session"`
	Ping      uint64   `json:"ping"` // grows by one
	Follower  NodeInfo `json:"follower"`
	Followers []Node   `json:"followers,omitempty"` // behind the follower
}

// NodeInfo is a node's account of itself, for the tree.
type NodeInfo struct {
	ID          string `json:"id"` // random, of this process
	Role        string `json:"role"`
	Location    string `json:"location,omitempty"`
	URL         string `json:"url,omitempty"` // of its API, as it is reached by others
	Version     string `json:"version"`
	Revision    string `json:"revision"`
	Ready       bool   `json:"ready"`
	Lag         int64  `json:"lag"` // revisions behind the upstream
	StalenessMS int64  `json:"staleness_ms"`
	Keys        int64  `json:"keys"`
	Bytes       int64  `json:"bytes"`
	Progress    string `json:"progress,omitempty"` // of a reconcile
	Uptime      int64  `json:"uptime_seconds,omitempty"`

	// What its upstream knows of what it follows with:

	RootToken    bool  `json:"root_token,omitempty"`    // it is the root token
	TokenExpires int64 `json:"token_expires,omitempty"` // unix seconds; 0: never

	Jurisdictions []string `json:"jurisdictions,omitempty"` // whose namespaces the node may carry
}

// Node is a node and those that follow it.
type Node struct {
	NodeInfo
	Followers []Node `json:"followers,omitempty"`
}

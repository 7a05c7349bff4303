package jetstream

import (
	"context"
	"errors"
	"time"
)

// Stream is one ordered, replicated sequence of messages, which several nodes
// share. Sequences grow by one with each message, from 1, and are never reused.
// Methods may be called from many goroutines.
type Stream interface {
	// Send hands a message over to be appended, and returns before it is. Messages
	// of one caller are appended in the order in which they were handed over,
	// except that any may be lost, or be appended late or twice, where the stream
	// has no leader or changes it. done is called once: with nil when a quorum
	// holds the message, with ErrFull or ErrTooLarge if the stream certainly did not
	// take it, else with why that is not known. The stream keeps msg until then.
	Send(msg []byte, done func(error))

	// Begin appends the first message of an empty stream. Error: ErrNotEmpty if it
	// has had any; another one leaves open whether it was appended.
	Begin(ctx context.Context, msg []byte) error

	// Read calls fn for each message from sequence from on, in order, none left
	// out, as a quorum holds them, until ctx ends or fn fails, with whose error it
	// returns. It goes on by itself when connections break. fn owns the message.
	// Error: ErrTrimmed if a message is no longer there, ErrReplaced.
	Read(ctx context.Context, from uint64, fn func(Message) error) error

	// MaxMessage is how many bytes a message has at the most.
	MaxMessage() int

	// State asks a leader for the stream's extent. Error: there is none.
	State(ctx context.Context) (State, error)

	// Trim removes all messages before sequence first.
	Trim(ctx context.Context, first uint64) error
}

// Message is one message of a stream.
type Message struct {
	Sequence uint64
	Time     int64 // the stream's own, unix milliseconds
	Data     []byte
}

// State is a stream's extent.
type State struct {
	ID     string // of this very stream: one that is deleted and made again has another
	First  uint64 // sequence of the oldest message; 0: it never had one
	Last   uint64 // of the newest
	Bytes  int64
	Most   int64  // bytes that it may hold; 0: not told
	Leader string // who leads it
	// FirstTime is when the oldest message came, by the clock of who led it then.
	FirstTime time.Time
	Created   time.Time // by the leader's clock
	// Uncounted tells that who asks keeps the stream by a server of his own, which cannot be
	// counted for a majority: it lacks a part of what others hold.
	Uncounted bool
}

// Errors of a stream.
var (
	ErrNotEmpty = errors.New("the stream is not empty")
	ErrTrimmed  = errors.New("messages of the stream are no longer there")
	ErrReplaced = errors.New("the stream is not the one that it was")
	ErrFull     = errors.New("the stream holds as much as it may")
	ErrTooLarge = errors.New("the message is longer than the stream takes")
)

// Registry is what the members of a cluster know of each other, beside the log.
// Methods may be called from many goroutines.
type Registry interface {
	// Register keeps who this member is. It replaces what it kept before, unless
	// that is of another Identity: error *TakenError.
	Register(ctx context.Context, m MemberInfo) error

	// Members are all that were ever registered and not removed, by name.
	Members(ctx context.Context) ([]MemberInfo, error)

	// Remove forgets a member, whose part of the stream is given to others. Errors:
	// ErrNoMember, ErrRuns, ErrHeardOf.
	Remove(ctx context.Context, name string) error

	// Secret returns what is kept under a name for all members to know, "" if
	// nothing is. Offer keeps it if nothing is kept yet, and returns what is.
	Secret(ctx context.Context, name string) (string, error)
	Offer(ctx context.Context, name, secret string) (string, error)

	// Tell tells all other members how this one is; it may not reach them. Hear
	// calls fn with what others tell until ctx ends.
	Tell(p Pulse)
	Hear(ctx context.Context, fn func(Pulse)) error
}

// MemberInfo is who a member is.
type MemberInfo struct {
	Name     string `json:"name"`     // --node
	Identity string `json:"identity"` // random, as old as the member's disk
	URL      string `json:"url"`      // of its API, as others reach it
	Version  string `json:"version"`
	Formats  int    `json:"formats"` // the highest format of messages that it reads

	Jurisdictions []string `json:"jurisdictions,omitempty"` // that it was started with
}

// Pulse is what a member tells the others every second.
type Pulse struct {
	Name     string `json:"name"`
	Identity string `json:"identity"`
	Clock    int64  `json:"clock"`    // unix milliseconds
	Applied  uint64 `json:"applied"`  // sequence of the last message applied
	Flushed  uint64 `json:"flushed"`  // of the last that a crash of this member leaves applied, with its values
	Revision string `json:"revision"` // that its store holds
	Ready    bool   `json:"ready"`
	Problem  string `json:"problem,omitempty"`
	Epoch    string `json:"epoch"`            // of its store
	Digest   string `json:"digest,omitempty"` // of its store at DigestAt
	DigestAt uint64 `json:"digest_at,omitempty"`
}

// Errors of removing a member.
var (
	ErrNoMember = errors.New("no member has this name")
	ErrRuns     = errors.New("the member is running")
	ErrHeardOf  = errors.New("the member does not answer, but does not count as gone yet")
)

// TakenError tells that a member's name is another's: its disk was wiped, or two
// were given one name.
type TakenError struct{ Name, Identity string }

// Error implements error.
func (e *TakenError) Error() string {
	return "the name " + e.Name + " is taken by a member with another disk (identity " + e.Identity + ")"
}

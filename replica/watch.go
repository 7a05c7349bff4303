package replica

import (
	"context"
	"iter"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/watch"
)

// EventKind is what an event tells.
type EventKind string

// The kinds of events.
const (
	EventPut    EventKind = "put"
	EventDelete EventKind = "delete"
	EventExpire EventKind = "expire" // the key's expiration has come
	EventReady  EventKind = "ready"  // all up to ID has been told
	EventReset  EventKind = "reset"  // the position was too old: list all anew, then go on from ID
)

// Event is a change of a key, or a word about the watch. Its bytes are shared
// and must not be changed.
type Event struct {
	Kind       EventKind
	ID         string // for WatchOptions.After, at any node
	Key        string
	Revision   godwit.Revision
	Expiration int64  // of a put or an expiry, unix seconds; 0: never
	Metadata   []byte // of a put; nil: none
	Size       int64  // of a put's value
	Value      []byte // of a put; nil: not asked for, too long, or not held here
}

// WatchOptions select what is watched.
type WatchOptions struct {
	Prefix string // only keys that start with it
	After  string // ID of the last event seen; "": from now on
	Values bool   // with the values of puts, up to 64 KiB
}

// Watch yields the namespace's changes until ctx ends or the loop is left. Of a
// key that is written faster than the events are taken, the latest state may be
// all that is told. Errors: godwit.ErrNamespaceNotFound, also when the namespace
// is deleted; CodeInvalidRequest for an After that is none, for a namespace that the
// replica does not carry (Config.Namespaces, what the token may read) and for one of a
// jurisdiction that is not in Config.Jurisdictions: a node passes such a watch on, a
// replica does not; CodeUnavailable before the first copy, or before one of a namespace
// that is carried from now on, and when the replica is closed.
func (n *Namespace) Watch(ctx context.Context, o WatchOptions) iter.Seq2[Event, error] {
	q := watch.Request{Namespace: n.id, Prefix: o.Prefix, After: o.After, Values: o.Values}
	return func(yield func(Event, error) bool) {
		if err := n.mayWatch(); err != nil {
			yield(Event{}, err)
			return
		}
		for e, err := range n.r.hub.Watch(ctx, q) {
			if err == nil && e.Kind == watch.Heartbeat {
				continue
			}
			if !yield(eventOf(e), err) {
				return
			}
		}
	}
}

// mayWatch tells why the copy cannot tell of the namespace's changes, nil if it can.
func (n *Namespace) mayWatch() error {
	e := n.r.edge
	whole := e.Exact() // asked first: what is held is known by then
	switch {
	case e.Barred(n.id):
		return godwit.Errorf(godwit.CodeInvalidRequest, "The namespace is of a jurisdiction that the replica is not for: watch it at a node.")
	case e.HoldsNamespace(n.id):
		return nil
	case whole:
		return godwit.Errorf(godwit.CodeInvalidRequest, "The replica does not carry the namespace: watch it at a node.")
	}
	return godwit.Errorf(godwit.CodeUnavailable, "The replica has no copy of the namespace yet: try again later.")
}

func eventOf(e watch.Event) Event {
	return Event{
		Kind: EventKind(e.Kind), ID: e.ID, Key: e.Key, Revision: e.Revision,
		Expiration: e.Expiration, Metadata: e.Metadata, Size: e.Size, Value: e.Value,
	}
}

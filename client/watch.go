package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// silence is for how long a server may say nothing: it says something every 15
// seconds.
const silence = 45 * time.Second

// WatchOptions select what is watched.
type WatchOptions struct {
	Prefix string // only keys that start with it
	After  string // ID of the last event seen, at this node or another; "": from now on
	Values bool   // with the values of puts, up to 64 KiB
}

// EventKind is what an event tells.
type EventKind string

// The kinds of events.
const (
	EventPut    EventKind = "put"
	EventDelete EventKind = "delete"
	EventExpire EventKind = "expire" // the key's expiration has come
	EventReady  EventKind = "ready"  // all up to ID has been told
	EventReset  EventKind = "reset"  // comes with ErrReset
)

// Event is a change of a key, or a word about the watch.
type Event struct {
	Kind       EventKind
	ID         string // for WatchOptions.After
	Key        string
	Revision   string          // of the write; of an expiry: of the write that is no more
	Expiration time.Time       // of a put or an expiry; zero: never
	Metadata   json.RawMessage // of a put; nil: none
	Size       int64           // of a put's value
	Value      []byte          // of a put; nil: not asked for, over 64 KiB, or not held by the node
}

// Watch tells of the namespace's changes until ctx ends or the loop is left. It
// begins with a Ready, or with what has changed since o.After, and then a Ready.
// Whoever applies the events to a map of what they listed has what the server has
// whenever a Ready comes: of a key that was written more than once meanwhile, the
// latest state may be all that is told. After an interruption an event may come
// twice; none is left out.
//
// When the connection breaks, Watch goes on where it was, for as long as that
// takes; that a first connection cannot be made is ErrUnavailable. An error ends
// it. Errors: ErrReset, whose event has the ID to go on from once all keys have
// been listed anew; ErrNamespaceNotFound, also when the namespace is deleted;
// ErrUnauthenticated, also when the token is revoked; ErrForbidden; ErrInvalid for
// an ID that is none; ErrTooManyRequests where there are too many watches;
// ErrUnavailable; the context's.
func (kv *KV) Watch(ctx context.Context, o WatchOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		kv, err := kv.pinned(ctx)
		if err != nil {
			yield(Event{}, err)
			return
		}
		w := &watching{kv: kv, o: o, yield: yield}
		if e, err := w.run(ctx); err != nil && !errors.Is(err, errLeft) {
			yield(e, err)
		}
	}
}

// errLeft ends a watch whose loop was left.
var errLeft = errors.New("the loop was left")

// watching is a watch over as many connections as it takes.
type watching struct {
	kv    *KV
	o     WatchOptions // After moves on
	yield func(Event, error) bool
	heard bool // of the server, on this connection
	begun bool // on any connection
}

// run watches until there is an error that connecting again does not mend. The
// event is what goes with the error.
func (w *watching) run(ctx context.Context) (Event, error) {
	for attempt := 1; ; attempt++ {
		w.heard = false
		e, err := w.connect(ctx)
		if w.heard {
			attempt = 1
		}
		switch {
		case ctx.Err() != nil && !errors.Is(err, errLeft):
			return Event{}, context.Cause(ctx)
		case !w.begun, !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrTooManyRequests):
			return e, err
		}
		w.kv.c.wait(ctx, attempt, err)
	}
}

// connect watches over one connection. Error: ErrUnavailable when it breaks.
func (w *watching) connect(ctx context.Context) (Event, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	res, err := w.open(ctx)
	if err != nil {
		return Event{}, err
	}
	defer func() { _ = res.Body.Close() }()
	w.begun = true
	quiet := time.AfterFunc(silence, cancel)
	defer quiet.Stop()
	events := newEventReader(res.Body, func() { quiet.Reset(silence) })
	for {
		m, err := events.next()
		if err != nil {
			return Event{}, fmt.Errorf("%w: read events: %w", ErrUnavailable, err)
		}
		w.heard = true
		if e, err := w.take(m); err != nil {
			return e, err
		}
	}
}

func (w *watching) open(ctx context.Context) (*http.Response, error) {
	id, err := w.kv.namespaceID(ctx)
	if err != nil {
		return nil, err
	}
	query, header := url.Values{}, http.Header{"Accept": {"text/event-stream"}}
	if w.o.Prefix != "" {
		query.Set("prefix", w.o.Prefix)
	}
	if w.o.Values {
		query.Set("values", "1")
	}
	if w.o.After != "" {
		header.Set("Last-Event-ID", w.o.After)
	}
	res, err := w.kv.c.open(ctx, call{
		method: http.MethodGet, path: "/godwit/v1/namespaces/" + id + "/watch", query: query, header: header, idempotent: true,
	})
	if errors.Is(err, ErrNamespaceNotFound) {
		w.kv.c.forget(w.kv.ref)
	}
	return res, err
}

// take hands an event on. An error ends the connection.
func (w *watching) take(m message) (Event, error) {
	switch kind := EventKind(m.kind); kind {
	case EventPut, EventDelete, EventExpire, EventReady, EventReset:
		e, err := m.event()
		if err != nil {
			return Event{}, err
		}
		w.o.After = e.ID
		if kind == EventReset {
			return e, ErrReset
		}
		if !w.yield(e, nil) {
			return Event{}, errLeft
		}
	case "error":
		return Event{}, m.failure()
	}
	return Event{}, nil // of a kind that comes later
}

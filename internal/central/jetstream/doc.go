// Package jetstream owns the log of a central node that is one of several: a
// replicated stream orders the batches of all members, each member applies the
// stream to its own store, and answers its own writers once it has applied their
// batch.
//
// The stream is a short tail, not the store: what all but a few members hold is
// trimmed, and who comes too late becomes a copy of a peer, as an edge does. The
// stream itself is behind an interface; package nats, below this one in the tree,
// is the real one. It must not import an API.
package jetstream

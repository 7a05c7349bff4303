// Package nats owns the stream and the registry of a cluster as NATS JetStream
// keeps them: a NATS server inside this process, or one that others run, and the
// client's side of both.
//
// It is the only package that knows NATS. What the messages of the stream mean is
// for package jetstream, whose interfaces it implements. It must not import an
// API, and nothing of the store.
package nats

// Package node turns a [Config] into a running node: it opens the store, the
// log, the catalog and the APIs in their order, listens, and closes all of it in
// the opposite order. It is the only package that knows every other, and nothing
// but the command line and tests may import it.
//
// What is outside a node (disk, clock, listeners, log, metrics) comes in through
// its Config, so that many nodes can live in one process.
package node

// Package godwit is the domain of a global, eventually consistent key-value
// store that speaks Cloudflare Workers KV's protocols: what an entry, a
// namespace, a transaction and a revision are, which of them are valid, and
// the few interfaces through which the rest of the program meets them.
//
// One idea carries the system: every node keeps a local store built from one
// ordered log of writes, and what differs between nodes is only where the log
// lives. [Reader] is the local copy, [Log] is the log.
//
// This package knows no technology. It imports the standard library alone, and
// nothing in it touches a disk, a network or a clock.
package godwit

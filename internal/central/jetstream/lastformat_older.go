//go:build older

package jetstream

// LastFormat is that of the version before: a test build stands for it where a
// cluster is upgraded.
const LastFormat = newest - 1

//go:build older

package jetstream

// LastFormat is that of a version before: a test build stands for it where a cluster is
// upgraded. That one knew no adds, which are refused until it is gone.
const LastFormat = addFormat - 1

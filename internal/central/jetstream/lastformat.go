//go:build !older

package jetstream

// LastFormat is the highest format of messages that this version reads.
const LastFormat = newest

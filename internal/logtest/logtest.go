// Package logtest owns what tests read a log from while it is being written. It must
// import nothing of godwit.
package logtest

import (
	"bytes"
	"strings"
	"sync"
)

// Buffer keeps all that is written to it. It is for any number of goroutines; the zero
// value is empty.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends p. It never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String is all that was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Count is how often a text was written.
func (b *Buffer) Count(text string) int { return strings.Count(b.String(), text) }

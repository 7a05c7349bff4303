package main

import (
	"os"
	"runtime/debug"
)

// copyHeap is how much memory a copy of a store may take by Go's count: what it holds at a
// time, chunks and what is on its way into the store, and some garbage. The database's
// cache and memtables, some 80 MiB, come on top.
const copyHeap = 128 << 20

// boundMemory has garbage collected before it is as much again as what is held, unless
// whoever runs the command has said how much it may take.
func boundMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(copyHeap)
	}
}

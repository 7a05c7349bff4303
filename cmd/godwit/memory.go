package main

import (
	"os"
	"runtime/debug"
)

// copyGarbage is how much garbage may pile up while a store is copied, in percent of what
// is held. What is held are chunks and what is on its way into the store, and where the
// program has no C memory the database's cache and memtables. Part of it grows with the
// store and with the repository, the lists of files and of chunks: under a limit in bytes
// the collector would run without end once it comes near.
const copyGarbage = 50

// boundGarbage has garbage collected before it is as much again as what is held, unless
// whoever runs the command has said when.
func boundGarbage() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(copyGarbage)
	}
}

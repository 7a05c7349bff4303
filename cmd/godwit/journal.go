package main

import (
	"fmt"
	"os"
	"syscall"
)

// isJournal tells whether a file is systemd's journal, which keeps what it gets, and shows
// it to others than who started the program. systemd says so in the environment.
func isJournal(f *os.File) bool {
	stream := os.Getenv("JOURNAL_STREAM")
	if stream == "" {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return true // it may be
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return !ok || stream == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

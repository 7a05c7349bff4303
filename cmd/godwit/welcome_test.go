package main

import (
	"fmt"
	"os"
	"syscall"
	"testing"
)

// TestJournal holds what is taken for systemd's journal, to which no token is written.
func TestJournal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	var stat syscall.Stat_t
	if err := syscall.Fstat(int(w.Fd()), &stat); err != nil {
		t.Fatal(err)
	}
	for stream, want := range map[string]bool{
		"": false, fmt.Sprintf("%d:%d", stat.Dev, stat.Ino): true, fmt.Sprintf("%d:%d", stat.Dev, stat.Ino+1): false, "nonsense": false,
	} {
		t.Setenv("JOURNAL_STREAM", stream)
		if got := isJournal(w); got != want {
			t.Errorf("JOURNAL_STREAM=%s: %t", stream, got)
		}
	}
}

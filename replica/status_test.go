package replica_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/replica"
)

// TestStatusOfClosed: a health check goes on beside Close and after it.
func TestStatusOfClosed(t *testing.T) {
	c := openCentre(t)
	r, _ := c.open(t, replica.Config{})
	begun := make(chan struct{})
	first := sync.OnceFunc(func() { close(begun) })
	last := make(chan replica.Status)
	go func() {
		for {
			s := r.Status()
			first()
			if strings.Contains(s.Problem, "closed") {
				last <- s
				return
			}
		}
	}()
	<-begun
	check(t, r.Close())
	want := replica.Status{Staleness: -1, Problem: "The replica is closed."}
	if got := <-last; got != want {
		t.Errorf("beside Close: %+v", got)
	}
	if got := r.Status(); got != want {
		t.Errorf("after Close: %+v", got)
	}
}

// TestReadyOfClosed: nobody waits for a copy that will never be there, and one that was is
// there no more.
func TestReadyOfClosed(t *testing.T) {
	r, err := replica.Open(t.Context(), replica.Config{Upstreams: []string{"http://127.0.0.1:1"}, Token: rootToken})
	check(t, err)
	ready := make(chan error)
	go func() { ready <- r.Ready(t.Context()) }()
	check(t, r.Close())
	if err := <-ready; godwit.CodeOf(err) != godwit.CodeUnavailable {
		t.Errorf("closed before it was ready: %v", err)
	}
	r, _ = openCentre(t).open(t, replica.Config{})
	check(t, r.Close())
	if err := r.Ready(t.Context()); godwit.CodeOf(err) != godwit.CodeUnavailable {
		t.Errorf("closed when it was ready: %v", err)
	}
}

// Package porttest owns the ports that tests listen on again after a restart. It
// must import nothing of godwit.
package porttest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Ports below those that systems give to who connects: while nobody listens on one
// of these, no connection takes it.
const (
	first = 20_000
	last  = 32_000
)

var (
	mu    sync.Mutex
	given = make(map[int]bool)
)

// Free returns an address of loopback that nobody listens on, another one each time.
func Free(t testing.TB) string {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	for range 1000 {
		port := first + rand.IntN(last-first)
		if given[port] {
			continue
		}
		address := fmt.Sprintf("127.0.0.1:%d", port)
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		given[port] = true
		return address
	}
	t.Fatal("no port is free")
	return ""
}

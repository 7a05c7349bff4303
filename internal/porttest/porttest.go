// Package porttest owns the ports that tests listen on again after a restart. It
// must import nothing of godwit.
package porttest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// Ports below those that systems give to who connects: while nobody listens on one
// of these, no connection takes it. A process has blocks of them to itself, so that
// the tests of another do not take what is free for the moment of a restart.
const (
	first  = 20_000
	blocks = 60
	block  = 200
)

var (
	mu    sync.Mutex
	held  []*os.File // of the blocks, locked for as long as the process lives
	ports []int      // of them, not given yet
)

// Free returns an address of loopback that nobody listens on, another one each time.
func Free(t testing.TB) string {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	for len(ports) > 0 || take() {
		address := fmt.Sprintf("127.0.0.1:%d", ports[0])
		ports = ports[1:]
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return address
	}
	t.Fatal("no port is free")
	return ""
}

// take takes a block that no process has.
func take() bool {
	for _, i := range rand.Perm(blocks) {
		name := filepath.Join(os.TempDir(), fmt.Sprintf("godwit-ports-%d-%d", os.Getuid(), i))
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			continue
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			_ = f.Close()
			continue
		}
		held = append(held, f)
		for _, port := range rand.Perm(block) {
			ports = append(ports, first+i*block+port)
		}
		return true
	}
	return false
}

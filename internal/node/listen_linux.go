package node

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unheardFor is for how long what was sent over a connection may go without the other
// side's acknowledgement before it is taken for gone: longer than any request may stall.
// The kernel alone waits for a quarter of an hour, and a follower whose line was cut would
// keep its place for as long.
const unheardFor = time.Minute

// listenTCP is net.Listen with connections that end when nobody is there any more.
func listenTCP(network, address string) (net.Listener, error) {
	cfg := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unheardFor.Milliseconds()))
		})
		return errors.Join(err, failed)
	}}
	return cfg.Listen(context.Background(), network, address)
}

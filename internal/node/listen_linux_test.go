package node

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// TestUnheard: a connection that a node has accepted ends once what was sent has not been
// acknowledged for a minute.
func TestUnheard(t *testing.T) {
	l, err := listenTCP("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	raw, err := accepted.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var got int
	var failed error
	if err := raw.Control(func(fd uintptr) { got, failed = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT) }); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	if int64(got) != unheardFor.Milliseconds() {
		t.Errorf("TCP_USER_TIMEOUT of an accepted connection is %d ms", got)
	}
}

package load

import (
	"errors"
	"fmt"
	"net"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

var errClosed = errors.New("server closed the connection")

// conn is one socket and its request in flight.
type conn struct {
	index  int
	fd     int
	stream *stream
	reply  Reply
	out    []byte        // the request
	unsent []byte        // the part of it that the socket has not taken
	sent   time.Duration // when it went out, or was due
}

// dial opens one more connection of s.
func (l *loop) dial(s *stream) error {
	addr, err := net.ResolveTCPAddr("tcp4", s.Addr)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	c := &conn{index: len(l.conns), fd: fd, stream: s, reply: s.Reply()}
	l.conns = append(l.conns, c)
	to := &unix.SockaddrInet4{Port: addr.Port}
	copy(to.Addr[:], addr.IP.To4())
	if err := unix.Connect(fd, to); err != nil {
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	return l.watch(c, unix.EPOLL_CTL_ADD, unix.EPOLLIN)
}

// watch tells the kernel which events of c the loop wants.
func (l *loop) watch(c *conn, op int, events uint32) error {
	return unix.EpollCtl(l.epoll, op, c.fd, &unix.EpollEvent{Events: events, Fd: int32(c.index)})
}

// send starts c's next request, which counts from at.
func (l *loop) send(c *conn, at time.Duration) error {
	c.out = c.stream.Source.Next(c.out[:0])
	c.unsent, c.sent = c.out, at
	return l.flush(c)
}

// flush writes what is unsent, and has the kernel tell when there is room for
// the rest.
func (l *loop) flush(c *conn) error {
	n, errno := rawIO(unix.SYS_WRITE, c.fd, c.unsent)
	if errno != 0 && errno != unix.EAGAIN {
		return fmt.Errorf("send request: %w", errno)
	}
	c.unsent = c.unsent[n:]
	if len(c.unsent) > 0 {
		return l.watch(c, unix.EPOLL_CTL_MOD, unix.EPOLLIN|unix.EPOLLOUT)
	}
	return nil
}

// serve does what the kernel says is ready for c.
func (l *loop) serve(c *conn, events uint32) error {
	if events&unix.EPOLLOUT != 0 {
		if err := l.watch(c, unix.EPOLL_CTL_MOD, unix.EPOLLIN); err != nil {
			return err
		}
		if err := l.flush(c); err != nil {
			return err
		}
	}
	if events&^uint32(unix.EPOLLOUT) == 0 {
		return nil
	}
	n, errno := rawIO(unix.SYS_READ, c.fd, l.buf)
	switch {
	case errno == unix.EAGAIN:
		return nil
	case errno != 0:
		return fmt.Errorf("read response: %w", errno)
	case n == 0:
		return fmt.Errorf("read response: %w", errClosed)
	}
	return l.take(c, l.buf[:n])
}

// take feeds what came to the response under way.
func (l *loop) take(c *conn, b []byte) error {
	n, done, err := c.reply.Feed(b)
	if err != nil {
		return fmt.Errorf("read response: %w", err)
	}
	if n < len(b) {
		return fmt.Errorf("read response: %w: %d bytes too many", errMalformed, len(b)-n)
	}
	if done {
		return l.answered(c)
	}
	return nil
}

// pin binds the calling thread to one core.
func pin(cpu int) error {
	if cpu < 0 {
		return nil
	}
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("bind thread to core %d: %w", cpu, err)
	}
	return nil
}

// wakeOnTime has the kernel wake the calling thread when it asks to be, and not
// when that suits others.
func wakeOnTime() error {
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set timer slack: %w", err)
	}
	return nil
}

// rawIO reads or writes a socket that never blocks, so the scheduler of
// goroutines need not be told: it would cost as much as the call itself.
func rawIO(call uintptr, fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// pollNow returns what is ready, without waiting.
func pollNow(epoll int, events []unix.EpollEvent) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll),
		uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// pollFor returns what is ready, after waiting for it for a short while: the
// scheduler of goroutines is not told, which would give the thread's turn away.
func pollFor(epoll int, events []unix.EpollEvent, wait time.Duration) (int, unix.Errno) {
	t := unix.NsecToTimespec(int64(wait))
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(epoll),
		uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), uintptr(unsafe.Pointer(&t)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

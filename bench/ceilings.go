//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"

	"github.com/valyala/fasthttp"
	"golang.org/x/sys/unix"

	"github.com/godwitkv/godwit/bench/load"
)

// Servers that answer every request with one value and do nothing else: what
// could be reached at all. This program runs them as processes of their own.
const (
	serveEmptyCommand = "serve-empty"
	serveBareCommand  = "serve-bare"
)

// ceilingOf returns the server that a command line asks for, nil for any other.
func ceilingOf(args []string) func(addr string) error {
	switch {
	case len(args) == 2 && args[0] == serveEmptyCommand:
		return serveEmpty
	case len(args) == 2 && args[0] == serveBareCommand:
		return serveBare
	}
	return nil
}

// ceiling starts one of them.
func (l *lab) ceiling(ctx context.Context, command string) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	p, err := l.start(ctx, command, accepts(addr), nil, self, command, addr)
	if err != nil {
		return nil, err
	}
	return &server{p, addr}, nil
}

// serveEmpty goes through the HTTP library that godwit's binding port uses.
func serveEmpty(addr string) error {
	value := load.RandomValues(valueBytes, 2).Append(nil)
	s := &fasthttp.Server{
		NoDefaultServerHeader: true,
		Handler:               func(c *fasthttp.RequestCtx) { c.Response.SetBodyRaw(value) },
	}
	return s.ListenAndServe(addr)
}

// serveBare reads whatever comes and writes a constant, in one epoll loop: two
// system calls a request and nothing between them.
func serveBare(addr string) error {
	runtime.LockOSThread()
	to, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return fmt.Errorf("resolve %s: %w", addr, err)
	}
	listener, err := listenBare(to)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("create epoll: %w", err)
	}
	if err := watchBare(epoll, listener); err != nil {
		return err
	}
	reply := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 288\r\n" +
		"CF-Cache-Status: HIT\r\nETag: \"1795460692067405\"\r\nGodwit-Revision: 1795460846009503\r\n\r\n")
	reply = load.RandomValues(valueBytes, 2).Append(reply)
	events, buf := make([]unix.EpollEvent, 128), make([]byte, 64<<10)
	for {
		n, err := unix.EpollWait(epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for sockets: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			if err := answerBare(epoll, listener, int(e.Fd), buf, reply); err != nil {
				return err
			}
		}
	}
}

func listenBare(to *net.TCPAddr) (fd int, err error) {
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, err
	}
	addr := &unix.SockaddrInet4{Port: to.Port}
	copy(addr.Addr[:], to.IP.To4())
	return fd, errors.Join(unix.Bind(fd, addr), unix.Listen(fd, 128))
}

func watchBare(epoll, fd int) error {
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
		return fmt.Errorf("watch socket: %w", err)
	}
	return nil
}

// answerBare takes a connection in, or answers what one of them sent.
func answerBare(epoll, listener, fd int, buf, reply []byte) error {
	if fd == listener {
		c, _, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		if err := unix.SetsockoptInt(c, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return fmt.Errorf("set option: %w", err)
		}
		return watchBare(epoll, c)
	}
	n, err := unix.Read(fd, buf)
	if err != nil || n == 0 || !bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
		return unix.Close(fd)
	}
	if _, err := unix.Write(fd, reply); err != nil {
		return unix.Close(fd)
	}
	return nil
}

package worker_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/worker"
)

// BenchmarkFront passes requests on to something that answers at once, from 64
// connections. The figure to look at is cpu-ns/op; the client and what stands for workerd
// are in it.
func BenchmarkFront(b *testing.B) {
	socket := filepath.Join(b.TempDir(), "s")
	backend, err := net.Listen("unix", socket)
	if err != nil {
		b.Fatal(err)
	}
	defer backend.Close()
	go accept(backend, "HTTP/1.1 200 OK\r\nContent-Length: 288\r\nContent-Type: text/plain\r\n\r\n"+string(bytes.Repeat([]byte("x"), 288)))
	front, end := worker.NewFront(socket)
	defer end()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: front}
	go server.Serve(listener)
	defer server.Close()
	b.SetParallelism(32)
	began := cpu()
	b.RunParallel(func(pb *testing.PB) { ask(b, listener.Addr().String(), pb) })
	b.ReportMetric(float64(cpu()-began)/float64(b.N), "cpu-ns/op")
}

// accept answers every request on every connection with a text.
func accept(l net.Listener, text string) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			buf := make([]byte, 16<<10)
			for {
				if n, err := conn.Read(buf); err != nil || !bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
					return
				}
				if _, err := io.WriteString(conn, text); err != nil {
					return
				}
			}
		}()
	}
}

func ask(b *testing.B, addr string, pb *testing.PB) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Error(err)
		return
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	for pb.Next() {
		if _, err := io.WriteString(conn, "GET /get/key-123 HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			b.Error(err)
			return
		}
		res, err := http.ReadResponse(r, nil)
		if err != nil || res.StatusCode != http.StatusOK {
			b.Error(res, err)
			return
		}
		_, _ = io.Copy(io.Discard, res.Body)
	}
}

// cpu is the processor time that this process has taken.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

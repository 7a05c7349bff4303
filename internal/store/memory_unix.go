//go:build unix

package store

import "golang.org/x/sys/unix"

// newMemory returns zeroed memory that the garbage collector does not know of,
// so that a large cache does not make it let garbage grow as large. Pages cost
// nothing until they are written.
func newMemory(bytes int) ([]byte, error) {
	return unix.Mmap(-1, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
}

func freeMemory(b []byte) error { return unix.Munmap(b) }

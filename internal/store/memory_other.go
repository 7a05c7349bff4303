//go:build !unix

package store

func newMemory(bytes int) ([]byte, error) { return make([]byte, bytes), nil }

func freeMemory([]byte) error { return nil }

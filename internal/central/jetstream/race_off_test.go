//go:build !race

package jetstream_test

const effort = 1

//go:build !race

package embedded_test

const effort = 1

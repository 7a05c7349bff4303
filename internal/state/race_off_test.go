//go:build !race

package state_test

const effort = 1

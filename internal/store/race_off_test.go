//go:build !race

package store_test

const effort = 1

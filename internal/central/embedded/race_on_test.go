//go:build race

package embedded_test

// effort divides the default lengths of random runs: under the race detector the
// database takes ten times as long.
const effort = 4

//go:build race

package jetstream_test

// effort divides how often a test is run anew: under the race detector the database
// takes ten times as long.
const effort = 4

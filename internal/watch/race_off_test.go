//go:build !race

package watch_test

// raceEnabled tells that the race detector makes everything slower.
const raceEnabled = false

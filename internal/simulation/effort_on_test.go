//go:build race

package simulation

// effort divides how many worlds are run by default: under the race detector one
// takes twenty times as long.
const effort = 20

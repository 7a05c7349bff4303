//go:build !race

package simulation

// effort divides how many worlds are run by default.
const effort = 1

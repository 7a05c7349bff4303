// Package simulation runs whole worlds in one process: a centre, relays, edges
// and clients, with disks in memory that crash, a network that delays, cuts,
// stalls and reorders, and clocks that drift, all of it inside a
// testing/synctest bubble, so that a minute passes in a second, and all of it
// from one seed. What clients are answered and what nodes apply is held against
// a model that is told the centre's log.
//
// It is for tests alone: nothing that ships imports it. docs/simulation.md says
// what is held, how it is run and how a seed is replayed.
package simulation

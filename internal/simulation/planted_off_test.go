//go:build !planted

package simulation

// buildFlags are those that a replay needs.
const buildFlags = ""

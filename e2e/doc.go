// Package e2e is the conformance suite: the real clients of Workers KV, as
// npm and the Go module proxy ship them, against a real godwit process. It
// owns no code of the product and imports none of it: what it knows of godwit
// is what a user knows, the command line and the wire.
//
// The clients are pinned in package-lock.json; `npm ci` in this directory
// installs them and nothing is downloaded after that. `make test` does both.
package e2e

package main

import (
	"crypto/tls"
	"errors"

	"github.com/alecthomas/kong"

	"github.com/godwitkv/godwit/client"
)

// The exit codes. They are documented in the help and in docs/cli.md.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitRefused     = 4
	exitCondition   = 5
	exitUnavailable = 6
)

// wrongUsage marks an error in the command line itself.
type wrongUsage struct{ error }

// Unwrap returns the error that is marked.
func (e wrongUsage) Unwrap() error { return e.error }

// alreadyTold is a failure of which the log, or the output, has spoken.
type alreadyTold struct{}

// Error implements error: there is nothing more to say.
func (alreadyTold) Error() string { return "" }

// exitCode is what the process ends with after err.
func exitCode(err error) int {
	var usage wrongUsage
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, client.ErrKeyNotFound), errors.Is(err, client.ErrNamespaceNotFound), errors.Is(err, client.ErrTokenNotFound):
		return exitNotFound
	case errors.Is(err, client.ErrUnauthenticated), errors.Is(err, client.ErrForbidden):
		return exitRefused
	case errors.Is(err, client.ErrPrecondition):
		return exitCondition
	case errors.Is(err, client.ErrUnavailable), errors.Is(err, client.ErrOutcomeUnknown), errors.Is(err, client.ErrTooManyRequests):
		return exitUnavailable
	}
	return exitFailed
}

// helpFor is the command that helps with what was typed.
func helpFor(typed *kong.Context) string {
	if typed != nil {
		if node := typed.Selected(); node != nil {
			return "godwit " + node.Path() + " --help"
		}
	}
	return "godwit --help"
}

// hint says what to do about err, "" where that is plain.
func hint(err error, typed *kong.Context) string {
	var usage wrongUsage
	switch {
	case errors.As(err, &usage):
		return `see "` + helpFor(typed) + `"`
	case errors.Is(err, client.ErrUnauthenticated):
		return "give a token by --token or GODWIT_TOKEN; a node keeps its root token in DATA/root-token"
	case errors.Is(err, client.ErrForbidden) && typed != nil && typed.Command() == "token rotate":
		return "a node keeps its root token in DATA/root-token"
	case errors.Is(err, client.ErrForbidden):
		return `"godwit token create" makes one that may`
	case errors.Is(err, client.ErrNamespaceNotFound):
		return `"godwit namespace list" shows those there are`
	case errors.Is(err, client.ErrTokenNotFound):
		return `"godwit token list" shows those there are`
	case errors.Is(err, client.ErrPrecondition):
		return "the key is not as you asked for; read it again"
	case errors.Is(err, client.ErrOutcomeUnknown):
		return "read the key to see whether the write took effect"
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return "set SSL_CERT_FILE to a PEM file of those who may have signed it"
	case errors.Is(err, client.ErrUnavailable):
		return `is "godwit serve" running there? --url or GODWIT_URL says where to look`
	}
	return ""
}

package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/edge"
	"github.com/godwitkv/godwit/internal/node"
	"github.com/godwitkv/godwit/internal/store"
)

// exitStatus says what each exit code means, in the help and in the manual; docs/cli.md
// says more.
var exitStatus = [...]string{
	exitOK:          "done",
	exitFailed:      "failed",
	exitUsage:       "wrong usage",
	exitNotFound:    "no such key, namespace or token",
	exitRefused:     "the token is unknown or may not do this",
	exitCondition:   "--if-match or --if-none-match did not hold",
	exitUnavailable: "the server cannot be reached, is unavailable, or the outcome of a write is unknown",
	exitUnwell:      "the doctor found a problem",
}

const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitRefused     = 4
	exitCondition   = 5
	exitUnavailable = 6
	exitUnwell      = 7
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
	case errors.As(err, new(unwell)):
		return exitUnwell
	case errors.Is(err, client.ErrOutcomeUnknown): // whatever its last attempt was told
		return exitUnavailable
	case errors.Is(err, client.ErrKeyNotFound), errors.Is(err, client.ErrNamespaceNotFound), errors.Is(err, client.ErrTokenNotFound):
		return exitNotFound
	case isUnauthenticated(err), isForbidden(err):
		return exitRefused
	case errors.Is(err, client.ErrPrecondition):
		return exitCondition
	case isUnavailable(err), errors.Is(err, client.ErrTooManyRequests):
		return exitUnavailable
	}
	return exitFailed
}

// A node's own errors come as the domain's from a feed, and as the client's from an
// API.

func isUnauthenticated(err error) bool {
	return errors.Is(err, client.ErrUnauthenticated) || errors.Is(err, godwit.ErrUnauthenticated)
}

func isForbidden(err error) bool {
	return errors.Is(err, client.ErrForbidden) || errors.Is(err, godwit.ErrForbidden)
}

func isUnavailable(err error) bool {
	return errors.Is(err, client.ErrUnavailable) || godwit.CodeOf(err) == godwit.CodeUnavailable
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
	var bound *edge.JurisdictionError
	switch {
	case errors.As(err, &bound):
		return "start it with --jurisdiction " + bound.Jurisdiction + "; an edge may begin with an empty directory instead"
	case errors.Is(err, node.ErrMember):
		return "give --cluster and --node as before"
	case errors.Is(err, store.ErrFollower):
		return `give --upstream to run it as one, or make it a centre's with "godwit promote DIR"`
	case errors.Is(err, store.ErrEncrypted):
		return "give them by --encryption-key-file"
	case errors.Is(err, store.ErrPlain):
		return `leave --encryption-key-file out, or encrypt it first with "godwit rekey DIR"`
	case errors.Is(err, store.ErrKey):
		return "add the key to the key file, as a further line"
	case errors.Is(err, store.ErrUnfinishedKeys):
		return `"godwit rekey DIR" goes on with it`
	case errors.Is(err, syscall.EADDRINUSE):
		return "another program listens there, perhaps a godwit: give that flag another address, or port 0 for any that is free"
	case errors.As(err, &usage):
		return `see "` + helpFor(typed) + `"`
	case errors.Is(err, client.ErrOutcomeUnknown) && typed != nil && typed.Command() == "namespace copy <from> <to>":
		return "run it again: what is copied already is the same then"
	case errors.Is(err, client.ErrOutcomeUnknown):
		return "read the key to see whether the write took effect"
	case isUnauthenticated(err) && typed != nil && typed.Command() == "fsck":
		return "give a token by --token or GODWIT_TOKEN, and by --against-token where the other node has one of its own"
	case isUnauthenticated(err):
		return "give a token by --token or GODWIT_TOKEN; a node keeps its root token in DATA/root-token"
	case isForbidden(err) && typed != nil && typed.Command() == "token rotate":
		return "a node keeps its root token in DATA/root-token"
	case isForbidden(err):
		return `"godwit token create" makes one that may`
	case errors.Is(err, client.ErrNamespaceNotFound) && typed != nil && typed.Command() == "namespace copy <from> <to>":
		return `"godwit namespace list" shows those there are, "godwit namespace create" makes one`
	case errors.Is(err, client.ErrNamespaceNotFound):
		return `"godwit namespace list" shows those there are`
	case errors.Is(err, client.ErrTokenNotFound):
		return `"godwit token list" shows those there are`
	case errors.Is(err, client.ErrPrecondition):
		return "the key is not as you asked for; read it again"
	case errors.As(err, new(x509.HostnameError)):
		return "reach it by a name that its certificate is for"
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return "set SSL_CERT_FILE to a PEM file of those who may have signed it"
	case isUnavailable(err) && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
		return `the answer was cut off: the server's log and "godwit status" say why`
	case isUnavailable(err) && !errors.As(err, new(*client.Error)): // which a server answered
		return `is "godwit serve" running there? --url or GODWIT_URL says where to look`
	}
	return ""
}

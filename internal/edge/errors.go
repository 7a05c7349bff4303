package edge

import (
	"errors"
	"fmt"
	"net"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/wire"
)

// Why a stream is given up.
var (
	errGap        = errors.New("the feed left something out")
	errFrame      = errors.New("the feed makes no sense")
	errSilent     = errors.New("the upstream fell silent")
	errDiskFull   = errors.New("the disk is full: nothing is applied until there is room")
	errOlder      = errors.New("the upstream is of a centre that was replaced: nothing of it is applied")
	errNewer      = errors.New("another upstream is of a later generation of the log")
	errCluster    = errors.New("the upstream is of another cluster: nothing of it is applied")
	errBehind     = errors.New("the upstream is behind this node")
	errStale      = errors.New("the upstream has lost touch with its own")
	errSlow       = errors.New("the upstream found this node too slow")
	errSuspended  = errors.New("the upstream is not a whole copy itself for now")
	errClosing    = errors.New("the upstream stops")
	errRevoked    = errors.New("the upstream does not take the token")
	errRefused    = errors.New("the upstream refuses")
	errRedirects  = errors.New("the upstreams send this node from one to another")
	errItself     = errors.New("the upstream sends this node to itself")
	errPreferred  = errors.New("an upstream that is preferred answers again")
	errHeld       = errors.New("the copy is held as it is")
	errEnded      = errors.New("this node has ended its work")
	errReconciles = errors.New("the upstream asks for one copy after another")
)

// kinds are all of them. After one that answers, the upstream may still be asked
// for what is not here.
var kinds = []struct {
	err     error
	answers bool
}{
	{errGap, true}, {errFrame, true}, {wire.ErrMalformed, true}, {errDiskFull, true}, {errSlow, true},
	{errSuspended, true}, {errStale, true}, {feed.ErrNowhere, true}, {errPreferred, true}, {errReconciles, true}, {errItself, true},
	{errSilent, false}, {errCluster, false}, {errOlder, false}, {errNewer, false}, {errBehind, false}, {errClosing, false}, {errRevoked, false},
	{errRefused, false}, {errRedirects, false},
}

// kindOf is what errors that differ only in details have in common.
func kindOf(err error) string {
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.err.Error()
		}
	}
	return fmt.Sprint(godwit.CodeOf(err))
}

// isStep tells that a stream ended for something else to be done, here or with
// another upstream.
func isStep(err error) bool {
	var elsewhere *redirectError
	var copied *copyError
	return errors.As(err, &elsewhere) || errors.As(err, &copied) || errors.Is(err, errHeld)
}

// answers tells whether the upstream may still be asked after err.
func answers(err error) bool {
	if isStep(err) {
		return true
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.answers
		}
	}
	return false
}

// unwelcome tells that the upstream does not take the token, so that asking
// again soon is of no use.
func unwelcome(err error) bool {
	return errors.Is(err, errRevoked) || isCode(err, godwit.CodeUnauthenticated) || isCode(err, godwit.CodeForbidden)
}

func isCode(err error, c godwit.Code) bool {
	var e *godwit.Error
	return errors.As(err, &e) && e.Code == c
}

// isReplaced tells that the value which was asked for is gone: errors of one
// code are all alike to errors.Is.
func isReplaced(err error) bool {
	var e *godwit.Error
	return errors.As(err, &e) && e == godwit.ErrReplaced
}

// isDial tells that no connection could be made: the request was not sent.
func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// fatalError ends the edge.
type fatalError struct{ err error }

func fatal(what string, err error) error { return &fatalError{fmt.Errorf("%s: %w", what, err)} }

func (e *fatalError) Error() string { return e.err.Error() }
func (e *fatalError) Unwrap() error { return e.err }

// copyError asks for a reconcile.
type copyError struct{ reason string }

func (e *copyError) Error() string { return e.reason }

// redirectError sends to another upstream.
type redirectError struct{ url string }

func (e *redirectError) Error() string { return "the upstream has too many followers" }

// newerError says which upstream is of a later generation than the one followed.
type newerError struct{ index int }

func (e *newerError) Error() string { return errNewer.Error() }
func (e *newerError) Unwrap() error { return errNewer }

// endError makes an error of a stream's last frame. position and generation are the
// store's.
func endError(h *feed.Hello, end *feed.End, position godwit.Position, generation uint64) error {
	says := func(err error) error {
		if end.Message == "" {
			return err
		}
		return fmt.Errorf("%w: %s", err, end.Message)
	}
	switch end.Reason {
	case feed.EndClosing:
		return says(errClosing)
	case feed.EndTooOld, feed.EndDiverged:
		if h == nil || !mayReplace(h, position, generation) {
			return says(errBehind)
		}
		return &copyError{copyReason(end.Reason, position)}
	case feed.EndAhead:
		return says(errBehind)
	case feed.EndRevoked:
		return says(errRevoked)
	case feed.EndRedirect:
		return &redirectError{end.Message}
	case feed.EndSlow:
		return says(errSlow)
	case feed.EndSuspended:
		return says(errSuspended)
	default:
		return says(errRefused)
	}
}

func copyReason(r feed.EndReason, position godwit.Position) string {
	switch {
	case position.Revision == 0:
		return "first copy"
	case r == feed.EndTooOld:
		return "this node was away for too long"
	default:
		return "the log went back behind what this node holds"
	}
}

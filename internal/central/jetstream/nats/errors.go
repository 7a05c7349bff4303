package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
)

// RefusedError is what somebody has to put right; waiting does not.
type RefusedError struct{ Reason string }

// Error implements error.
func (e *RefusedError) Error() string { return e.Reason }

// Errors that pass.
var (
	errNotConnected = errors.New("there is no connection to nats")
	errNoLeader     = errors.New("no server leads the stream")
	errNoQuorum     = errors.New("the leader of the stream has lost too many of the other servers")
	errStalled      = errors.New("the stream did not answer in time")
	errBroken       = errors.New("the connection to nats broke")
	errStopped      = errors.New("the stream is closed")
	errNoAnswer     = errors.New("no server of NATS answers for JetStream: it is not enabled, or none can be reached")
)

// apiError is what JetStream answers instead.
type apiError struct {
	Status      int    `json:"code"`
	Code        int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *apiError) Error() string {
	return fmt.Sprintf("nats: %s (%d)", e.Description, e.Code)
}

// Codes of apiError.
const (
	codeNotFound     = 10059 // stream
	codeExists       = 10058 // a stream with this name and another configuration
	codeWrongLast    = 10071
	codeConflict     = 10164 // wrong last sequence, because of one in flight
	codeTooLong      = 10054
	codeFull         = 10077 // maximum bytes exceeded, and the like
	codeNotEnabled   = 10076
	codeNotEnabledIn = 10039 // the account
	codeNoMessage    = 10037
	codeNotPeer      = 10044 // of the cluster
	codeReplicas     = 10074 // more than NATS can have
	codeNoPeers      = 10005 // that take the stream, for reasons in the description
	codeOutOfRoom    = 10047 // of a server's disk, less what other streams may come to hold
	codeAccountRoom  = 10002 // an account's limit
	codeStreamRoom   = 10122 // an account's limit for one stream
)

func hasCode(err error, codes ...int) bool {
	var e *apiError
	if !errors.As(err, &e) {
		return false
	}
	for _, code := range codes {
		if e.Code == code {
			return true
		}
	}
	return false
}

// noRoom tells whether a stream was refused for what it may come to hold.
func noRoom(err error) bool {
	if hasCode(err, codeOutOfRoom, codeAccountRoom, codeStreamRoom) {
		return true
	}
	return hasCode(err, codeNoPeers) && strings.Contains(err.Error(), "insufficient storage")
}

// api asks JetStream, within the timeout of answers. Errors that time does not heal are a
// *RefusedError.
func (c *Conn) api(ctx context.Context, subject string, request, response any) error {
	if err := c.connection(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	began := time.Now()
	err := ask(ctx, c.nc, subject, request, response)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, natsgo.ErrNoResponders):
		return errNoAnswer
	case hasCode(err, codeNotEnabled, codeNotEnabledIn):
		return &RefusedError{"JetStream is not enabled for the account that godwit has in NATS"}
	case errors.Is(err, context.DeadlineExceeded):
		if denied := c.deniedSince(began, subject); denied != "" {
			return &RefusedError{"NATS denies what godwit needs: " + denied}
		}
		return fmt.Errorf("%w (%s)", errStalled, subject)
	}
	return err
}

// deniedSince returns what NATS said if it denied a question or its answer.
func (c *Conn) deniedSince(t time.Time, subject string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.deniedAt.Before(t) || !strings.Contains(c.denied, subject) && !strings.Contains(c.denied, natsgo.InboxPrefix) {
		return ""
	}
	return c.denied
}

package binding

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"syscall"
)

// serverLog takes fasthttp's own messages. Their arguments may quote a
// request's head, which has the token in it, so they are dropped.
type serverLog struct{ l *slog.Logger }

// Printf implements fasthttp.Logger.
func (s serverLog) Printf(format string, _ ...any) { s.l.Debug("binding server", "event", format) }

// errorKind says what err is without what it quotes.
func errorKind(err error) string {
	switch {
	case isTimeout(err):
		return "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
		return "closed"
	}
	return fmt.Sprintf("%T", err)
}

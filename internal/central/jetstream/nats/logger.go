package nats

import (
	"fmt"
	"log/slog"
	"sync"
)

// logger gives the server's log to ours, each kind a level lower: what NATS notices
// is for who looks for something, and what it calls an error, such as a route to a
// peer that is not up yet, passes by itself. It keeps the first thing that the
// server could not live with, for which NATS would end the process.
type logger struct {
	to *slog.Logger

	mu    sync.Mutex
	fatal error
}

func (l *logger) Fatalf(format string, v ...any) {
	l.mu.Lock()
	if l.fatal == nil {
		l.fatal = fmt.Errorf(format, v...)
	}
	l.mu.Unlock()
	l.log((*slog.Logger).Error, format, v)
}

func (l *logger) Errorf(format string, v ...any)  { l.log((*slog.Logger).Warn, format, v) }
func (l *logger) Warnf(format string, v ...any)   { l.log((*slog.Logger).Info, format, v) }
func (l *logger) Noticef(format string, v ...any) { l.log((*slog.Logger).Debug, format, v) }
func (l *logger) Debugf(string, ...any)           {}
func (l *logger) Tracef(string, ...any)           {}

func (l *logger) log(at func(*slog.Logger, string, ...any), format string, v []any) {
	at(l.to, "nats server", logText, fmt.Sprintf(format, v...))
}

func (l *logger) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

// Log keys.
const (
	logText   = "text"
	logError  = "error"
	logServer = "server"
	logStream = "stream"
)

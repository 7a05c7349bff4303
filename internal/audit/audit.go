// Package audit owns the log of who changed what: lines of JSON in a file that is
// only added to, rotated by size. It must import the domain alone, and is given no
// value, no metadata and no secret.
//
// One goroutine writes; who has an entry hands it over and goes on. Where nothing
// may happen unrecorded (Config.Strict), a write is announced by a line of its own,
// and waits until that is in the file.
package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
)

const (
	maxQueued    = 4096      // lines that wait to be written
	maxGathered  = 256 << 10 // bytes of lines that are written at once
	maxTextBytes = 1024      // of what came from a client, in one field
	// MinBytes is the least that a log may take on the disk.
	MinBytes = 1 << 20
)

// Config is what a Log needs.
type Config struct {
	File     string
	MaxBytes int64 // of File and of the one before together
	Strict   bool
	Node     string // this node's name
	Upstream bool   // writes are passed on
	// Withheld tells whether keys of a namespace, by its id, must not come to this
	// disk: then entries name none. nil: they may.
	Withheld func(namespace string) bool
	Now      func() time.Time
	Logger   *slog.Logger
	Metrics  prometheus.Registerer
}

// Log is an open audit log. A nil *Log records nothing. Its methods may be called
// from many goroutines.
type Log struct {
	cfg    Config
	file   file
	lines  chan line
	reopen chan struct{}
	stop   chan struct{}
	done   chan struct{}
	once   sync.Once

	dropped  atomic.Int64 // not told in the log yet
	lost     atomic.Int64 // ever
	failing  atomic.Bool  // the file could not be written to
	written  prometheus.Counter
	unlogged prometheus.Counter
}

// Open opens the file, and starts to write. Error: the file cannot be written to.
func Open(cfg Config) (*Log, error) {
	l, err := prepare(cfg)
	if err == nil {
		go l.run()
	}
	return l, err
}

// prepare is Open, but nothing is written yet.
func prepare(cfg Config) (*Log, error) {
	l := &Log{
		cfg: cfg, file: file{name: cfg.File, maxBytes: cfg.MaxBytes / 2},
		lines: make(chan line, maxQueued), reopen: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		written: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "godwit_audit_entries_total", Help: "Entries written to the audit log.",
		}),
		unlogged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "godwit_audit_dropped_total", Help: "Entries that the audit log does not have: too many at once, or the file could not be written to.",
		}),
	}
	if err := l.file.open(); err != nil {
		return nil, fmt.Errorf("open audit log: %w", err)
	}
	cfg.Metrics.MustRegister(l.written, l.unlogged)
	return l, nil
}

// Close writes what waits and closes the file.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.once.Do(func() { close(l.stop) })
	<-l.done
	return nil
}

// Reopen has the file opened again by its name: whoever moved it away does so
// before.
func (l *Log) Reopen() {
	if l == nil {
		return
	}
	select {
	case l.reopen <- struct{}{}:
	default:
	}
}

// On tells whether anything is recorded.
func (l *Log) On() bool { return l != nil }

// Standing tells whether the file could not be written to, last time, and how many
// entries the log does not have.
func (l *Log) Standing() (failing bool, dropped int64) {
	return l.failing.Load(), l.lost.Load()
}

// Strict tells whether what is about to be carried out is announced.
func (l *Log) Strict() bool { return l != nil && l.cfg.Strict }

// Begin announces what is about to be carried out, where nothing may happen
// unrecorded. Error, upon which it must not be carried out: CodeUnavailable.
func (l *Log) Begin(e Entry) error {
	if !l.Strict() {
		return nil
	}
	e.Outcome, e.Status = OutcomeAsked, 0
	written := make(chan error, 1)
	select {
	case l.lines <- line{l.encode(e), written}:
	default:
		return errUnrecorded(errors.New("too many entries wait"))
	}
	select {
	case err := <-written:
		if err != nil {
			return errUnrecorded(err)
		}
		return nil
	case <-l.done:
		return errUnrecorded(errors.New("the log is closed"))
	}
}

func errUnrecorded(why error) error {
	return &godwit.Error{Code: godwit.CodeUnavailable, Message: "The audit log cannot be written to, and nothing is done that it does not have.", Err: why}
}

// Record hands an entry over. It does not wait: what there is no room for is
// counted.
func (l *Log) Record(e Entry) {
	if l == nil {
		return
	}
	select {
	case l.lines <- line{text: l.encode(e)}:
	default:
		l.drop(1)
	}
}

func (l *Log) drop(n int64) {
	l.dropped.Add(n)
	l.lost.Add(n)
	l.unlogged.Add(float64(n))
}

// encode bounds what a client chose, and adds what is the same in all entries.
func (l *Log) encode(e Entry) []byte {
	e.Time, e.Node = l.cfg.Now().UTC(), l.cfg.Node
	e.Upstream = e.Upstream && l.cfg.Upstream
	if l.cfg.Withheld != nil && e.Namespace != "" && l.cfg.Withheld(e.Namespace) {
		e.Key, e.Target = "", ""
	}
	for _, text := range []*string{&e.TokenName, &e.Title, &e.Key, &e.Target, &e.RequestID, &e.Namespace} {
		if len(*text) > maxTextBytes {
			*text = (*text)[:maxTextBytes]
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(e) // such a struct always encodes
	return b.Bytes()
}

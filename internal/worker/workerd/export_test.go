package workerd

import (
	"io"
	"time"
)

// TextLiteral is a string as a configuration has it.
func TextLiteral(s string) string { return string(encode(record{{"x", s}})[len(schema):]) }

// ParseLine reads a line of workerd's log.
func ParseLine(text, stream string) (Line, bool) { return parseLine(text, stream) }

// Read returns what a workerd has said that listens.
func Read(r io.Reader) (lines []Line) {
	p := &Process{heard: true, log: func(l Line) { lines = append(lines, l) }}
	p.read(r, "stderr")
	return lines
}

// Warnings returns what is told of what a workerd has said before it listened.
func Warnings(r io.Reader, quiet bool) (lines []Line) {
	p := &Process{log: func(l Line) { lines = append(lines, l) }}
	p.read(r, "stderr")
	p.listens(quiet)
	return lines
}

// Whole makes JSON again of a line that was cut.
func Whole(text string) string { return whole(text, 1) }

// Platform is how npm calls this machine.
func Platform() string { return platform() }

// SetPatience changes for how long a process may live that was asked to end.
func SetPatience(p *Process, d time.Duration) { p.patience = d }

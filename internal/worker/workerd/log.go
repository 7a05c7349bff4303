package workerd

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// maxLine bounds a line of a log: what is longer comes in pieces.
const maxLine = 64 << 10

// Line is something that a Worker, or workerd itself, has said.
type Line struct {
	Level string // "debug", "log", "info", "warn" or "error"
	Text  string // perhaps of many lines
	Own   bool   // it is workerd's own
}

// read takes what the process says until it ends.
func (p *Process) read(r io.Reader, stream string) {
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		text, err := lines.ReadSlice('\n')
		if len(text) > 0 {
			p.take(strings.TrimSuffix(string(text), "\n"), stream)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (p *Process) take(text, stream string) {
	line, ok := parseLine(text, stream)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.heard {
		p.log(line)
		return
	}
	if len(p.said) < maxSaid && line.Level != "info" {
		p.said = append(append(p.said, line.Text...), '\n')
	}
	if !line.Own {
		p.log(line) // a Worker's top level may say something too
	}
}

// parseLine reads a line of workerd's structured log. Others are its own words.
func parseLine(text, stream string) (Line, bool) {
	var l struct {
		Level   string `json:"level"`
		Source  string `json:"source"`
		Message string `json:"message"`
	}
	if !strings.HasPrefix(text, "{") || json.Unmarshal([]byte(text), &l) != nil || l.Level == "" {
		level := "info"
		if stream == "stderr" {
			level = "error"
		}
		return Line{level, text, true}, strings.TrimSpace(text) != ""
	}
	if l.Source == "" {
		return Line{l.Level, l.Message, false}, true
	}
	return ownLine(l.Level, l.Message)
}

// ownLine makes of workerd's words about an exception what people look for. It tells
// of each three times: with the stack of the script, with its own, and without.
func ownLine(level, message string) (Line, bool) {
	if rest, ok := strings.CutPrefix(message, "uncaught exception; source = "); ok {
		source, stack, _ := strings.Cut(rest, "; stack = ")
		return Line{"error", source + " " + stack, false}, true
	}
	again := strings.HasPrefix(message, "uncaught exception; exception = ") ||
		strings.HasPrefix(message, "Uncaught exception: ") && strings.Contains(message, "jsg.")
	return Line{level, message, true}, !again && level != "info"
}

package workerd

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxLine bounds a line of a log. What is beyond is left out.
const maxLine = 1 << 20

// Line is something that a Worker, or workerd itself, has said.
type Line struct {
	Level string // "debug", "log", "info", "warn" or "error"
	Text  string // perhaps of many lines
	Own   bool   // it is workerd's own
}

// read takes what the process says until it ends.
func (p *Process) read(r io.Reader, stream string) {
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		text, left, err := readLine(in)
		if line, ok := parseLine(whole(text, left), stream); ok {
			if left > 0 {
				line.Text += fmt.Sprintf("\n[the line goes on for %d bytes]", left)
			}
			p.take(line)
		}
		if err != nil {
			return
		}
	}
}

// readLine returns a line, and how many bytes of it are left out.
func readLine(in *bufio.Reader) (line string, left int, err error) {
	var text []byte
	for {
		piece, err := in.ReadSlice('\n')
		piece = bytes.TrimSuffix(piece, []byte("\n"))
		fits := min(len(piece), maxLine-len(text))
		text = append(text, piece[:fits]...)
		left += len(piece) - fits
		if !errors.Is(err, bufio.ErrBufferFull) {
			return string(text), left, err
		}
	}
}

// whole makes JSON again of a line whose end is left out: that of its last text, the message.
// The cut may have gone through an escape, of up to six bytes.
func whole(text string, left int) string {
	if left == 0 || !strings.HasPrefix(text, "{") {
		return text
	}
	for cut := range min(6, len(text)) {
		if ended := text[:len(text)-cut] + `"}`; json.Valid([]byte(ended)) {
			return ended
		}
	}
	return text
}

func (p *Process) take(line Line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.heard {
		p.log(line)
		return
	}
	if len(p.said) < maxSaid && line.Level != "info" {
		p.said = append(append(p.said, line.Text...), '\n')
		if line.Own && (line.Level == "warn" || line.Level == "error") {
			p.warns = append(p.warns, line)
		}
	}
	if !line.Own {
		p.log(line) // a Worker's top level may say something too
	}
}

// listens notes that the process listens, and tells what it has warned of before, as of
// lines of _headers that count for nothing.
func (p *Process) listens(quiet bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !quiet {
		for _, line := range p.warns {
			line.Text = shorten(line.Text, maxWarning)
			p.log(line)
		}
	}
	p.heard, p.said, p.warns = true, nil, nil
}

// shorten leaves out the lines of a text that are beyond most bytes.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	kept := text[:max(strings.LastIndexByte(text[:most], '\n'), 0)]
	return fmt.Sprintf("%s\n[it goes on for %d bytes]", kept, len(text)-len(kept))
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

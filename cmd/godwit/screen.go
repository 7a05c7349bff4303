package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// What a terminal is told.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[2J" // one of its own, without a cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	toTop       = "\x1b[H"
	restOfLine  = "\x1b[K"
	restBelow   = "\x1b[J"
)

// keyWait is how long is waited for a key at a time.
const keyWait = 50 * time.Millisecond

// screen is a terminal that is drawn on, and whose keys are read one by one.
type screen struct {
	in, out *os.File
	before  *term.State // of in; nil: it is no terminal
}

func openScreen(p *program) (*screen, error) {
	s := &screen{in: p.stdin, out: p.stdout}
	if isTerminal(p.stdin) {
		before, err := term.MakeRaw(int(p.stdin.Fd()))
		if err != nil {
			return nil, fmt.Errorf("read keys: %w", err)
		}
		s.before = before
	}
	if _, err := s.out.WriteString(enterScreen); err != nil {
		return nil, errors.Join(fmt.Errorf("write output: %w", err), s.close())
	}
	return s, nil
}

// close leaves the terminal as it was.
func (s *screen) close() error {
	_, err := s.out.WriteString(leaveScreen)
	if s.before != nil {
		err = errors.Join(err, term.Restore(int(s.in.Fd()), s.before))
	}
	return err
}

// draw shows lines, as far as there is room for them.
func (s *screen) draw(lines []string) error {
	width, height, err := term.GetSize(int(s.out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	lines = lines[:min(len(lines), height)]
	var b strings.Builder
	b.WriteString(toTop)
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		if text := []rune(line); len(text) > width {
			line = string(text[:width])
		}
		b.WriteString(line + restOfLine)
	}
	b.WriteString(restBelow)
	if _, err := s.out.WriteString(b.String()); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// quit waits a little for a key, and tells whether one came that ends it.
func (s *screen) quit() (bool, error) {
	if s.before == nil {
		time.Sleep(keyWait)
		return false, nil
	}
	ready := []unix.PollFd{{Fd: int32(s.in.Fd()), Events: unix.POLLIN}}
	n, err := unix.Poll(ready, int(keyWait.Milliseconds()))
	switch {
	case errors.Is(err, unix.EINTR) || n == 0 && err == nil:
		return false, nil
	case err != nil:
		return false, fmt.Errorf("wait for a key: %w", err)
	}
	var keys [64]byte
	n, err = s.in.Read(keys[:])
	if err != nil {
		return true, nil // the terminal is gone
	}
	const ctrlC, ctrlD = "\x03", "\x04"
	return strings.ContainsAny(string(keys[:n]), "qQ"+ctrlC+ctrlD), nil
}

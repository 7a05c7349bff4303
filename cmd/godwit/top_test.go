package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/godwitkv/godwit/internal/node"
)

// TestTopOnATerminal shows a node on a terminal until a key or a signal ends it, and
// wants the terminal as it was.
func TestTopOnATerminal(t *testing.T) {
	const token = "root-token-of-the-tests"
	n, err := node.Open(t.Context(), node.Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", BindingListen: "127.0.0.1:0", Location: "fra", RootToken: token,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	for name, quit := range map[string]func(tty *os.File, p *os.Process) error{
		"q":       func(tty *os.File, _ *os.Process) error { _, err := tty.WriteString("xq"); return err },
		"Ctrl-C":  func(tty *os.File, _ *os.Process) error { _, err := tty.WriteString("\x03"); return err },
		"SIGTERM": func(_ *os.File, p *os.Process) error { return p.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			controls, tty := openPTY(t)
			before := modes(t, tty)
			cmd := exec.CommandContext(t.Context(), "godwit", "top", "--every", "100ms", "--url", n.APIURL(), "--token", token)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			shown := &screenReader{t: t, from: controls}
			shown.until("\x1b[?1049h") // a screen of its own
			shown.until("OPERATION  PER S")
			shown.until("\x1b[H") // and again
			if raw := modes(t, tty); raw.Lflag&(unix.ICANON|unix.ECHO) != 0 {
				t.Errorf("keys are not read one by one: %x", raw.Lflag)
			}
			if err := quit(controls, cmd.Process); err != nil {
				t.Fatal(err)
			}
			shown.until("\x1b[?25h\x1b[?1049l")
			if err := cmd.Wait(); err != nil {
				t.Errorf("it ended with %v", err)
			}
			if after := modes(t, tty); after != before {
				t.Errorf("the terminal is left as %+v, and was %+v", after, before)
			}
			for line := range strings.SplitSeq(strings.ReplaceAll(shown.all.String(), toTop, "\r\n"), "\r\n") {
				if text := strings.NewReplacer(restOfLine, "", restBelow, "", enterScreen, "", leaveScreen, "").Replace(line); len(text) > 60 {
					t.Errorf("a line is wider than the terminal: %q", text)
				}
			}
		})
	}
}

func openPTY(t *testing.T) (controls, tty *os.File) {
	t.Helper()
	controls, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { controls.Close(); tty.Close() })
	if err := pty.Setsize(tty, &pty.Winsize{Rows: 24, Cols: 60}); err != nil {
		t.Fatal(err)
	}
	return controls, tty
}

func modes(t *testing.T, tty *os.File) unix.Termios {
	t.Helper()
	m, err := unix.IoctlGetTermios(int(tty.Fd()), ioctlGetModes)
	if err != nil {
		t.Fatal(err)
	}
	return *m
}

// screenReader reads what is drawn.
type screenReader struct {
	t    *testing.T
	from *os.File
	all  strings.Builder
	seen int // bytes of all that were waited for
}

// until reads until text has come, behind what was waited for before.
func (r *screenReader) until(text string) {
	r.t.Helper()
	b := make([]byte, 4096)
	for {
		if i := strings.Index(r.all.String()[r.seen:], text); i >= 0 {
			r.seen += i + len(text)
			return
		}
		n, err := r.from.Read(b)
		r.all.Write(b[:n])
		if err != nil {
			r.t.Fatalf("no %q came: %v\n%q", text, err, r.all.String())
		}
	}
}

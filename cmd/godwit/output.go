package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// isTerminal tells whether a person looks at f.
func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// note tells a person on standard error; a program has no use for it.
func (p *program) note(format string, args ...any) {
	if isTerminal(p.stderr) {
		fmt.Fprintf(p.stderr, format+"\n", args...)
	}
}

// writeJSON writes v in one line.
func (p *program) writeJSON(v any) error {
	enc := newEncoder(p.stdout)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// newEncoder writes JSON that plays no tricks on a terminal.
func newEncoder(w io.Writer) *json.Encoder {
	enc := json.NewEncoder(plainWriter{w})
	enc.SetEscapeHTML(false)
	return enc
}

// plainWriter takes JSON, each value whole, and has control characters, and those that
// turn text around, stand as their codes: for who reads the JSON it is the same.
type plainWriter struct{ w io.Writer }

// Write implements io.Writer.
func (p plainWriter) Write(b []byte) (int, error) {
	if !bytes.ContainsFunc(b, tricky) {
		return p.w.Write(b)
	}
	plain := make([]byte, 0, len(b)+64)
	for _, r := range string(b) {
		if tricky(r) {
			plain = fmt.Appendf(plain, `\u%04x`, r)
		} else {
			plain = utf8.AppendRune(plain, r)
		}
	}
	if _, err := p.w.Write(plain); err != nil {
		return 0, err
	}
	return len(b), nil
}

// tricky tells of a character that changes how a terminal shows others.
func tricky(r rune) bool {
	return r != '\n' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}

// table writes rows: under a header and in columns on a terminal, with tabs
// between the cells otherwise.
type table struct {
	w     io.Writer
	flush func() error
}

func (p *program) table(header ...string) *table {
	if !isTerminal(p.stdout) {
		b := bufio.NewWriter(p.stdout)
		return &table{b, b.Flush}
	}
	w := tabwriter.NewWriter(p.stdout, 0, 8, 2, ' ', 0)
	t := &table{w, w.Flush}
	t.row(header...)
	return t
}

// row writes cells. What would break the row, or play tricks on a terminal, is
// quoted.
func (t *table) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = printable(cell)
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t")) // an error shows in flush
}

// printable is s, quoted if it holds anything but text.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || !strconv.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

func (t *table) close() error {
	if err := t.flush(); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// jsonArray writes elements one by one as a JSON array.
type jsonArray struct {
	w   *bufio.Writer
	enc *json.Encoder
	n   int
}

func (p *program) jsonArray() *jsonArray {
	w := bufio.NewWriter(p.stdout)
	enc := newEncoder(w)
	return &jsonArray{w: w, enc: enc}
}

func (a *jsonArray) add(v any) error {
	_ = a.w.WriteByte("[,"[min(a.n, 1)]) // an error shows in close
	a.n++
	if err := a.enc.Encode(v); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

func (a *jsonArray) close() error {
	if a.n == 0 {
		_ = a.w.WriteByte('[')
	}
	_, _ = a.w.WriteString("]\n")
	if err := a.w.Flush(); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// when says unix seconds as people read them, "-" for never.
func when(sec int64) string {
	if sec == 0 {
		return "-"
	}
	return time.Unix(sec, 0).UTC().Format(time.RFC3339)
}

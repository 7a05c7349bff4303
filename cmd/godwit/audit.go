package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/godwitkv/godwit/internal/audit"
)

// maxAuditLine bounds a line of an audit log: each of its texts is bounded.
const maxAuditLine = 128 << 10

// auditCmd shows what an audit log has.
type auditCmd struct {
	File      string `arg:"" help:"The audit log. The file before it, FILE.1, is read first."`
	Namespace string `env:"-" help:"What is about the namespace with this id or title." placeholder:"NAME"`
	Token     string `env:"-" help:"What was done with the token with this id or name." placeholder:"NAME"`
	Since     moment `env:"-" help:"From when on: unix seconds, a date, a time, or a time span before now such as 12h." placeholder:"WHEN"`
	JSON      bool   `name:"json" help:"Show the lines as they stand in the log."`
}

// Run reads the log and shows what fits.
func (c *auditCmd) Run(p *program) error {
	out := bufio.NewWriter(p.stdout)
	bad, err := c.show(out, p.stderr)
	if err := errors.Join(err, out.Flush()); err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%s: lines that are none of an audit log: %d", c.File, bad)
	}
	return nil
}

func (c *auditCmd) show(out, complaints io.Writer) (bad int, err error) {
	before, err := c.showFile(audit.Before(c.File), out, complaints)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return before, err
	}
	bad, err = c.showFile(c.File, out, complaints)
	return before + bad, err
}

// showFile shows what fits of one file, and tells how many lines are none. Each of
// them is named.
func (c *auditCmd) showFile(name string, out, complaints io.Writer) (bad int, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, fmt.Errorf("read audit log: %w", err)
	}
	defer func() { _ = f.Close() }()
	since := c.since(time.Now())
	r := bufio.NewReaderSize(f, maxAuditLine)
	for n := 1; ; n++ {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return bad, fmt.Errorf("%s:%d: the line is longer than any of an audit log", name, n)
		}
		if len(strings.TrimSpace(string(line))) > 0 {
			var e audit.Entry
			if json.Unmarshal(line, &e) != nil || e.Operation == "" {
				bad++
				_, _ = fmt.Fprintf(complaints, "%s:%d: not a line of an audit log\n", name, n)
			} else if c.fits(&e, since) {
				if err := c.write(out, line, &e); err != nil {
					return bad, err
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return bad, nil
		}
		if err != nil {
			return bad, fmt.Errorf("read audit log: %w", err)
		}
	}
}

// since is the moment that was given; a time span is one before now.
func (c *auditCmd) since(now time.Time) time.Time {
	if c.Since.in != 0 {
		return now.Add(-c.Since.in)
	}
	return c.Since.at
}

// fits tells whether an entry is to be shown. That some are missing always is.
func (c *auditCmd) fits(e *audit.Entry, since time.Time) bool {
	if e.Time.Before(since) {
		return false
	}
	if e.Operation == audit.OperationDropped {
		return true
	}
	return (c.Namespace == "" || e.Namespace == c.Namespace || e.Title == c.Namespace) &&
		(c.Token == "" || e.Token == c.Token || e.TokenName == c.Token)
}

func (c *auditCmd) write(out io.Writer, line []byte, e *audit.Entry) error {
	if c.JSON {
		_, err := out.Write(append([]byte(strings.TrimSpace(string(line))), '\n'))
		return err
	}
	fields := []string{e.Time.Format(time.RFC3339), word(e.Node), word(e.TokenName, e.Token), word(e.Remote), e.Operation, word(e.Title, e.Namespace)}
	what := "-"
	switch {
	case e.Key != "":
		what = strconv.Quote(e.Key)
	case e.Target != "":
		what = strconv.Quote(e.Target)
	case e.Count > 0:
		what = strconv.FormatInt(e.Count, 10)
	}
	_, err := fmt.Fprintln(out, strings.Join(append(fields, what, word(e.Outcome)), "\t"))
	return err
}

// word is the first text that there is, quoted if it would not be one word.
func word(texts ...string) string {
	for _, s := range texts {
		if q := strconv.Quote(s); s != "" && (strings.ContainsAny(s, " \t") || q != `"`+s+`"`) {
			return q
		} else if s != "" {
			return s
		}
	}
	return "-"
}

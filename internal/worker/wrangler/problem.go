package wrangler

import (
	"errors"
	"fmt"
)

// Problem is something wrong in a file.
type Problem struct {
	File string
	Line int // from 1; 0: the file as a whole
	Text string
}

// Error implements error: file:line: text.
func (p Problem) Error() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// maxProblems bounds how many are told of one file.
const maxProblems = 20

// problems gathers what is wrong in one file.
type problems struct {
	file  string
	found []error
	more  int
}

func (p *problems) add(line int, format string, args ...any) {
	if len(p.found) == maxProblems {
		p.more++
		return
	}
	p.found = append(p.found, Problem{p.file, line, fmt.Sprintf(format, args...)})
}

func (p *problems) err() error {
	if p.more > 0 {
		return errors.Join(append(p.found, fmt.Errorf("%s: and %d problems more", p.file, p.more))...)
	}
	return errors.Join(p.found...)
}

package wrangler

import (
	"errors"
	"fmt"
	"slices"
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

// Bounds of how many problems of one file are gathered, and told.
const (
	maxGathered = 1000
	maxProblems = 20
)

// problems gathers what is wrong in one file.
type problems struct {
	file  string
	found []Problem
	more  int // those that were not gathered
}

func (p *problems) add(line int, format string, args ...any) {
	if len(p.found) == maxGathered {
		p.more++
		return
	}
	p.found = append(p.found, Problem{p.file, line, fmt.Sprintf(format, args...)})
}

// few are the first problems, as many as are told.
func (p *problems) few() []Problem { return p.found[:min(len(p.found), maxProblems)] }

// err joins the problems in the order of the file, nil if there are none.
func (p *problems) err() error {
	slices.SortStableFunc(p.found, func(a, b Problem) int { return a.Line - b.Line })
	var told []error
	for _, problem := range p.few() {
		told = append(told, problem)
	}
	if more := len(p.found) - len(told) + p.more; more > 0 {
		told = append(told, fmt.Errorf("%s: and %d problems more", p.file, more))
	}
	return errors.Join(told...)
}

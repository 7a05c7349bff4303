// Package doctest reads what a page of the documentation tells its reader to type, and
// what it says comes of that, so that tests can type it too. It knows Markdown's fences
// and the comments that stand before them; it runs nothing, and must import nothing of
// godwit. CONTRIBUTING.md says how a page is written for it.
package doctest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Block is commands for a shell.
type Block struct {
	Line     int    // of the page, where the commands begin
	Commands string // as they stand, without indentation of the fence
	Hidden   bool   // in a comment: what the page's reader has done already
	NotRun   string // why no test runs them; else ""
	Until    string // they do not end: they run until this comes out; else ""
	Output   string // what the page shows to come out, behind the commands
	JSON     bool   // Output is one JSON value
}

// Shell tells whether a fence's language is a shell's.
func shell(language string) bool {
	return slices.Contains([]string{"sh", "bash", "shell", "console"}, language)
}

var (
	fenceLine  = regexp.MustCompile("^( *)(```+)\\s*(.*?)\\s*$")
	noteLine   = regexp.MustCompile(`^ *<!-- (not run|run until): (.+) -->$`)
	setupLine  = regexp.MustCompile(`^ *<!-- setup$`)
	looksLike  = regexp.MustCompile(`^ *<!--+ ?(not|runs?|setup)\b`)
	outputKind = []string{"text", "json"}
)

// Parse returns the blocks of a page in their order.
func Parse(page string) ([]Block, error) {
	p := parser{lines: strings.Split(page, "\n")}
	for p.at < len(p.lines) {
		if err := p.step(); err != nil {
			return nil, err
		}
	}
	if p.note != nil {
		return nil, fmt.Errorf("line %d: a note without commands behind it", p.note.Line)
	}
	return p.blocks, nil
}

type parser struct {
	lines  []string
	at     int
	note   *Block // what a comment has said of the block that comes
	fresh  bool   // nothing but empty lines since the last block of commands
	blocks []Block
}

// step takes what begins at the line where p is.
func (p *parser) step() error {
	line := p.lines[p.at]
	if m := fenceLine.FindStringSubmatch(line); m != nil {
		return p.fence(m[1], m[2], m[3])
	}
	p.at++
	switch note := noteLine.FindStringSubmatch(line); {
	case note != nil:
		return p.remember(note[1], note[2])
	case setupLine.MatchString(line):
		return p.setup()
	case looksLike.MatchString(line):
		return fmt.Errorf("line %d: a note that is none: %s", p.at, line)
	case strings.TrimSpace(line) == "":
		return nil
	case p.note != nil:
		return fmt.Errorf("line %d: a note without commands behind it", p.note.Line)
	}
	p.fresh = false
	return nil
}

func (p *parser) remember(kind, text string) error {
	if p.note != nil {
		return fmt.Errorf("line %d: two notes for one block", p.at)
	}
	p.note, p.fresh = &Block{Line: p.at}, false
	if kind == "not run" {
		p.note.NotRun = text
	} else {
		p.note.Until = text
	}
	return nil
}

// setup takes commands that readers do not see.
func (p *parser) setup() error {
	first := p.at
	for ; p.at < len(p.lines); p.at++ {
		if strings.TrimSpace(p.lines[p.at]) == "-->" {
			p.blocks = append(p.blocks, Block{Line: first + 1, Commands: text(p.lines[first:p.at], ""), Hidden: true})
			p.at++
			p.fresh = false
			return nil
		}
	}
	return fmt.Errorf("line %d: the comment does not end", first)
}

func (p *parser) fence(indent, mark, info string) error {
	first := p.at + 1
	for p.at = first; ; p.at++ {
		if p.at == len(p.lines) {
			return fmt.Errorf("line %d: the block does not end", first)
		}
		if strings.TrimSpace(p.lines[p.at]) == mark {
			break
		}
	}
	body := text(p.lines[first:p.at], indent)
	p.at++
	language, _, _ := strings.Cut(info, " ")
	switch {
	case language == "":
		return fmt.Errorf("line %d: a block without a language: sh, text, json or another", first)
	case shell(language):
		p.commands(first+1, body)
	case p.note != nil:
		return fmt.Errorf("line %d: a note without commands behind it", p.note.Line)
	case p.fresh && slices.Contains(outputKind, language):
		last := &p.blocks[len(p.blocks)-1]
		last.Output, last.JSON = body, language == "json"
	}
	p.fresh = shell(language)
	return nil
}

func (p *parser) commands(line int, body string) {
	b := Block{}
	if p.note != nil {
		b, p.note = *p.note, nil
	}
	b.Line, b.Commands = line, body
	p.blocks = append(p.blocks, b)
}

// text joins lines whose indentation is a fence's.
func text(lines []string, indent string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(strings.TrimPrefix(line, indent) + "\n")
	}
	return b.String()
}

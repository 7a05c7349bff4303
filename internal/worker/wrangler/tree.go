package wrangler

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
)

// maxFileBytes bounds a configuration file, and so the depth of what is in it.
const maxFileBytes = 256 << 10

// node is a value of a configuration file, whichever language it is written in.
type node struct {
	line    int
	kind    kind
	members []member // of a table, in the order of the file
	items   []*node  // of a list
	text    string   // of a string
	truth   bool
	number  json.Number
}

type member struct {
	name  string
	line  int
	value *node
}

type kind int

const (
	nullKind kind = iota
	boolKind
	numberKind
	stringKind
	listKind
	tableKind
)

func (k kind) String() string {
	return [...]string{"null", "true or false", "a number", "a string", "a list", "a table"}[k]
}

// get returns the value of a member, nil if there is none or it is null.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for _, m := range n.members {
		if m.name == name && m.value.kind != nullKind {
			return m.value
		}
	}
	return nil
}

// blank tells whether nothing is there: null, false, an empty list or table.
func (n *node) blank() bool {
	return n == nil || n.kind == nullKind || n.kind == boolKind && !n.truth ||
		n.kind == listKind && len(n.items) == 0 || n.kind == tableKind && len(n.members) == 0
}

// empty tells whether nothing is asked for: what is blank, or a table of nothing else.
// Tools write out tables that nobody has filled.
func (n *node) empty() bool {
	return n.blank() || n.kind == tableKind && !slices.ContainsFunc(n.members, func(m member) bool { return !m.value.empty() })
}

// appendJSON writes n as JSON.
func (n *node) appendJSON(b []byte) []byte {
	switch n.kind {
	case boolKind:
		return fmt.Append(b, n.truth)
	case numberKind:
		return append(b, n.number...)
	case stringKind:
		return appendString(b, n.text)
	case listKind:
		b = append(b, '[')
		for i, item := range n.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = item.appendJSON(b)
		}
		return append(b, ']')
	case tableKind:
		b = append(b, '{')
		for i, m := range n.members {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, m.name), ':')
			b = m.value.appendJSON(b)
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

func appendString(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // a string always can
	return append(b, text...)
}

// lines tells in which line of a text an offset is.
type lines []int // where each begins

func newLines(text []byte) lines {
	l := lines{0}
	for i, c := range text {
		if c == '\n' {
			l = append(l, i+1)
		}
	}
	return l
}

func (l lines) at(offset int) int {
	return sort.Search(len(l), func(i int) bool { return l[i] > offset })
}

// parse reads a configuration in the language that its name says.
func parse(p *problems, name string, text []byte) *node {
	if len(text) > maxFileBytes {
		p.add(0, "the file has %d bytes; %d are the most", len(text), maxFileBytes)
		return nil
	}
	if isTOML(name) {
		return parseTOML(p, text)
	}
	return parseJSONC(p, text)
}

// sortByLine puts members in the order of the file.
func sortByLine(members []member) {
	slices.SortFunc(members, func(a, b member) int {
		if a.line != b.line {
			return a.line - b.line
		}
		if a.name < b.name {
			return -1
		}
		return 1
	})
}

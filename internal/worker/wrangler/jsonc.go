package wrangler

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"

	"github.com/tailscale/hujson"
)

// maxDepth bounds how deep values may lie in each other.
const maxDepth = 200

var hujsonPlace = regexp.MustCompile(`^hujson: line (\d+), column \d+: `)

// parseJSONC reads JSON that may have comments and trailing commas.
func parseJSONC(p *problems, text []byte) *node {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if depth(text) > maxDepth {
		p.add(0, "values lie more than %d deep in each other", maxDepth)
		return nil
	}
	v, err := hujson.Parse(text)
	if err != nil {
		line, message := 0, err.Error()
		if m := hujsonPlace.FindStringSubmatch(message); m != nil {
			line, _ = strconv.Atoi(m[1])
			message = message[len(m[0]):]
		}
		p.add(line, "not JSON: %s", message)
		return nil
	}
	return jsonReader{p, newLines(text)}.read(v)
}

type jsonReader struct {
	p     *problems
	lines lines
}

func (r jsonReader) read(v hujson.Value) *node {
	n := &node{line: r.lines.at(v.StartOffset)}
	switch t := v.Value.(type) {
	case *hujson.Object:
		n.kind = tableKind
		seen := map[string]int{}
		for _, m := range t.Members {
			name, line := literalText(m.Name), r.lines.at(m.Name.StartOffset)
			if first, ok := seen[name]; ok {
				r.p.add(line, "%q stands in line %d already", name, first)
				continue
			}
			seen[name] = line
			n.members = append(n.members, member{name, line, r.read(m.Value)})
		}
	case *hujson.Array:
		n.kind = listKind
		for _, e := range t.Elements {
			n.items = append(n.items, r.read(e))
		}
	case hujson.Literal:
		r.literal(n, t)
	}
	return n
}

func (r jsonReader) literal(n *node, l hujson.Literal) {
	switch l.Kind() {
	case 't', 'f':
		n.kind, n.truth = boolKind, l.Bool()
	case '"':
		n.kind, n.text = stringKind, l.String()
	case '0':
		n.kind, n.number = numberKind, json.Number(l)
	}
}

func literalText(v hujson.Value) string {
	l, _ := v.Value.(hujson.Literal)
	return l.String()
}

// depth is how deep values lie in each other, as far as brackets tell: the library
// goes as deep as the text does.
func depth(text []byte) (deepest int) {
	at := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i = endOfString(text, i)
		case '/':
			i = endOfComment(text, i)
		case '[', '{':
			at++
			deepest = max(deepest, at)
		case ']', '}':
			at--
		}
	}
	return deepest
}

func endOfString(text []byte, i int) int {
	for i++; i < len(text) && text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i
}

func endOfComment(text []byte, i int) int {
	rest := text[i:]
	var end int
	switch {
	case bytes.HasPrefix(rest, []byte("//")):
		end = bytes.IndexByte(rest, '\n')
	case bytes.HasPrefix(rest, []byte("/*")):
		if end = bytes.Index(rest[2:], []byte("*/")); end >= 0 {
			end += 3
		}
	default:
		return i
	}
	if end < 0 {
		return len(text)
	}
	return i + end
}

package wrangler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

func isTOML(name string) bool { return filepath.Ext(name) == ".toml" }

// parseTOML reads TOML. The library decodes it; where each value stands is looked up
// in what it parsed, since decoding forgets that.
func parseTOML(p *problems, text []byte) *node {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if tomlDepth(text) > maxDepth {
		p.add(0, "values lie more than %d deep in each other", maxDepth)
		return nil
	}
	places := tomlPlaces{lines: newLines(text), line: map[string]int{}, tables: map[string]int{}}
	if line := places.find(text); line > 0 {
		p.add(line, "values lie more than %d deep in each other", maxDepth)
		return nil
	}
	values := map[string]any{}
	if err := toml.Unmarshal(text, &values); err != nil {
		line := 0
		var at *toml.DecodeError
		if errors.As(err, &at) {
			line, _ = at.Position()
		}
		p.add(line, "not TOML: %s", strings.TrimPrefix(err.Error(), "toml: "))
		return nil
	}
	return tomlReader{p, places}.read(values, "", 1)
}

// tomlDepth is how deep brackets lie in each other on any count: those in strings
// count too, which only makes a file that nobody writes refused.
func tomlDepth(text []byte) (deepest int) {
	at := 0
	for _, c := range text {
		switch c {
		case '[', '{':
			at++
			deepest = max(deepest, at)
		case ']', '}':
			at = max(at-1, 0)
		}
	}
	return deepest
}

// tomlPlaces are the lines of values, by their paths.
type tomlPlaces struct {
	lines  lines
	line   map[string]int
	tables map[string]int // elements of each list of tables so far
}

// find notes all places. It returns the line of a key that is too deep, if there is one.
func (t tomlPlaces) find(text []byte) (tooDeep int) {
	var parser unstable.Parser
	parser.Reset(text)
	table := ""
	for parser.NextExpression() {
		e := parser.Expression()
		if n, line := t.parts(e); n > maxDepth {
			return line
		}
		switch e.Kind {
		case unstable.Table:
			table = t.key("", e.Key())
		case unstable.ArrayTable:
			table = t.element(e.Key())
		case unstable.KeyValue:
			t.keyValue(table, e)
		}
	}
	return 0
}

// parts counts those of an expression's key.
func (t tomlPlaces) parts(e *unstable.Node) (n, line int) {
	if e.Kind != unstable.Table && e.Kind != unstable.ArrayTable && e.Kind != unstable.KeyValue {
		return 0, 0
	}
	for key := e.Key(); key.Next(); n++ {
		line = t.lines.at(int(key.Node().Raw.Offset))
	}
	return n, line
}

// key notes every part of a key, and returns the path that it leads to. A part that
// is a list of tables stands for its last element.
func (t tomlPlaces) key(path string, parts unstable.Iterator) string {
	for parts.Next() {
		part := parts.Node()
		path = join(path, string(part.Data))
		t.note(path, part)
		if n := t.tables[path]; n > 0 {
			path = join(path, strconv.Itoa(n-1))
		}
	}
	return path
}

// element begins another element of a list of tables.
func (t tomlPlaces) element(parts unstable.Iterator) string {
	path := ""
	var last *unstable.Node
	for parts.Next() {
		if n := t.tables[path]; n > 0 {
			path = join(path, strconv.Itoa(n-1))
		}
		last = parts.Node()
		path = join(path, string(last.Data))
		t.note(path, last)
	}
	t.tables[path]++
	path = join(path, strconv.Itoa(t.tables[path]-1))
	t.note(path, last)
	return path
}

func (t tomlPlaces) keyValue(table string, e *unstable.Node) {
	path := t.key(table, e.Key())
	t.value(path, e.Value())
}

func (t tomlPlaces) value(path string, v *unstable.Node) {
	children := v.Children()
	switch v.Kind {
	case unstable.InlineTable:
		for children.Next() {
			t.keyValue(path, children.Node())
		}
	case unstable.Array:
		for i := 0; children.Next(); i++ {
			child, at := children.Node(), join(path, strconv.Itoa(i))
			if child.Raw.Length > 0 {
				t.note(at, child)
			}
			t.value(at, child)
		}
	}
}

func (t tomlPlaces) note(path string, n *unstable.Node) {
	if _, ok := t.line[path]; !ok {
		t.line[path] = t.lines.at(int(n.Raw.Offset))
	}
}

func join(path, part string) string { return path + "\x00" + part }

// shownPath is a path as people write it.
func shownPath(path string) string {
	return strings.ReplaceAll(strings.TrimPrefix(path, "\x00"), "\x00", ".")
}

type tomlReader struct {
	p      *problems
	places tomlPlaces
}

// read makes a node of a decoded value; above is the line of what holds it.
func (r tomlReader) read(v any, path string, above int) *node {
	line, ok := r.places.line[path]
	if !ok {
		line = above
	}
	n := &node{line: line}
	switch v := v.(type) {
	case map[string]any:
		n.kind = tableKind
		for name, value := range v {
			child := r.read(value, join(path, name), line)
			n.members = append(n.members, member{name, child.line, child})
		}
		sortByLine(n.members)
	case []any:
		n.kind = listKind
		for i, value := range v {
			n.items = append(n.items, r.read(value, join(path, strconv.Itoa(i)), line))
		}
	case bool:
		n.kind, n.truth = boolKind, v
	case string:
		n.kind, n.text = stringKind, v
	case int64:
		n.kind, n.number = numberKind, json.Number(strconv.FormatInt(v, 10))
	case float64:
		r.float(n, v)
	case fmt.Stringer: // a date or a time
		r.p.add(line, "the field %.200q is a TOML date, which is not supported: put it into quotes", shownPath(path))
	default:
		r.p.add(line, "a value that JSON has no form for")
	}
	return n
}

func (r tomlReader) float(n *node, v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		r.p.add(n.line, "%v is no number of JSON", v)
		return
	}
	n.kind, n.number = numberKind, json.Number(strconv.FormatFloat(v, 'g', -1, 64))
}

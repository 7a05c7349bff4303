package cloudflare

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/godwitkv/godwit"
)

const maxFieldDepth = 32

// Some SDKs take an object given as metadata apart and send a form field for
// each of its leaves: "metadata[a][b][]" from JavaScript, "metadata.a.b.0" from
// Go. A tree puts it together again. What kind of value a leaf was is lost on
// the way: all are strings.

// fieldPath reads such a field's name. "" is a list's next element. A name of
// neither kind means nothing here.
func fieldPath(name string) (path []string, ok bool) {
	rest, ok := strings.CutPrefix(name, "metadata")
	if !ok || rest == "" || len(rest) > maxPartName {
		return nil, false
	}
	if rest[0] == '.' {
		return strings.Split(rest[1:], "."), true
	}
	for rest != "" {
		inner, more, ok := strings.Cut(rest, "]")
		if !ok || inner == "" || inner[0] != '[' {
			return nil, false
		}
		path = append(path, inner[1:])
		rest = more
	}
	return path, true
}

// tree is an object, a list or, without children, a string. Its zero value is
// an empty object.
type tree struct {
	names    []string // of children; "" in a list
	children []*tree
	leaf     bool
	text     string
}

func (t *tree) empty() bool { return len(t.children) == 0 && !t.leaf }

// set puts a leaf at a path. Error: CodeInvalidMetadata, if the path has been
// used in another way, or is too deep.
func (t *tree) set(path []string, text string) error {
	if len(path) > maxFieldDepth {
		return godwit.Errorf(godwit.CodeInvalidMetadata, "Metadata fields are nested too deep.")
	}
	for i, name := range path {
		if t.leaf {
			return errFieldTwice
		}
		t = t.child(name, path[i+1:])
	}
	if !t.empty() {
		return errFieldTwice
	}
	t.leaf, t.text = true, text
	return nil
}

var errFieldTwice = godwit.Errorf(godwit.CodeInvalidMetadata, "Metadata fields contradict each other.")

// child finds or adds a child. In a list a new element begins where the last one
// has already got what comes now.
func (t *tree) child(name string, rest []string) *tree {
	if name != "" {
		if c := t.find(name); c != nil {
			return c
		}
	} else if n := len(t.children); n > 0 && t.names[n-1] == "" && len(rest) > 0 && rest[0] != "" {
		if last := t.children[n-1]; !last.leaf && last.find(rest[0]) == nil {
			return last
		}
	}
	c := &tree{}
	t.names, t.children = append(t.names, name), append(t.children, c)
	return c
}

func (t *tree) find(name string) *tree {
	for i, n := range t.names {
		if n == name {
			return t.children[i]
		}
	}
	return nil
}

// json is the tree as JSON text, in the order in which the fields came. Error:
// CodeInvalidMetadata, if a list has named elements.
func (t *tree) json() ([]byte, error) {
	var b bytes.Buffer
	err := t.write(&b)
	return b.Bytes(), err
}

func (t *tree) write(b *bytes.Buffer) error {
	if t.leaf {
		return text(b, t.text)
	}
	list, err := t.isList()
	if err != nil {
		return err
	}
	open, closing := byte('{'), byte('}')
	if list {
		open, closing = '[', ']'
	}
	b.WriteByte(open)
	for i, c := range t.children {
		if i > 0 {
			b.WriteByte(',')
		}
		if !list {
			if err := text(b, t.names[i]); err != nil {
				return err
			}
			b.WriteByte(':')
		}
		if err := c.write(b); err != nil {
			return err
		}
	}
	b.WriteByte(closing)
	return nil
}

// isList tells a list from an object: its elements have no names, or are
// numbered in order.
func (t *tree) isList() (bool, error) {
	nameless, numbered := 0, 0
	for i, n := range t.names {
		if n == "" {
			nameless++
		}
		if n == strconv.Itoa(i) {
			numbered++
		}
	}
	if nameless > 0 && nameless < len(t.names) {
		return false, errFieldTwice
	}
	return nameless > 0 || numbered == len(t.names), nil
}

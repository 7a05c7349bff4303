package workerd

import (
	"strconv"
	"strings"
)

// A configuration is text in Cap'n Proto's language for values. It is written in one
// place, so that no name, no value and no token can be taken for anything else.

// record is a struct: its fields in order.
type record []field

type field struct {
	name  string
	value any // string, bool, list, record, embed or void
}

type list []any

// embed stands for what a file holds.
type embed string

// void is the value of a field that only says which one is meant.
type void struct{}

const schema = "using Workerd = import \"/workerd/workerd.capnp\";\n\nconst config :Workerd.Config = "

// encode writes a configuration.
func encode(config record) []byte {
	var b strings.Builder
	b.WriteString(schema)
	write(&b, config, 0)
	b.WriteString(";\n")
	return []byte(b.String())
}

func write(b *strings.Builder, v any, depth int) {
	switch v := v.(type) {
	case string:
		writeText(b, v)
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case void:
		b.WriteString("void")
	case embed:
		b.WriteString("embed ")
		writeText(b, string(v))
	case record:
		b.WriteByte('(')
		for i, f := range v {
			separate(b, i, depth)
			b.WriteString(f.name + " = ")
			write(b, f.value, depth+1)
		}
		b.WriteByte(')')
	case list:
		b.WriteByte('[')
		for i, item := range v {
			separate(b, i, depth)
			write(b, item, depth+1)
		}
		b.WriteByte(']')
	default:
		panic("workerd: a value of a kind that there is none of")
	}
}

func separate(b *strings.Builder, i, depth int) {
	if i > 0 {
		b.WriteByte(',')
	}
	b.WriteString("\n" + strings.Repeat("  ", depth+1))
}

const hexDigits = "0123456789abcdef"

// writeText writes a string literal. All but plain characters are escaped as bytes.
func writeText(b *strings.Builder, s string) {
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			b.WriteString(`\x` + string(hexDigits[c>>4]) + string(hexDigits[c&15]))
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}

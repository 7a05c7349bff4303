package workerd

import (
	"strings"
	"unicode"
)

// withheldFirst are patterns of what an assets directory may hold by the way: the Worker's
// own source, secrets, a repository, what wrangler dev stores. A .assetsignore may take them
// back.
const withheldFirst = "/_worker.js\n.dev.vars*\n.env*\n.git\n.wrangler\n"

// withheldLast is the pattern of godwit's own directory, wherever it is. It has the last
// word.
var withheldLast = pattern(".godwit") + "\n"

// ignored is the text of a .assetsignore, with what is withheld besides.
func ignored(text string, withheld []string) string {
	var b strings.Builder
	b.WriteString(withheldFirst)
	b.WriteString(strings.TrimPrefix(text, "\ufeff"))
	b.WriteString("\n" + withheldLast)
	for _, path := range withheld {
		b.WriteString("/" + pattern(path) + "\n")
	}
	return b.String()
}

// pattern matches a path, in capitals too, as some disks find it by. In the place of what
// has a meaning in a pattern, or cannot stand there, may be any character.
func pattern(path string) string {
	var b strings.Builder
	for _, c := range path {
		switch low := c | 0x20; {
		case low >= 'a' && low <= 'z':
			b.WriteString("[" + string(low) + string(low-0x20) + "]")
		case c >= '0' && c <= '9', c > unicode.MaxASCII, strings.ContainsRune("/._-", c):
			b.WriteRune(c)
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}

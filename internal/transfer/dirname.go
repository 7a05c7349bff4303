package transfer

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// A key as the path of a file. Each part of the key between slashes is a name, and what
// no name may be is escaped by "%", which stands for itself nowhere:
//
//	%XX   a byte: "%", what is no printable ASCII or UTF-8, what some system forbids in a
//	      name, the dot of a name that begins with one, a dot or space at the end
//	%     a name that would be empty
//	%+    at the end of a name: the name goes on in the next
//	%~    at the end of a name: nothing; it tells "a" from the directory of "a/b"
const (
	nameEmpty    = "%"
	nameGoesOn   = "%+"
	nameAside    = "%~"
	maxNameBytes = 200 // of 255, which most systems allow
)

// pathOf is the path of a key, with slashes.
func pathOf(key string) string {
	var names []string
	for part := range strings.SplitSeq(key, "/") {
		names = append(names, namesOf(part)...)
	}
	return strings.Join(names, "/")
}

// namesOf is the name of a part of a key, or several of one that is too long.
func namesOf(part string) (names []string) {
	if part == "" {
		return []string{nameEmpty}
	}
	var name strings.Builder
	for i := range len(part) {
		if full := name.Len() - maxNameBytes; full > 0 && utf8.RuneStart(part[i]) || full > utf8.UTFMax {
			names = append(names, name.String()+nameGoesOn)
			name.Reset()
		}
		c := part[i]
		edge := (name.Len() == 0 || i == len(part)-1) && c == '.' || i == len(part)-1 && c == ' '
		if edge || c < ' ' || c == 0x7f || strings.IndexByte(`%\:*?"<>|`, c) >= 0 {
			const digits = "0123456789ABCDEF"
			name.Write([]byte{'%', digits[c>>4], digits[c&15]})
			continue
		}
		name.WriteByte(c)
	}
	return append(names, name.String())
}

var errName = errors.New("the path is not one that an export has written")

// keyOf is the key of a path that pathOf has made.
func keyOf(path string) (string, error) {
	var key strings.Builder
	goesOn := true // so that no slash comes first
	for name := range strings.SplitSeq(path, "/") {
		if !goesOn {
			key.WriteByte('/')
		}
		name = strings.TrimSuffix(name, nameAside)
		name, goesOn = strings.CutSuffix(name, nameGoesOn)
		if name == nameEmpty {
			continue
		}
		if err := unescapeName(&key, name); err != nil {
			return "", err
		}
	}
	if goesOn {
		return "", errName
	}
	return key.String(), nil
}

func unescapeName(key *strings.Builder, name string) error {
	for i := 0; i < len(name); i++ {
		if name[i] != '%' {
			key.WriteByte(name[i])
			continue
		}
		if i+2 >= len(name) {
			return errName
		}
		high, low := strings.IndexByte("0123456789ABCDEF", name[i+1]), strings.IndexByte("0123456789ABCDEF", name[i+2])
		if high < 0 || low < 0 {
			return errName
		}
		key.WriteByte(byte(high<<4 | low))
		i += 2
	}
	return nil
}

package client

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// errPage is an answer to a scan that is not what a server of ours writes.
var errPage = errors.New("read answer: not a list of keys")

// decodePage reads the answer to a scan. A page is up to 10,000 keys with their
// values, and whoever asks for one asks for the next: the standard decoder takes
// longer over a page than the server takes to make it. It uses text as its scratch.
func decodePage(text []byte) (*ScannedPage, error) {
	l := lexer{text: text}
	page := &ScannedPage{}
	var failed error
	l.object(func(name []byte) {
		switch string(name) {
		case "keys":
			page.Keys, failed = l.scannedKeys(bytes.Count(text, []byte(`{"name":`)))
		case "cursor":
			page.Cursor = string(l.str())
		default:
			l.skip()
		}
	})
	switch {
	case failed != nil:
		return nil, failed
	case l.bad:
		return nil, errPage
	}
	return page, nil
}

func (l *lexer) scannedKeys(guess int) (keys []Scanned, failed error) {
	keys = make([]Scanned, 0, guess)
	l.array(func() {
		k, err := l.scannedKey()
		if err != nil && failed == nil {
			failed = err
		}
		keys = append(keys, k)
	})
	return keys, failed
}

// scannedKey reads one key.
func (l *lexer) scannedKey() (k Scanned, err error) {
	var value []byte
	base64d := false
	l.object(func(name []byte) {
		switch string(name) {
		case "name":
			k.Name = string(l.str())
		case "revision":
			k.Revision = string(l.str())
		case "created":
			k.Created = time.UnixMilli(l.int())
		case "modified":
			k.Modified = time.UnixMilli(l.int())
		case "size":
			k.Size = l.int()
		case "expiration":
			k.Expiration = unixTime(l.int())
		case "metadata":
			if raw := l.skip(); string(raw) != "null" {
				k.Metadata = bytes.Clone(raw)
			}
		case "value":
			value = l.str()
		case "base64":
			base64d = string(l.skip()) == "true"
		case "value_omitted":
			k.ValueOmitted = string(l.skip()) == "true"
		default:
			l.skip()
		}
	})
	switch {
	case value == nil:
	case base64d:
		k.Value = make([]byte, base64.StdEncoding.DecodedLen(len(value)))
		n, err := base64.StdEncoding.Decode(k.Value, value)
		if err != nil {
			return k, fmt.Errorf("read value of %q: %w", k.Name, err)
		}
		k.Value = k.Value[:n]
	default:
		k.Value = append(make([]byte, 0, len(value)), value...)
	}
	return k, nil
}

// maxNested bounds how deep JSON may be that is skipped.
const maxNested = 1000

// lexer reads JSON that stands in memory, and writes over it: a string without its
// escapes takes the place that it had with them. Once something is not JSON it is bad,
// and at its end. It is no judge of JSON: what a server would not write it may pass.
type lexer struct {
	text []byte
	at   int
	bad  bool
}

func (l *lexer) fail() {
	l.bad, l.at = true, len(l.text)
}

// peek is the next byte that is no white space, 0 at the end.
func (l *lexer) peek() byte {
	for l.at < len(l.text) {
		switch c := l.text[l.at]; c {
		case ' ', '\t', '\r', '\n':
			l.at++
		default:
			return c
		}
	}
	return 0
}

// take consumes c, if it is next.
func (l *lexer) take(c byte) bool {
	if l.peek() != c {
		return false
	}
	l.at++
	return true
}

// list reads "open element, element close", calling element at the start of each.
func (l *lexer) list(open, closing byte, element func()) {
	if !l.take(open) {
		l.fail()
		return
	}
	if l.take(closing) {
		return
	}
	for {
		element()
		switch {
		case l.take(','):
		case l.take(closing):
			return
		default:
			l.fail()
			return
		}
	}
}

func (l *lexer) array(element func()) { l.list('[', ']', element) }

// object calls field at the start of each field's value; name is good until the next
// is read.
func (l *lexer) object(field func(name []byte)) {
	l.list('{', '}', func() {
		name := l.str()
		if !l.take(':') {
			l.fail()
			return
		}
		field(name)
	})
}

// str reads a string. What it returns is part of the text, and nil if there was none.
func (l *lexer) str() []byte {
	if !l.take('"') {
		l.fail()
		return nil
	}
	start := l.at
	end := bytes.IndexByte(l.text[start:], '"')
	if end < 0 {
		l.fail()
		return nil
	}
	if escape := bytes.IndexByte(l.text[start:start+end], '\\'); escape >= 0 {
		return l.unescape(start, start+escape)
	}
	l.at = start + end + 1
	return l.text[start : start+end : start+end]
}

// unescape reads on behind the first escape of a string.
func (l *lexer) unescape(start, escape int) []byte {
	dst := l.text[start:escape]
	l.at = escape
	for l.at < len(l.text) {
		c := l.text[l.at]
		l.at++
		switch c {
		case '"':
			return dst[:len(dst):len(dst)]
		case '\\':
			dst = l.escape(dst)
		default:
			dst = append(dst, c) // never beyond what was read
		}
	}
	l.fail()
	return nil
}

// escape reads what follows a backslash.
func (l *lexer) escape(dst []byte) []byte {
	if l.at == len(l.text) {
		return dst
	}
	c := l.text[l.at]
	l.at++
	switch c {
	case '"', '\\', '/':
		return append(dst, c)
	case 'b':
		return append(dst, '\b')
	case 'f':
		return append(dst, '\f')
	case 'n':
		return append(dst, '\n')
	case 'r':
		return append(dst, '\r')
	case 't':
		return append(dst, '\t')
	case 'u':
		return utf8.AppendRune(dst, l.unit())
	}
	l.fail()
	return dst
}

// unit reads the rune behind "\u", of one half or of two.
func (l *lexer) unit() rune {
	high := l.hex4()
	if !utf16.IsSurrogate(high) || l.at+1 >= len(l.text) || l.text[l.at] != '\\' || l.text[l.at+1] != 'u' {
		return high // a lone half becomes U+FFFD
	}
	l.at += 2
	low := l.hex4()
	if r := utf16.DecodeRune(high, low); r != utf8.RuneError {
		return r
	}
	l.at -= 6 // what follows is no other half: it is read again
	return utf8.RuneError
}

func (l *lexer) hex4() rune {
	if l.at+4 > len(l.text) {
		l.fail()
		return utf8.RuneError
	}
	n, err := strconv.ParseUint(string(l.text[l.at:l.at+4]), 16, 16)
	if err != nil {
		l.fail()
		return utf8.RuneError
	}
	l.at += 4
	return rune(n)
}

// int reads a number without a fraction.
func (l *lexer) int() int64 {
	n, err := strconv.ParseInt(string(l.word()), 10, 64)
	if err != nil {
		l.fail()
	}
	return n
}

// word reads a number, true, false or null.
func (l *lexer) word() []byte {
	l.peek()
	start := l.at
	for l.at < len(l.text) {
		switch c := l.text[l.at]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c == '-', c == '+', c == '.', c == 'E':
			l.at++
			continue
		}
		break
	}
	if l.at == start {
		l.fail()
	}
	return l.text[start:l.at]
}

// skip reads any value and returns its text.
func (l *lexer) skip() []byte {
	l.peek()
	start, depth := l.at, 0
	for {
		switch l.peek() {
		case '{', '[':
			if depth++; depth > maxNested {
				l.fail()
			}
			l.at = min(l.at+1, len(l.text))
			continue
		case '}', ']':
			depth--
			l.at++
		case ',', ':':
			l.at++
			continue
		case '"':
			l.skipString()
		default:
			l.word()
		}
		if l.bad || depth < 0 {
			l.fail()
			return nil
		}
		if depth == 0 {
			return l.text[start:l.at]
		}
	}
}

// skipString reads a string and leaves it as it is.
func (l *lexer) skipString() {
	for l.at++; l.at < len(l.text); l.at++ {
		switch l.text[l.at] {
		case '\\':
			l.at++
		case '"':
			l.at++
			return
		}
	}
	l.fail()
}

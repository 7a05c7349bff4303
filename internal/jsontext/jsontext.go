// Package jsontext owns how bytes become the text of a JSON string. It must import
// nothing of godwit.
package jsontext

import "unicode/utf8"

// Append appends s as a JSON string. What is not UTF-8 becomes U+FFFD as
// a browser's decoder would have it. Nothing is escaped that need not be.
func Append[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	dst = AppendEscaped(dst, s)
	return append(dst, '"')
}

// AppendEscaped appends the inside of a JSON string.
func AppendEscaped[T string | []byte](dst []byte, s T) []byte {
	plain := 0 // s[plain:i] needs no escape
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			if n := runeLen(s[i:]); n > 0 {
				i += n
				continue
			}
			dst = append(dst, s[plain:i]...)
			dst = append(dst, "\uFFFD"...)
			i += brokenLen(s[i:])
			plain = i
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[plain:i]...)
		dst = appendEscape(dst, c)
		i++
		plain = i
	}
	return append(dst, s[plain:]...)
}

func appendEscape(dst []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	}
	return append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}

// EscapedLen returns how many bytes AppendEscaped appends for s, which is UTF-8.
func EscapedLen(s []byte) int {
	n := len(s)
	for _, c := range s {
		switch {
		case c == '"', c == '\\', c >= '\b' && c <= '\r' && c != '\v':
			n++
		case c < ' ':
			n += len(`\u0000`) - 1
		}
	}
	return n
}

// runeLen returns the length of the character that s, not empty, starts with,
// or 0 if it is broken.
func runeLen[T string | []byte](s T) int {
	need, lo, hi := leadByte(s[0])
	if need == 0 || len(s) <= need || s[1] < lo || s[1] > hi {
		return 0
	}
	for i := 2; i <= need; i++ {
		if s[i]&0xc0 != 0x80 {
			return 0
		}
	}
	return need + 1
}

// brokenLen returns how many of the bytes that s, a broken character, starts
// with one U+FFFD stands for: as many as could start a character.
func brokenLen[T string | []byte](s T) int {
	need, lo, hi := leadByte(s[0])
	if need == 0 || len(s) < 2 || s[1] < lo || s[1] > hi {
		return 1
	}
	n := 2
	for n < len(s) && n <= need && s[n]&0xc0 == 0x80 {
		n++
	}
	return n
}

// leadByte returns how many bytes must follow c, and between which the first
// of them must lie. None can follow if need is 0.
func leadByte(c byte) (need int, lo, hi byte) {
	switch {
	case c >= 0xc2 && c <= 0xdf:
		return 1, 0x80, 0xbf
	case c == 0xe0:
		return 2, 0xa0, 0xbf
	case c == 0xed:
		return 2, 0x80, 0x9f
	case c >= 0xe1 && c <= 0xef:
		return 2, 0x80, 0xbf
	case c == 0xf0:
		return 3, 0x90, 0xbf
	case c == 0xf4:
		return 3, 0x80, 0x8f
	case c >= 0xf1 && c <= 0xf3:
		return 3, 0x80, 0xbf
	}
	return 0, 0, 0
}

// Cut returns how much of text, from its start and at most n bytes, may be
// escaped on its own: it ends between two characters.
func Cut(text []byte, n int) int {
	if len(text) <= n {
		return len(text)
	}
	for i := n; i > n-utf8.UTFMax && i > 0; i-- {
		if utf8.RuneStart(text[i]) {
			return i
		}
	}
	return n
}

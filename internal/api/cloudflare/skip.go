package cloudflare

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

const (
	maxNumber = 1024 // bytes of one number
	maxWord   = 64   // bytes of a number or a literal that is captured
)

// raw reads any value and returns its text, of at most most bytes. Whether the
// text is JSON in every detail is left to who uses it: only where it ends is
// decided here. ok is false when it is longer.
func (s *scanner) raw(most int) (text []byte, ok bool, err error) {
	if _, err := s.peek(); err != nil { // not the white space before it
		return nil, false, err
	}
	var b bytes.Buffer
	s.capture, s.most = &b, most
	err = s.skip(0)
	s.capture = nil
	if errors.Is(err, errCaptureFull) {
		return nil, false, nil
	}
	return b.Bytes(), true, err
}

// skip consumes any value.
func (s *scanner) skip(depth int) error {
	c, err := s.peek()
	if err != nil {
		return err
	}
	if depth > maxDepth {
		return s.malformed("nested too deep")
	}
	switch {
	case c == '{':
		return s.list('{', '}', "an object", func(int) error {
			if err := s.skipString(); err != nil {
				return err
			}
			if c, err := s.token(); err != nil {
				return err
			} else if c != ':' {
				return s.malformed("expected a colon")
			}
			return s.skip(depth + 1)
		})
	case c == '[':
		return s.list('[', ']', "an array", func(int) error { return s.skip(depth + 1) })
	case c == '"':
		return s.skipString()
	case c == '-', '0' <= c && c <= '9':
		return s.skipNumber()
	case 'a' <= c && c <= 'z':
		return s.skipLiteral()
	}
	return s.malformed("expected a value")
}

// skipString consumes a string. One that is captured is checked by who uses it.
func (s *scanner) skipString() error {
	if s.capture == nil {
		_, _, err := s.str()
		return err
	}
	c, err := s.token()
	if err != nil {
		return err
	}
	if c != '"' {
		return s.malformed("expected a string")
	}
	for {
		if c, err = s.next(); err != nil {
			return err
		}
		switch {
		case c == '"':
			return nil
		case c < ' ':
			return s.malformed("control character in a string")
		case c == '\\':
			if _, err := s.next(); err != nil {
				return err
			}
		}
	}
}

// skipNumber consumes a number, which may not be absurdly long.
func (s *scanner) skipNumber() error {
	var number []byte
	for {
		b, err := s.r.Peek(1)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err != nil || !isNumber(b[0]) {
			break
		}
		if _, err := s.next(); err != nil {
			return err
		}
		if number = append(number, b[0]); len(number) > maxNumber {
			return s.malformed("number is too long")
		}
	}
	if !json.Valid(number) {
		return s.malformed("bad number")
	}
	return nil
}

func isNumber(c byte) bool {
	return '0' <= c && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}

// skipLiteral consumes true, false or null.
func (s *scanner) skipLiteral() error {
	for _, word := range []string{"true", "false", "null"} {
		if b, _ := s.r.Peek(len(word)); string(b) == word {
			for range word {
				if _, err := s.next(); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return s.malformed("expected a value")
}

package cloudflare

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/godwitkv/godwit"
)

const maxDepth = 512 // of nested JSON that is skipped or captured

// scanner reads JSON as it arrives, so that a body of 100 MB with strings of
// 25 MiB needs no more memory than what is kept of it. The standard decoder
// holds every value whole, twice.
//
// Its errors are *problem (the text is not JSON, or not of the shape asked for)
// or the reader's own.
type scanner struct {
	r       *bufio.Reader
	what    string        // what is being read, for errors
	at      int64         // bytes consumed
	capture *bytes.Buffer // what is consumed goes here too, if not nil
	most    int           // bytes that capture may hold
	text    stringReader  // of the string being read
	scratch [godwit.MaxKeyBytes + utf8.UTFMax]byte
}

func newScanner(r io.Reader, what string) *scanner {
	return &scanner{r: bufio.NewReaderSize(r, 32<<10), what: what}
}

// malformed is a 400 that says what is wrong and where.
func (s *scanner) malformed(detail string) error {
	return badRequest(codeMalformedBody, "could not parse %s from request body: '%s, at byte %d'", s.what, detail, s.at)
}

// fault is what a failed read means: a body that ends early is not JSON.
func (s *scanner) fault(err error) error {
	if errors.Is(err, io.EOF) {
		return s.malformed("unexpected end of JSON input")
	}
	return err
}

func (s *scanner) next() (byte, error) {
	c, err := s.r.ReadByte()
	if err != nil {
		return 0, s.fault(err)
	}
	s.at++
	if s.capture != nil {
		if s.capture.Len() >= s.most {
			return 0, errCaptureFull
		}
		s.capture.WriteByte(c)
	}
	return c, nil
}

var errCaptureFull = errors.New("captured JSON is too long")

// peek is the next byte that is not white space, not consumed.
func (s *scanner) peek() (byte, error) {
	for {
		b, err := s.r.Peek(1)
		if err != nil {
			return 0, s.fault(err)
		}
		switch b[0] {
		case ' ', '\t', '\r', '\n':
			if _, err := s.next(); err != nil {
				return 0, err
			}
		default:
			return b[0], nil
		}
	}
}

// token consumes the next byte that is not white space.
func (s *scanner) token() (byte, error) {
	if _, err := s.peek(); err != nil {
		return 0, err
	}
	return s.next()
}

// end checks that nothing but white space is left.
func (s *scanner) end() error {
	for {
		c, err := s.r.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case c != ' ' && c != '\t' && c != '\r' && c != '\n':
			return s.malformed("data after the end of the JSON")
		}
		s.at++
	}
}

// list reads "open element, element close", calling element at the start of
// each.
func (s *scanner) list(open, closing byte, expected string, element func(i int) error) error {
	if c, err := s.peek(); err != nil {
		return err
	} else if c != open {
		return s.malformed("expected " + expected)
	}
	_, _ = s.next()
	for i := 0; ; i++ {
		c, err := s.peek()
		if err != nil {
			return err
		}
		if c == closing && i == 0 {
			_, err := s.next()
			return err
		}
		if err := element(i); err != nil {
			return err
		}
		if c, err = s.token(); err != nil {
			return err
		}
		if c == closing {
			return nil
		}
		if c != ',' {
			return s.malformed("expected a comma")
		}
	}
}

// array calls element at the start of each element of an array.
func (s *scanner) array(element func(i int) error) error {
	return s.list('[', ']', "an array", element)
}

// object calls field at the start of each field's value.
func (s *scanner) object(field func(name string) error) error {
	return s.list('{', '}', "an object", func(int) error {
		name, _, err := s.str()
		if err != nil {
			return err
		}
		if c, err := s.token(); err != nil {
			return err
		} else if c != ':' {
			return s.malformed("expected a colon")
		}
		return field(name)
	})
}

// str reads a string, of which it keeps the first bytes, as many as a key may
// have and some more. n is the length of all of it in UTF-8.
func (s *scanner) str() (kept string, n int64, err error) {
	r, err := s.openString()
	if err != nil {
		return "", 0, err
	}
	have := 0
	for err == nil && have < len(s.scratch) {
		var m int
		m, err = r.Read(s.scratch[have:])
		have += m
	}
	kept = string(s.scratch[:have])
	if err == nil {
		n, err = io.Copy(io.Discard, r)
	} else if errors.Is(err, io.EOF) {
		err = nil
	}
	return kept, n + int64(have), err
}

// openString consumes a string's opening quote. The reader returns the string's
// content, escapes resolved, and consumes the closing quote; until it has
// returned io.EOF the scanner must not be used.
func (s *scanner) openString() (*stringReader, error) {
	if c, err := s.peek(); err != nil {
		return nil, err
	} else if c != '"' {
		return nil, s.malformed("expected a string")
	}
	_, err := s.next()
	s.text = stringReader{s: s}
	return &s.text, err
}

// stringReader reads the content of one JSON string.
type stringReader struct {
	s       *scanner
	pending []byte
	space   [utf8.UTFMax]byte
	err     error
}

// Read implements io.Reader.
func (r *stringReader) Read(p []byte) (n int, err error) {
	for len(p) > 0 && n == 0 && r.err == nil {
		if len(r.pending) > 0 {
			n = copy(p, r.pending)
			r.pending = r.pending[n:]
			return n, nil
		}
		n = r.run(p)
	}
	if n == 0 {
		err = r.err
	}
	return n, err
}

// run copies bytes that stand for themselves, or resolves what comes instead.
func (r *stringReader) run(p []byte) int {
	if _, err := r.s.r.Peek(1); err != nil {
		r.err = r.s.fault(err)
		return 0
	}
	buffered, _ := r.s.r.Peek(min(r.s.r.Buffered(), len(p)))
	i := 0
	for i < len(buffered) && buffered[i] != '"' && buffered[i] != '\\' && buffered[i] >= ' ' {
		i++
	}
	if plain := wholeRunes(buffered[:i]); len(plain) > 0 {
		if !utf8.Valid(plain) {
			r.err = r.s.malformed("invalid UTF-8")
			return 0
		}
		n := copy(p, plain)
		_, _ = r.s.r.Discard(n)
		r.s.at += int64(n)
		return n
	}
	r.special(buffered[0])
	return 0
}

// wholeRunes cuts off a rune that b holds only the beginning of.
func wholeRunes(b []byte) []byte {
	for cut := 1; cut < utf8.UTFMax && cut <= len(b); cut++ {
		if tail := b[len(b)-cut:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return b[:len(b)-cut]
			}
			return b
		}
	}
	return b
}

func (r *stringReader) special(c byte) {
	switch {
	case c == '"':
		_, _ = r.s.next()
		r.err = io.EOF
	case c == '\\':
		r.pending, r.err = r.s.escape(r.space[:0])
	case c < ' ':
		r.err = r.s.malformed("control character in a string")
	default:
		r.pending, r.err = r.s.rune(r.space[:0])
	}
}

// rune reads one whole rune, of which the buffer may end in the middle.
func (s *scanner) rune(dst []byte) ([]byte, error) {
	b, _ := s.r.Peek(utf8.UTFMax)
	c, n := utf8.DecodeRune(b)
	if c == utf8.RuneError && n <= 1 {
		return nil, s.malformed("invalid UTF-8")
	}
	_, _ = s.r.Discard(n)
	s.at += int64(n)
	return utf8.AppendRune(dst, c), nil
}

// escape reads an escape, from its backslash on. Half a surrogate pair becomes
// U+FFFD, as everywhere where JSON meets UTF-8.
func (s *scanner) escape(dst []byte) ([]byte, error) {
	_, _ = s.next()
	c, err := s.next()
	if err != nil {
		return nil, err
	}
	switch c {
	case '"', '\\', '/':
		return append(dst, c), nil
	case 'b':
		return append(dst, '\b'), nil
	case 'f':
		return append(dst, '\f'), nil
	case 'n':
		return append(dst, '\n'), nil
	case 'r':
		return append(dst, '\r'), nil
	case 't':
		return append(dst, '\t'), nil
	case 'u':
		return s.unicode(dst)
	}
	return nil, s.malformed("unknown escape in a string")
}

func (s *scanner) unicode(dst []byte) ([]byte, error) {
	c, err := s.hex4()
	if err != nil {
		return nil, err
	}
	if !utf16.IsSurrogate(c) {
		return utf8.AppendRune(dst, c), nil
	}
	if b, _ := s.r.Peek(6); len(b) == 6 && b[0] == '\\' && b[1] == 'u' {
		if low, ok := hexRune(b[2:]); ok {
			if pair := utf16.DecodeRune(c, low); pair != utf8.RuneError {
				_, _ = s.r.Discard(len(b))
				s.at += int64(len(b))
				return utf8.AppendRune(dst, pair), nil
			}
		}
	}
	return utf8.AppendRune(dst, utf8.RuneError), nil
}

func (s *scanner) hex4() (rune, error) {
	var b [4]byte
	for i := range b {
		c, err := s.next()
		if err != nil {
			return 0, err
		}
		b[i] = c
	}
	c, ok := hexRune(b[:])
	if !ok {
		return 0, s.malformed("bad \\u escape in a string")
	}
	return c, nil
}

func hexRune(b []byte) (c rune, ok bool) {
	for _, d := range b {
		switch {
		case '0' <= d && d <= '9':
			d -= '0'
		case 'a' <= d && d <= 'f':
			d -= 'a' - 10
		case 'A' <= d && d <= 'F':
			d -= 'A' - 10
		default:
			return 0, false
		}
		c = c<<4 | rune(d)
	}
	return c, true
}

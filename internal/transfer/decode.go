package transfer

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxNested bounds how deep metadata may be. What is deeper is over its limit of bytes
// anyway, unless white space stands in it.
const maxNested = 512

// decodeLine reads an item from a line, over which it writes. Nothing of the item
// points into it. It takes what appendLine writes and what Cloudflare's bulk API
// takes, but no field that it does not know and none twice: a typing mistake must not
// lose an expiration.
func decodeLine(line []byte) (Item, error) {
	d := decoder{text: line}
	it, err := d.item()
	if err == nil && d.space() != 0 {
		err = errors.New("something follows the item")
	}
	return it, err
}

// decoder reads one item from JSON in memory, strictly: what it passes is JSON, and no
// key or value is changed by reading it.
type decoder struct {
	text []byte
	at   int
}

var (
	errEnd   = errors.New("the line ends in the middle of an item")
	errArray = errors.New(`an array, and not one item a line: "godwit bulk put" takes it`)
)

// space is the next byte that is no white space, 0 at the end.
func (d *decoder) space() byte {
	for d.at < len(d.text) {
		switch c := d.text[d.at]; c {
		case ' ', '\t', '\r', '\n':
			d.at++
		case 0:
			return 1 // no byte that JSON could begin with
		default:
			return c
		}
	}
	return 0
}

// expect consumes c.
func (d *decoder) expect(c byte) error {
	switch got := d.space(); got {
	case c:
		d.at++
		return nil
	case 0:
		return errEnd
	default:
		return d.fault("expected %q", string(c))
	}
}

// fault says what is wrong, and at which byte of the line.
func (d *decoder) fault(format string, args ...any) error {
	return fmt.Errorf("%s at byte %d", fmt.Sprintf(format, args...), d.at+1)
}

// fields are those that were seen.
type fields struct {
	key, value, base64, metadata, expiration, ttl bool
}

func (d *decoder) item() (it Item, err error) {
	if d.space() == '[' {
		return it, errArray
	}
	if err := d.expect('{'); err != nil {
		return it, err
	}
	var seen fields
	var value []byte
	isBase64 := false
	for n := 0; ; n++ {
		if d.space() == '}' && n == 0 {
			d.at++
			break
		}
		name, err := d.str("a field's name")
		if err != nil {
			return it, err
		}
		field := string(name)
		if err := d.expect(':'); err != nil {
			return it, err
		}
		if field == "value" {
			value, err = d.value(&seen)
		} else {
			err = d.field(&it, field, &seen, &isBase64)
		}
		if err != nil {
			return it, err
		}
		if d.space() == '}' {
			d.at++
			break
		}
		if err := d.expect(','); err != nil {
			return it, err
		}
	}
	return d.complete(it, &seen, value, isBase64)
}

// complete makes the item of what was read.
func (d *decoder) complete(it Item, seen *fields, value []byte, isBase64 bool) (Item, error) {
	switch {
	case !seen.key:
		return it, errors.New(`the field "key" is missing`)
	case !seen.value:
		return it, errors.New(`the field "value" is missing`)
	case !isBase64:
		it.Value = append(make([]byte, 0, len(value)), value...)
		return it, nil
	}
	it.Value = make([]byte, base64.StdEncoding.DecodedLen(len(value)))
	n, err := base64.StdEncoding.Decode(it.Value, value)
	if err != nil {
		return it, errors.New(`the field "value" is not base64`)
	}
	it.Value = it.Value[:n]
	return it, nil
}

// value reads the value's text, which points into the line.
func (d *decoder) value(seen *fields) ([]byte, error) {
	if seen.value {
		return nil, errTwice("value")
	}
	seen.value = true
	return d.str(`the field "value"`)
}

func errTwice(name string) error { return fmt.Errorf("the field %q is there twice", name) }

// field reads any field but the value.
func (d *decoder) field(it *Item, name string, seen *fields, isBase64 *bool) (err error) {
	var twice *bool
	switch name {
	case "key":
		twice = &seen.key
	case "base64":
		twice = &seen.base64
	case "metadata":
		twice = &seen.metadata
	case "expiration":
		twice = &seen.expiration
	case "expiration_ttl":
		twice = &seen.ttl
	default:
		return fmt.Errorf("the field %q is not known", clip(name))
	}
	if *twice {
		return errTwice(name)
	}
	*twice = true
	switch name {
	case "key":
		var key []byte
		key, err = d.str(`the field "key"`)
		it.Key = string(key)
	case "base64":
		*isBase64, err = d.boolean(name)
	case "metadata":
		it.Metadata, err = d.metadata()
	case "expiration":
		it.Expiration, err = d.seconds(name)
	case "expiration_ttl":
		it.TTL, err = d.seconds(name)
	}
	return err
}

// clip shortens text for an error.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}

// str reads a string, which points into the line.
func (d *decoder) str(what string) ([]byte, error) {
	switch d.space() {
	case '"':
		d.at++
	case 0:
		return nil, errEnd
	default:
		return nil, d.fault("%s is not a string", what)
	}
	start := d.at
	for d.at < len(d.text) {
		switch c := d.text[d.at]; {
		case c == '"':
			d.at++
			return d.whole(what, d.text[start:d.at-1])
		case c == '\\':
			return d.escaped(what, start)
		case c < ' ':
			return nil, d.fault("%s holds a control character", what)
		}
		d.at++
	}
	return nil, errEnd
}

// whole holds that a string is text.
func (d *decoder) whole(what string, s []byte) ([]byte, error) {
	if !utf8.Valid(s) {
		return nil, fmt.Errorf("%s is not UTF-8", what)
	}
	return s, nil
}

// escaped reads on at the first escape of a string that began at start. What the
// string means is never longer than its text, so it takes its place.
func (d *decoder) escaped(what string, start int) ([]byte, error) {
	dst := d.text[start:d.at]
	for d.at < len(d.text) {
		c := d.text[d.at]
		d.at++
		switch {
		case c == '"':
			return d.whole(what, dst)
		case c < ' ':
			return nil, d.fault("%s holds a control character", what)
		case c != '\\':
			dst = append(dst, c)
		default:
			var err error
			if dst, err = d.escape(what, dst); err != nil {
				return nil, err
			}
		}
	}
	return nil, errEnd
}

func (d *decoder) escape(what string, dst []byte) ([]byte, error) {
	if d.at == len(d.text) {
		return nil, errEnd
	}
	c := d.text[d.at]
	d.at++
	if i := bytes.IndexByte([]byte(`"\/bfnrt`), c); i >= 0 {
		return append(dst, "\"\\/\b\f\n\r\t"[i]), nil
	}
	if c != 'u' {
		return nil, d.fault("%s holds an escape that JSON does not have", what)
	}
	r, err := d.hex(what)
	if err != nil {
		return nil, err
	}
	if utf16.IsSurrogate(r) {
		if !bytes.HasPrefix(d.text[d.at:], []byte(`\u`)) {
			return nil, d.fault("%s holds half a surrogate pair", what)
		}
		d.at += 2
		low, err := d.hex(what)
		if err != nil {
			return nil, err
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return nil, d.fault("%s holds half a surrogate pair", what)
		}
	}
	return utf8.AppendRune(dst, r), nil
}

func (d *decoder) hex(what string) (rune, error) {
	if d.at+4 > len(d.text) {
		return 0, errEnd
	}
	n := rune(0)
	for _, c := range d.text[d.at : d.at+4] {
		i := bytes.IndexByte([]byte("0123456789abcdefABCDEF"), c)
		if i < 0 {
			return 0, d.fault("%s holds an escape that JSON does not have", what)
		}
		if i > 15 {
			i -= 6
		}
		n = n<<4 | rune(i)
	}
	d.at += 4
	return n, nil
}

// word reads a number, true, false or null.
func (d *decoder) word() string {
	d.space()
	start := d.at
	for d.at < len(d.text) && d.at-start < 32 {
		switch d.text[d.at] {
		case ',', '}', ']', ' ', '\t', '\r', '\n', '"', '{', '[', ':':
			return string(d.text[start:d.at])
		}
		d.at++
	}
	return string(d.text[start:d.at])
}

func (d *decoder) boolean(name string) (bool, error) {
	switch d.word() {
	case "true":
		return true, nil
	case "false", "null":
		return false, nil
	}
	return false, d.wrong("the field %q is neither true nor false", name)
}

// wrong is what is wrong with a word, or that the line ended in it.
func (d *decoder) wrong(format, name string) error {
	if d.at == len(d.text) {
		return errEnd
	}
	return fmt.Errorf(format, name)
}

// seconds reads a whole number above 0, or null.
func (d *decoder) seconds(name string) (int64, error) {
	word := d.word()
	if word == "null" {
		return 0, nil
	}
	n, err := strconv.ParseInt(word, 10, 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange), word[0] == '+', len(word) > 1 && word[0] == '0':
		return 0, d.wrong("the field %q is not a whole number", name)
	case n <= 0:
		return 0, fmt.Errorf("the field %q is not above 0", name)
	case n > maxSeconds || n == math.MaxInt64:
		return 0, fmt.Errorf("the field %q is too far in the future", name)
	}
	return n, nil
}

// metadata reads any JSON and drops the white space between its parts; nil for null.
func (d *decoder) metadata() (json.RawMessage, error) {
	raw, err := d.skip()
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if !utf8.Valid(raw) || json.Compact(&compact, raw) != nil {
		return nil, errors.New(`the field "metadata" is not JSON`)
	}
	if compact.String() == "null" {
		return nil, nil
	}
	return compact.Bytes(), nil
}

// skip finds the end of any value and returns its text, which need not be JSON.
func (d *decoder) skip() ([]byte, error) {
	d.space()
	start, depth := d.at, 0
	for d.at < len(d.text) {
		switch c := d.text[d.at]; c {
		case '{', '[':
			if depth++; depth > maxNested {
				return nil, fmt.Errorf(`the field "metadata" is nested more than %d deep`, maxNested)
			}
		case '}', ']', ',':
			if depth == 0 {
				return d.text[start:d.at], nil
			}
			if c != ',' {
				depth--
			}
		case '"':
			if !d.skipString() {
				return nil, errEnd
			}
			continue
		}
		d.at++
	}
	return nil, errEnd
}

// skipString goes behind a string, and tells whether it has an end.
func (d *decoder) skipString() bool {
	for d.at++; d.at < len(d.text); d.at++ {
		switch d.text[d.at] {
		case '\\':
			d.at++
		case '"':
			d.at++
			return true
		}
	}
	return false
}

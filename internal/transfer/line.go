package transfer

import (
	"encoding/base64"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/godwitkv/godwit/internal/jsontext"
)

// appendLine appends an item as a line: one item of Cloudflare's bulk API, as JSON
// without white space.
func appendLine(dst []byte, it *Item) []byte {
	dst = append(appendKey(dst, it.Key), '"')
	if isText(it.Value) {
		dst = jsontext.AppendEscaped(dst, it.Value)
		dst = append(dst, '"')
	} else {
		dst = base64.StdEncoding.AppendEncode(dst, it.Value)
		dst = append(dst, `","base64":true`...)
	}
	return appendEnd(dst, it.Metadata, it.Expiration)
}

// smallText is up to how long a text is always written as text.
const smallText = 64 << 10

// isText tells whether a value is written as text: if it is one, but where that is long
// and longer than base64. So no line is longer than 4/3 of its value and what is beside
// it, but for short ones.
func isText(value []byte) bool {
	if len(value) > smallText && jsontext.EscapedLen(value) > base64.StdEncoding.EncodedLen(len(value)) {
		return false
	}
	return utf8.Valid(value)
}

// appendKey appends what stands before a value.
func appendKey(dst []byte, key string) []byte {
	dst = append(dst, `{"key":"`...)
	dst = jsontext.AppendEscaped(dst, key)
	return append(dst, `","value":`...)
}

// appendEnd appends what stands behind a value.
func appendEnd(dst, metadata []byte, expiration int64) []byte {
	if metadata != nil {
		dst = append(dst, `,"metadata":`...)
		dst = append(dst, metadata...)
	}
	if expiration != 0 {
		dst = append(dst, `,"expiration":`...)
		dst = strconv.AppendInt(dst, expiration, 10)
	}
	return append(dst, "}\n"...)
}

// maxHeld is up to how long a value is held whole, to see whether it is text. A longer
// one is written in base64 as it comes.
const maxHeld = 32 << 20

// largeWriter writes lines of values that come as streams.
type largeWriter struct {
	w     io.Writer
	value []byte // room for one value
	line  []byte
}

// write writes a line and returns its item's bytes.
func (l *largeWriter) write(key string, v *Large) (n int64, err error) {
	if l.value == nil {
		l.value = make([]byte, 0, DefaultMaxValue+1)
	}
	l.value = l.value[:0]
	for err == nil && len(l.value) <= maxHeld {
		if len(l.value) == cap(l.value) {
			l.value = append(l.value, 0)[:len(l.value)]
		}
		var m int
		m, err = v.Read(l.value[len(l.value):min(cap(l.value), maxHeld+1)])
		l.value = l.value[:len(l.value)+m]
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	it := Item{Key: key, Value: l.value, Metadata: v.Metadata, Expiration: v.Expiration}
	n = int64(len(key) + len(l.value) + len(v.Metadata))
	switch {
	case err == nil:
		m, err := l.stream(&it, v)
		return n + m, err
	case isText(l.value):
		l.line = appendLine(l.line[:0], &it)
		_, err := l.w.Write(l.line)
		return n, err
	}
	_, err = l.stream(&it, nil)
	return n, err
}

// stream writes a line in base64: what is held of the value, and then the rest of it.
func (l *largeWriter) stream(it *Item, rest io.Reader) (n int64, err error) {
	l.line = append(appendKey(l.line[:0], it.Key), '"')
	if _, err := l.w.Write(l.line); err != nil {
		return 0, err
	}
	enc := base64.NewEncoder(base64.StdEncoding, l.w)
	if _, err := enc.Write(it.Value); err != nil {
		return 0, err
	}
	if rest != nil {
		if n, err = io.Copy(enc, rest); err != nil {
			return n, err
		}
	}
	if err := enc.Close(); err != nil {
		return n, err
	}
	l.line = append(l.line[:0], `","base64":true`...)
	l.line = appendEnd(l.line, it.Metadata, it.Expiration)
	_, err = l.w.Write(l.line)
	return n, err
}

// Package wire is how the domain's values look as bytes: between nodes, and in a
// log that nodes share. Every decoder bounds what it reads and tells damaged
// input from good; none keeps its input.
//
// It may import the domain alone.
package wire

import (
	"encoding/binary"
	"errors"
)

// ErrMalformed tells that bytes are not an encoding.
var ErrMalformed = errors.New("malformed encoding")

// Decoder takes bytes apart, front to back. Once they were too short or wrong it
// returns zeros, and Err tells. What it returns of bytes points into its input.
type Decoder struct {
	rest []byte
	bad  bool
}

// NewDecoder returns a decoder of b.
func NewDecoder(b []byte) Decoder { return Decoder{rest: b} }

// Fail marks the input as wrong.
func (d *Decoder) Fail() { d.bad, d.rest = true, nil }

// Bytes takes the next n bytes.
func (d *Decoder) Bytes(n int64) []byte {
	if n < 0 || n > int64(len(d.rest)) {
		d.Fail()
		return nil
	}
	out := d.rest[:n:n]
	d.rest = d.rest[n:]
	return out
}

// Byte takes one.
func (d *Decoder) Byte() byte {
	if b := d.Bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// Uint64 takes eight, the most significant first.
func (d *Decoder) Uint64() uint64 {
	if b := d.Bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Int takes a uvarint of up to 1<<62.
func (d *Decoder) Int() int64 {
	n, w := binary.Uvarint(d.rest)
	if w <= 0 || n > 1<<62 {
		d.Fail()
		return 0
	}
	d.rest = d.rest[w:]
	return int64(n)
}

// Signed takes a varint.
func (d *Decoder) Signed() int64 {
	n, w := binary.Varint(d.rest)
	if w <= 0 {
		d.Fail()
		return 0
	}
	d.rest = d.rest[w:]
	return n
}

// Counted takes a uvarint and that many bytes, most at the most.
func (d *Decoder) Counted(most int) []byte {
	n := d.Int()
	if n > int64(most) {
		d.Fail()
		return nil
	}
	return d.Bytes(n)
}

// Rest takes all that is left.
func (d *Decoder) Rest() []byte { return d.Bytes(int64(len(d.rest))) }

// Len is how much is left.
func (d *Decoder) Len() int { return len(d.rest) }

// Bad tells whether the input was too short or wrong so far.
func (d *Decoder) Bad() bool { return d.bad }

// Err is ErrMalformed if the input was too short or wrong, or goes on.
func (d *Decoder) Err() error {
	if d.bad || len(d.rest) > 0 {
		return ErrMalformed
	}
	return nil
}

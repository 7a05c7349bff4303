package transfer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"
	"unicode/utf8"

	"github.com/godwitkv/godwit/client"
)

// What Workers KV takes.
const (
	maxKeyBytes      = 512
	maxMetadataBytes = 1024
	// DefaultMaxValue is the largest value that a server takes unless it is told
	// otherwise, and MaxValue what it may be told.
	DefaultMaxValue = 25 << 20
	MaxValue        = 1 << 30
	// maxSeconds bounds times and spans of time: beyond the year 36000 there is no
	// need for any.
	maxSeconds = 1 << 40
	// maxTTL is how many seconds of time to live a client can tell a server: 292 years.
	maxTTL = math.MaxInt64 / int64(time.Second)
)

// Item is a key with all that is under it.
type Item struct {
	Key        string
	Value      []byte
	Open       func(context.Context) (*Large, error) // in place of Value, if that is too large to come along
	Size       int64                                 // bytes that Open is about to give, as far as is known
	Metadata   json.RawMessage                       // nil: none
	Expiration int64                                 // unix seconds; 0: never
	TTL        int64                                 // seconds from when it is written; wins over Expiration; 0: none

	File string // where the item stands, for errors; "": no file
	Line int64  // 0: no line
}

// Large is a value as a stream, with what is known of the write that made it. It must
// be closed.
type Large struct {
	io.ReadCloser
	Size       int64 // bytes; -1: not known
	Metadata   json.RawMessage
	Expiration int64
}

// size is about how much memory an item holds.
func (it *Item) size() int64 {
	return int64(len(it.Key)+len(it.Value)+len(it.Metadata)) + 64
}

// check returns nil if the item may stand in a namespace.
func (it *Item) check(maxValue int64) error {
	switch {
	case it.Key == "":
		return fmt.Errorf("the key is empty")
	case it.Key == ".", it.Key == "..":
		return fmt.Errorf("%q is not allowed as a key", it.Key)
	case len(it.Key) > maxKeyBytes:
		return fmt.Errorf("the key has %d bytes, the limit is %d", len(it.Key), maxKeyBytes)
	case !utf8.ValidString(it.Key):
		return fmt.Errorf("the key is not UTF-8")
	case int64(len(it.Value)) > maxValue:
		return fmt.Errorf("the value has %d bytes, the limit is %d", len(it.Value), maxValue)
	case len(it.Metadata) > maxMetadataBytes:
		return fmt.Errorf("the metadata has %d bytes, the limit is %d", len(it.Metadata), maxMetadataBytes)
	}
	return nil
}

// expired tells whether the item has ended.
func (it *Item) expired(now int64) bool {
	return it.TTL == 0 && it.Expiration != 0 && it.Expiration <= now
}

// ItemError is what is wrong with one item.
type ItemError struct {
	File string // "": no file
	Line int64  // 0: no line
	Key  string // "": not known
	Err  error
}

func (it *Item) fault(err error) error {
	return &ItemError{File: it.File, Line: it.Line, Key: it.Key, Err: err}
}

// Error implements error.
func (e *ItemError) Error() string {
	text := ""
	if e.File != "" {
		text = e.File + ": "
	}
	if e.Line != 0 {
		text += fmt.Sprintf("line %d: ", e.Line)
	}
	if e.Key != "" {
		text += fmt.Sprintf("key %q: ", e.Key)
	}
	return text + e.Err.Error()
}

// Unwrap returns what is wrong.
func (e *ItemError) Unwrap() error { return e.Err }

// refused tells that a server finds something wrong with what it was sent, so that
// sending it again is of no use.
func refused(err error) bool {
	return isAny(err, client.ErrInvalid, client.ErrTooLarge)
}

package cloudflare

import (
	"encoding/base64"
	"errors"
	"io"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/room"
)

// bulkPut writes the pairs in an array. All of them are read and validated
// before one is written; large values go to disk as they come.
func (c *call) bulkPut() error {
	if err := c.unconditional(); err != nil {
		return err
	}
	c.body.limit = c.h.maxBulk
	share := c.h.rooms.enter(c.ctx(), c.principal.Limited())
	defer share.leave()
	c.body.r = room.Hurried(c.body.r, share.held)
	limit := c.h.service.MaxValueBytes(c.ns)
	b := bulkReader{
		s:      newScanner(c.body, "array of key-value pairs"),
		upload: func(r io.Reader) (godwit.Value, error) { return c.h.service.Upload(c.ctx(), c.ns, r) },
		check:  func(p *api.BulkPut) error { return c.h.service.CheckBulkPut(c.ns, p) },
		drop:   c.h.service.Discard,
		grow:   share.grow,
		kept:   keptText,
		most:   longestBase64(limit),
		limit:  limit,
	}
	b.text.grow = share.grow
	pairs, err := b.read()
	if err != nil {
		return err
	}
	// From here on nothing may be discarded: what became of a write that failed
	// is not known for each pair.
	c.count = int64(len(pairs))
	result, err := c.h.service.BulkPut(c.ctx(), c.ns, pairs, c.requestID)
	c.revision(result.Revision)
	if err != nil {
		return err
	}
	return c.reply(bulkResult{Successful: len(pairs), Unsuccessful: []string{}}, nil)
}

// bulkReader reads the body of a bulk write.
type bulkReader struct {
	s      *scanner
	upload func(io.Reader) (godwit.Value, error)
	check  func(*api.BulkPut) error
	drop   func(godwit.Value)
	grow   func(bytes int) error // makes room for what is kept in memory
	kept   int                   // bytes of a value's text that are kept, see value
	most   int64                 // as long as it may be base64
	limit  int64                 // of a value
	text   textBuffer
	chunk  [16 << 10]byte
	pairs  []api.BulkPut
}

// read returns the pairs. On an error no value is left behind.
func (b *bulkReader) read() ([]api.BulkPut, error) {
	err := b.s.array(func(i int) error {
		if i >= godwit.MaxBulkItems {
			return errTooManyItems
		}
		return atItem(i, b.item())
	})
	if err == nil {
		err = b.s.end()
	}
	if err != nil {
		for i := range b.pairs {
			b.drop(b.pairs[i].Value)
		}
		return nil, err
	}
	return b.pairs, nil
}

// item is a pair while it is read.
type item struct {
	pair       api.BulkPut
	hasKey     bool
	hasValue   bool
	base64     bool
	baseKnown  bool
	form       valueForm
	length     int64 // of a value's text that is too long
	hasContent bool  // pair.Value is to be dropped if the item is no good
}

// valueForm is how far a value has come.
type valueForm uint8

const (
	formText    valueForm = iota // in bulkReader.text, as it was written
	formPlain                    // uploaded as it was written
	formDecoded                  // uploaded with base64 resolved
	formLong                     // passed over: longer than the base64 of any value
)

func (b *bulkReader) item() error {
	var it item
	err := b.s.object(func(name string) error { return b.field(&it, name) })
	if err == nil {
		err = b.complete(&it)
	}
	if err == nil {
		err = b.check(&it.pair)
	}
	if err == nil {
		err = b.grow(pairOverhead + len(it.pair.Key) + len(it.pair.Metadata) + len(it.pair.Value.Inline))
	}
	if err != nil {
		if it.hasContent {
			b.drop(it.pair.Value)
		}
		return err
	}
	b.pairs = append(b.pairs, it.pair)
	return nil
}

func (b *bulkReader) field(it *item, name string) (err error) {
	switch name {
	case "key":
		it.pair.Key, err = readKey(b.s)
		it.hasKey = true
	case "value":
		if it.hasValue {
			return b.s.malformed("an item with two values")
		}
		it.hasValue = true
		err = b.value(it)
	case "base64":
		err = b.base64(it)
	case "expiration":
		it.pair.Expiration, err = b.number(name)
	case "expiration_ttl":
		it.pair.ExpirationTTL, err = b.number(name)
	case "metadata":
		it.pair.Metadata, err = b.metadata()
	default:
		err = b.s.skip(0)
	}
	return err
}

func (b *bulkReader) base64(it *item) error {
	raw, ok, err := b.s.raw(maxWord)
	if err != nil {
		return err
	}
	if it.baseKnown {
		return b.s.malformed("an item with two base64")
	}
	it.baseKnown = true
	switch it.base64 = string(raw) == "true"; {
	case !ok, string(raw) != "true" && string(raw) != "false" && string(raw) != "null":
		return b.s.malformed("base64 is not a boolean")
	}
	return nil
}

func (b *bulkReader) number(name string) (string, error) {
	raw, ok, err := b.s.raw(maxWord)
	if err != nil {
		return "", err
	}
	n, isNumber := numberText(raw)
	if !ok || !isNumber {
		return "", b.s.malformed(name + " is not a number")
	}
	return n, nil
}

// metadata reads any JSON.
func (b *bulkReader) metadata() ([]byte, error) {
	raw, ok, err := b.s.raw(maxBulkFields)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, godwit.Errorf(godwit.CodeMetadataTooLarge, "Metadata length of over %d exceeds limit of %d.", maxBulkFields, godwit.MaxMetadataBytes)
	}
	if string(raw) == "null" {
		return nil, nil
	}
	text, err := compact(raw)
	if err != nil {
		return nil, b.s.malformed("metadata is not valid JSON")
	}
	return text, nil
}

const (
	pairOverhead  = 256      // bytes of memory that a pair takes beside its content
	maxBulkFields = 64 << 10 // bytes of one item's metadata, white space included
)

// keptText is how much of a value's text is kept, while it is open whether it is base64,
// before that is looked at.
const keptText = 1 << 20

// longestBase64 is how long the base64 of a value of so many bytes may be, with line ends of
// two bytes behind each 64 of it, and a few more.
func longestBase64(bytes int64) int64 { return bytes/3*4 + bytes/24 + keptText }

// value reads a value. "base64" may come before it or after; in the second case
// the text is kept for a while. Text that cannot be base64 needs no flag to be
// taken in, and text longer than the base64 of any value is too long either way.
func (b *bulkReader) value(it *item) error {
	r, err := b.s.openString()
	if err != nil {
		return err
	}
	if it.baseKnown {
		return b.take(it, r, it.base64)
	}
	b.text.reset()
	maybe := true
	for {
		n, err := r.Read(b.chunk[:])
		maybe = maybe && isBase64(b.chunk[:n])
		if err := b.text.write(b.chunk[:n]); err != nil {
			return err
		}
		switch {
		case errors.Is(err, io.EOF):
			it.form = formText
			return nil
		case err != nil:
			return err
		case b.text.n >= b.kept && !maybe:
			return b.take(it, io.MultiReader(b.text.reader(), r), false)
		case int64(b.text.n) >= b.most:
			return b.passOver(it, r)
		}
	}
}

// passOver reads the rest of a value that is too long, to tell by how much.
func (b *bulkReader) passOver(it *item, rest io.Reader) error {
	n, err := io.Copy(io.Discard, rest)
	it.form, it.length = formLong, int64(b.text.n)+n
	b.text.reset()
	return err
}

// take uploads a value's text, decoding it if it is base64.
func (b *bulkReader) take(it *item, text io.Reader, isBase64 bool) (err error) {
	content := text
	it.form = formPlain
	if isBase64 {
		it.form = formDecoded
		content = decoded{base64.NewDecoder(base64.StdEncoding, &padding{text: text})}
	}
	if it.pair.Value, err = b.upload(content); err != nil {
		return err
	}
	it.hasContent = true
	_, err = io.Copy(io.Discard, text)
	return err
}

// complete decides what was left open until the item's end.
func (b *bulkReader) complete(it *item) error {
	switch {
	case !it.hasKey:
		return b.s.malformed("an item without a key")
	case !it.hasValue:
		return b.s.malformed("an item without a value")
	case it.form == formText:
		return b.take(it, b.text.reader(), it.base64)
	case it.form == formPlain && it.base64:
		return errBase64
	case it.form == formLong:
		n := it.length
		if it.base64 {
			n = n / 4 * 3
		}
		return godwit.Errorf(godwit.CodeValueTooLarge, "Value length of %d exceeds limit of %d.", n, b.limit)
	}
	return nil
}

var errBase64 = badRequest(codeMalformedBody, "value is not valid base64")

// padding is base64 text in which nothing but line ends stands after the
// padding: the standard decoder would take two texts for one, or not, depending
// on the pieces they come in.
type padding struct {
	text   io.Reader
	padded bool
}

// Read implements io.Reader.
func (d *padding) Read(p []byte) (int, error) {
	n, err := d.text.Read(p)
	for _, c := range p[:n] {
		if d.padded && c != '=' && c != '\r' && c != '\n' {
			return 0, errBase64
		}
		d.padded = d.padded || c == '='
	}
	return n, err
}

// decoded names the errors of the standard decoder.
type decoded struct{ r io.Reader }

// Read implements io.Reader.
func (d decoded) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	var corrupt base64.CorruptInputError
	if errors.As(err, &corrupt) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errBase64
	}
	return n, err
}

// isBase64 tells whether text may be part of base64, as it is read here.
func isBase64(text []byte) bool {
	for _, c := range text {
		if !inBase64[c] {
			return false
		}
	}
	return true
}

// inBase64 are the bytes that base64 has: a look at a table costs less than comparisons,
// and each byte of a bulk write is asked about.
var inBase64 = func() (is [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n") {
		is[c] = true
	}
	return is
}()

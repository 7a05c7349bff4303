package transfer

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

var (
	errEnd   = errors.New("the line ends in the middle of an item")
	errArray = errors.New(`an array, and not one item a line: "godwit bulk put" takes it`)
)

// lineDecoder reads items from lines, one after another.
type lineDecoder struct {
	text bytes.Buffer
	json jsontext.Decoder

	it       Item
	seen     [len(fieldNames)]string
	fields   int    // in seen
	value    []byte // unquoted
	isBase64 bool
}

// likeServers takes for JSON what servers take for metadata: a name twice in an object,
// and in a string the escape of half a character. Bytes that are no UTF-8 are refused
// field by field.
var likeServers = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// decode reads an item from a line. Nothing of the item points into it. It takes what
// appendLine writes and what Cloudflare's bulk API takes, but no field that it does not
// know and none twice: a typing mistake must not lose an expiration.
func (d *lineDecoder) decode(line []byte) (Item, error) {
	d.text = *bytes.NewBuffer(line)
	d.json.Reset(&d.text, likeServers...)
	d.it, d.fields, d.value, d.isBase64 = Item{}, 0, nil, false
	if err := d.item(); err != nil {
		return Item{}, fault(err)
	}
	if _, err := d.json.ReadToken(); !errors.Is(err, io.EOF) {
		return Item{}, errors.New("something follows the item")
	}
	return d.it, nil
}

// fault says what of a line is no JSON, and at which byte.
func fault(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errEnd
	case errors.As(err, &syntax):
		return fmt.Errorf("%w at byte %d", syntax.Err, syntax.ByteOffset+1)
	}
	return err
}

func (d *lineDecoder) item() error {
	switch d.json.PeekKind() {
	case jsontext.KindBeginArray:
		return errArray
	case jsontext.KindBeginObject, jsontext.KindInvalid: // which reading explains
	default:
		return errors.New("not an object")
	}
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	for d.json.PeekKind() != jsontext.KindEndObject {
		if err := d.field(); err != nil {
			return err
		}
	}
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	return d.complete()
}

// field reads a field's name and what it says.
func (d *lineDecoder) field() error {
	name, err := d.name()
	if err != nil {
		return err
	}
	raw, err := d.json.ReadValue()
	if err != nil {
		return err
	}
	switch name {
	case "key":
		var key []byte
		key, err = text(name, raw)
		d.it.Key = string(key)
	case "value":
		d.value, err = text(name, raw)
	case "base64":
		d.isBase64, err = boolean(name, raw)
	case "metadata":
		d.it.Metadata, err = metadata(raw)
	case "expiration":
		d.it.Expiration, err = seconds(name, raw)
	case "expiration_ttl":
		d.it.TTL, err = seconds(name, raw)
		if err == nil && d.it.TTL > maxTTL {
			err = fmt.Errorf(`the field %q is over %d, the limit: "expiration" takes later times`, name, maxTTL)
		}
	}
	return err
}

// name reads the name of a field, which must be a known one and new.
func (d *lineDecoder) name() (string, error) {
	token, err := d.json.ReadToken()
	if err != nil {
		return "", err
	}
	name := token.String()
	switch {
	case d.has(name):
		return "", fmt.Errorf("the field %q is there twice", name)
	case !slices.Contains(fieldNames[:], name):
		return "", fmt.Errorf("the field %q is not known", clip(name))
	}
	d.seen[d.fields] = name
	d.fields++
	return name, nil
}

// fieldNames are those of an item.
var fieldNames = [...]string{"key", "value", "base64", "metadata", "expiration", "expiration_ttl"}

func (d *lineDecoder) has(name string) bool { return slices.Contains(d.seen[:d.fields], name) }

// complete makes the item of what was read.
func (d *lineDecoder) complete() error {
	switch {
	case !d.has("key"):
		return errors.New(`the field "key" is missing`)
	case !d.has("value"):
		return errors.New(`the field "value" is missing`)
	}
	if !d.isBase64 {
		d.it.Value = d.value
		return nil
	}
	n, err := base64.StdEncoding.Decode(d.value, d.value)
	if err != nil {
		return errors.New(`the field "value" is not base64`)
	}
	d.it.Value = d.value[:n]
	return nil
}

// text is what a string means.
func text(name string, raw jsontext.Value) ([]byte, error) {
	if raw.Kind() != jsontext.KindString {
		return nil, fmt.Errorf("the field %q is not a string", name)
	}
	b, err := jsontext.AppendUnquote(make([]byte, 0, len(raw)), raw)
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return nil, fmt.Errorf("the field %q is not Unicode: %w", name, syntax.Err)
	}
	return b, err
}

func boolean(name string, raw jsontext.Value) (bool, error) {
	switch raw.Kind() {
	case jsontext.KindTrue:
		return true, nil
	case jsontext.KindFalse, jsontext.KindNull:
		return false, nil
	}
	return false, fmt.Errorf("the field %q is neither true nor false", name)
}

// seconds is a whole number above 0; 0 for null.
func seconds(name string, raw jsontext.Value) (int64, error) {
	if raw.Kind() == jsontext.KindNull {
		return 0, nil
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("the field %q is not a whole number", name)
	case n <= 0:
		return 0, fmt.Errorf("the field %q is not above 0", name)
	case n > maxSeconds:
		return 0, fmt.Errorf("the field %q is too far in the future", name)
	}
	return n, nil
}

// metadata drops the white space between the parts of any JSON; nil for null.
func metadata(raw jsontext.Value) (json.RawMessage, error) {
	if raw.Kind() == jsontext.KindNull {
		return nil, nil
	}
	if !utf8.Valid(raw) {
		return nil, errors.New(`the field "metadata" is not UTF-8`)
	}
	raw = raw.Clone()
	if err := raw.Compact(likeServers...); err != nil {
		return nil, fmt.Errorf(`the field "metadata" is not JSON: %w`, err)
	}
	return json.RawMessage(raw), nil
}

// clip shortens text for an error.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}

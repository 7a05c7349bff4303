package native

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
)

// condition is one as it is in a body: revision is a revision, null for a key
// that must be absent, or "any" for one that must exist.
type condition struct {
	Key      *string
	Revision json.RawMessage
}

// mutation is one as it is in a body. All but op, key and delta are of a put, and
// metadata and when it expires of an add too.
type mutation struct {
	Op            string
	Key           *string
	Value         *string
	Base64        *bool
	Metadata      json.RawMessage
	Expiration    *int64
	ExpirationTTL *int64
	Delta         *int64
}

// place is where the value of a field goes, nil if there is no such field.
func (c *condition) place(name string) any {
	switch name {
	case "key":
		return &c.Key
	case "revision":
		return &c.Revision
	}
	return nil
}

// place is as that of a condition.
func (m *mutation) place(name string) any {
	switch name {
	case "op":
		return &m.Op
	case "key":
		return &m.Key
	case "value":
		return &m.Value
	case "base64":
		return &m.Base64
	case "metadata":
		return &m.Metadata
	case "expiration":
		return &m.Expiration
	case "expiration_ttl":
		return &m.ExpirationTTL
	case "delta":
		return &m.Delta
	}
	return nil
}

// decodeTransaction reads a body: one JSON object of conditions and mutations.
// What they may be is for package api to say. Error: CodeInvalidRequest, which
// says the condition or the mutation that it is about.
func decodeTransaction(raw []byte) (api.Transact, error) {
	if !utf8.Valid(raw) { // else other keys and values would be written than were sent
		return api.Transact{}, invalid("The body is not UTF-8.")
	}
	d := transactionDecoder{dec: json.NewDecoder(bytes.NewReader(raw))}
	if err := d.object("The body is not a JSON object.", d.field); err != nil {
		return api.Transact{}, err
	}
	return d.out, decodeEnd(d.dec)
}

// transactionDecoder reads a body element by element: a body of a million
// elements must not take a hundred times its own memory.
type transactionDecoder struct {
	dec *json.Decoder
	out api.Transact
}

// object reads an object by its fields, each by read. A field that stands there twice is
// refused: others may have judged the first, and not what the last one says.
func (d *transactionDecoder) object(otherwise string, read func(name string) error) error {
	if err := d.delim('{', otherwise); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for d.dec.More() {
		token, err := d.dec.Token()
		if err != nil {
			return d.fault(err)
		}
		name, _ := token.(string)
		if seen[name] {
			return invalid("%s is given twice.", clip(name))
		}
		seen[name] = true
		if err := read(name); err != nil {
			return err
		}
	}
	return d.delim('}', "The body is not a JSON object as expected.")
}

func (d *transactionDecoder) field(name string) error {
	switch name {
	case "conditions":
		return d.array(name, d.condition)
	case "mutations":
		return d.array(name, d.mutation)
	}
	return invalid("Unknown field %q.", clip(name))
}

// array reads at most MaxTransactionKeys elements, each by read.
func (d *transactionDecoder) array(name string, read func() error) error {
	if err := d.delim('[', name+" must be an array."); err != nil {
		return err
	}
	for i := 0; d.dec.More(); i++ {
		if i == godwit.MaxTransactionKeys {
			return invalid("A transaction names at most %d keys.", godwit.MaxTransactionKeys)
		}
		if err := read(); err != nil {
			return numbered(strings.TrimSuffix(name, "s"), i, err)
		}
	}
	return d.delim(']', "The body is not a JSON object as expected.")
}

// delim reads the token that must come next, or says otherwise.
func (d *transactionDecoder) delim(want json.Delim, otherwise string) error {
	token, err := d.dec.Token()
	if err != nil {
		return d.fault(err)
	}
	if token != want {
		return invalid("%s", strings.ReplaceAll(otherwise, aKind, kindOf(token)))
	}
	return nil
}

// aKind stands in an error's text for the kind of what was there instead.
const aKind = "{kind}"

func kindOf(token json.Token) string {
	switch token.(type) {
	case json.Delim:
		return "array" // or an object, where an array was wanted
	case string:
		return "string"
	case bool:
		return "boolean"
	case nil:
		return "null"
	}
	return "number"
}

// fault is bodyError, for a body that may have ended within the object.
func (d *transactionDecoder) fault(err error) error {
	if errors.Is(err, io.EOF) && d.dec.InputOffset() > 0 {
		err = io.ErrUnexpectedEOF
	}
	return bodyError(err)
}

// element reads an object whose values go where place says.
func (d *transactionDecoder) element(place func(name string) any) error {
	return d.object("Must be a JSON object, not a JSON "+aKind+".", func(name string) error {
		to := place(name)
		if to == nil {
			return invalid("Unknown field %q.", clip(name))
		}
		err := d.dec.Decode(to)
		var wrongType *json.UnmarshalTypeError
		if errors.As(err, &wrongType) {
			return invalid("%s must not be a JSON %s.", name, wrongType.Value)
		}
		if err != nil {
			return d.fault(err)
		}
		return nil
	})
}

func (d *transactionDecoder) condition() error {
	var c condition
	if err := d.element(c.place); err != nil {
		return err
	}
	out, err := c.domain()
	d.out.Conditions = append(d.out.Conditions, out)
	return err
}

func (d *transactionDecoder) mutation() error {
	var m mutation
	if err := d.element(m.place); err != nil {
		return err
	}
	out, err := m.domain()
	d.out.Mutations = append(d.out.Mutations, out)
	return err
}

func (c *condition) domain() (godwit.Condition, error) {
	if c.Key == nil {
		return godwit.Condition{}, invalid("key is missing.")
	}
	out := godwit.Condition{Key: *c.Key}
	var text string
	switch {
	case string(c.Revision) == "null":
		out.Kind = godwit.MustBeAbsent
	case json.Unmarshal(c.Revision, &text) != nil:
		return out, invalid(`revision must be a revision as text, "any", or null.`)
	case text == "any":
		out.Kind = godwit.MustExist
	default:
		r, err := godwit.ParseRevision(text)
		if err != nil {
			return out, err
		}
		out.Kind, out.Revisions = godwit.MustMatch, []godwit.Revision{r}
	}
	return out, nil
}

func (m *mutation) domain() (api.Mutation, error) {
	if m.Key == nil {
		return api.Mutation{}, invalid("key is missing.")
	}
	out := api.Mutation{Put: api.Put{Key: []byte(*m.Key)}}
	switch m.Op {
	case "put":
		out.Op = godwit.OpPut
		return out, m.put(&out.Put)
	case "delete":
		out.Op = godwit.OpDelete
		return out, m.deletes()
	case "add":
		out.Op = godwit.OpAdd
		return out, m.add(&out)
	case "":
		return out, invalid("op is missing.")
	}
	return out, invalid(`Unknown op %q: use "put", "delete" or "add".`, clip(m.Op))
}

// add fills in all but the key.
func (m *mutation) add(out *api.Mutation) error {
	switch {
	case m.Delta == nil:
		return invalid("delta is missing.")
	case m.Value != nil || m.Base64 != nil:
		return invalid("An add takes a delta and no value.")
	}
	out.Delta = *m.Delta
	out.Metadata = m.Metadata
	out.Expiration, out.ExpirationTTL = secondsText(m.Expiration), secondsText(m.ExpirationTTL)
	return nil
}

// put fills in all but the key.
func (m *mutation) put(p *api.Put) error {
	switch {
	case m.Value == nil:
		return invalid("value is missing.")
	case m.Delta != nil:
		return invalid("A put takes a value and no delta.")
	}
	value := []byte(*m.Value)
	if m.Base64 != nil && *m.Base64 {
		var err error
		if value, err = base64.StdEncoding.DecodeString(*m.Value); err != nil {
			return invalid("value is not valid base64.")
		}
	}
	p.Body = bytes.NewReader(value)
	p.Metadata = m.Metadata
	p.Expiration, p.ExpirationTTL = secondsText(m.Expiration), secondsText(m.ExpirationTTL)
	return nil
}

// deletes checks that a delete says no more than which key.
func (m *mutation) deletes() error {
	metadata := m.Metadata != nil && string(m.Metadata) != "null"
	if m.Value != nil || m.Base64 != nil || m.Delta != nil || metadata || m.Expiration != nil || m.ExpirationTTL != nil {
		return invalid("A delete takes a key and nothing else.")
	}
	return nil
}

// secondsText is what a single put's query would say; "" for what is not given.
func secondsText(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

// numbered says which element an error is about, counted from 1, as people do,
// though i is from 0.
func numbered(what string, i int, err error) error {
	return &godwit.Error{
		Code: godwit.CodeOf(err), Message: fmt.Sprintf("%s %d: %s", what, i+1, godwit.MessageOf(err)), Err: errors.Unwrap(err),
	}
}

func invalid(format string, args ...any) error {
	return godwit.Errorf(godwit.CodeInvalidRequest, format, args...)
}

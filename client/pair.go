package client

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"time"
	"unicode/utf8"
)

// Pair is one write of a BulkPut or a Transaction.
type Pair struct {
	Key           string
	Value         []byte
	Metadata      json.RawMessage // nil: none
	Expiration    time.Time       // zero: never
	ExpirationTTL time.Duration   // wins over Expiration; 0: never
}

// pairJSON is a Pair on the wire.
type pairJSON struct {
	Key      string          `json:"key"`
	Value    string          `json:"value"`
	Base64   bool            `json:"base64,omitempty"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
	endJSON
}

// wire has the value as text, or as base64 where that is shorter or there is no text of
// it: an escape is up to six times as long as what it stands for.
func (p Pair) wire() pairJSON {
	wire := pairJSON{Key: p.Key, Metadata: p.Metadata, endJSON: endOf(p.ExpirationTTL, p.Expiration)}
	encoded := base64.StdEncoding.EncodedLen(len(p.Value)) + len(`,"base64":true`)
	if utf8.Valid(p.Value) && textLen(p.Value) <= encoded {
		wire.Value = string(p.Value)
	} else {
		wire.Value, wire.Base64 = base64.StdEncoding.EncodeToString(p.Value), true
	}
	return wire
}

// textLen is how long text is in a string of JSON, as encoding/json writes it without the
// escapes for HTML.
func textLen(text []byte) int {
	n := len(text) + 3*(bytes.Count(text, []byte("\u2028"))+bytes.Count(text, []byte("\u2029")))
	for _, c := range text {
		switch {
		case c == '"', c == '\\', c == '\b', c == '\f', c == '\n', c == '\r', c == '\t':
			n++ // a backslash before it
		case c < ' ':
			n += 5 // \u00xx
		}
	}
	return n
}

func (p Pair) encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p.wire()); err != nil {
		return nil, invalid("encode key %q: %v", p.Key, err)
	}
	return b.Bytes(), nil
}

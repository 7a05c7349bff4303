package transfer

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// refuseTwice tells whether an object anywhere in a JSON text has a name twice, of which
// a decoder would take the last without a word, and where. The text has been decoded once,
// so that its depth is bounded.
func refuseTwice(text []byte) (at int, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber() // any that is written passes
	var open []*jsonNames
	for {
		token, err := dec.Token()
		if err != nil {
			return 0, nil // the end
		}
		delim, _ := token.(json.Delim)
		if delim == '}' || delim == ']' {
			open = open[:len(open)-1]
			continue
		}
		if len(open) > 0 && open[len(open)-1].twice(token) {
			return int(dec.InputOffset()), fmt.Errorf("%q is there twice", clip(token.(string)))
		}
		switch delim {
		case '{':
			open = append(open, &jsonNames{seen: make(map[string]bool)})
		case '[':
			open = append(open, new(jsonNames))
		}
	}
}

// jsonNames are the names of an object so far; seen is nil for an array.
type jsonNames struct {
	seen  map[string]bool
	named bool // the last token was a name
}

// twice tells whether the next token is a name that the object has already.
func (n *jsonNames) twice(token json.Token) bool {
	if n.seen == nil {
		return false
	}
	if n.named = !n.named; !n.named {
		return false
	}
	name := token.(string)
	again := n.seen[name]
	n.seen[name] = true
	return again
}

package api

import (
	"encoding/base64"
	"strings"

	"github.com/godwitkv/godwit"
)

// copyCursor is where a copy goes on: behind a key, or where a list does. It means
// the same at every node.
type copyCursor struct {
	key  string
	list string // a cursor of Reader.List
}

// What a cursor begins with.
const (
	copyBehindKey = "k"
	copyWithList  = "l"
)

// maxCopyCursor bounds a cursor's length; that of a list is no longer than a key
// that is encoded twice.
const maxCopyCursor = 4 * godwit.MaxKeyBytes

func (c copyCursor) encode() string {
	text := copyBehindKey + c.key
	if c.key == "" {
		text = copyWithList + c.list
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// decodeCopyCursor reads what encode wrote for a copy of prefix; "" is the
// beginning. Error: ErrInvalidCursor.
func decodeCopyCursor(text, prefix string) (c copyCursor, err error) {
	if text == "" {
		return c, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(text) > maxCopyCursor {
		return c, godwit.ErrInvalidCursor
	}
	if list, ok := strings.CutPrefix(string(raw), copyWithList); ok && list != "" {
		return copyCursor{list: list}, nil
	}
	key, ok := strings.CutPrefix(string(raw), copyBehindKey)
	if !ok || godwit.ValidateKey(key) != nil || !strings.HasPrefix(key, prefix) {
		return c, godwit.ErrInvalidCursor
	}
	return copyCursor{key: key}, nil
}

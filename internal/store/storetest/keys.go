package storetest

import (
	"bytes"
	"encoding/hex"

	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/crypt"
)

// KeyLine is the line of a key file for the key of a number.
func KeyLine(number byte) string {
	secret := bytes.Repeat([]byte{number, ^number, 7, 9}, 8)
	return hex.EncodeToString(secret)
}

// Keys are the keys of numbers, the active one first.
func Keys(numbers ...byte) *store.Keys {
	var text []byte
	for _, n := range numbers {
		text = append(text, KeyLine(n)+"\n"...)
	}
	keys, err := crypt.ParseKeys(text)
	if err != nil {
		panic(err)
	}
	return keys
}

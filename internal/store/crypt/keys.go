package crypt

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Bounds of a key file.
const (
	secretBytes  = 32
	maxKeys      = 64
	maxFileBytes = 16 << 10
)

// What keys are derived for. Each purpose has a key of its own.
const (
	forID    = "godwit encryption: id of a key"
	forCheck = "godwit encryption: check of a key"
	forFile  = "godwit encryption: file, version 1"
)

// ErrKey tells that something is encrypted with a key that was not given.
var ErrKey = errors.New("the key is not in the key file")

// KeyID names a key without telling anything of it.
type KeyID [8]byte

// String returns 16 hexadecimal characters.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// key is one secret.
type key struct {
	id     KeyID
	check  [16]byte // shows that a key of the same id is the same
	secret [secretBytes]byte
}

// Keys are what files are encrypted with: the first for all that is written, every
// one for what is read. They do not change.
type Keys struct{ list []*key }

// ReadKeys reads a key file: one key a line, the active one first. A file that
// others than its owner may read is refused. No error repeats what is in it.
func ReadKeys(name string) (*Keys, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("read key file: %w", err)
	case info.IsDir():
		return nil, fmt.Errorf("key file %s is a directory", name)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("key file %s is open to others than its owner (mode %04o): make it 0600", name, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	keys, err := ParseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", name, err)
	}
	return keys, nil
}

// ParseKeys is ReadKeys of a file's content. Empty lines, and those that begin with
// "#", are left out.
func ParseKeys(text []byte) (*Keys, error) {
	if len(text) > maxFileBytes {
		return nil, fmt.Errorf("it is longer than %d bytes", maxFileBytes)
	}
	keys := new(Keys)
	for number, line := range bytes.Split(text, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		k, err := parseKey(string(line))
		if err == nil && keys.find(k.id) != nil {
			err = errors.New("the key stands there twice")
		}
		if err == nil && len(keys.list) == maxKeys {
			err = fmt.Errorf("there are more than %d keys", maxKeys)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number+1, err)
		}
		keys.list = append(keys.list, k)
	}
	if len(keys.list) == 0 {
		return nil, errors.New("there is no key in it")
	}
	return keys, nil
}

// parseKey never repeats the key.
func parseKey(text string) (*key, error) {
	var secret []byte
	var err error
	switch {
	case len(text) == hex.EncodedLen(secretBytes):
		secret, err = hex.DecodeString(text)
	case strings.ContainsAny(text, "-_"):
		secret, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	default:
		secret, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	}
	if err != nil || len(secret) != secretBytes {
		return nil, fmt.Errorf("a key is %d random bytes, as %d hexadecimal digits or as base64", secretBytes, hex.EncodedLen(secretBytes))
	}
	if bytes.Count(secret, secret[:1]) == len(secret) {
		return nil, errors.New("a key is random, and this one is one byte again and again")
	}
	k := &key{secret: [secretBytes]byte(secret)}
	k.id = KeyID(k.derive(nil, forID, len(k.id)))
	k.check = [16]byte(k.derive(nil, forCheck, len(k.check)))
	return k, nil
}

// derive returns n bytes that tell nothing of the key or of what else is derived
// of it.
func (k *key) derive(salt []byte, purpose string, n int) []byte {
	b, err := hkdf.Key(sha256.New, k.secret[:], salt, purpose, n)
	if err != nil {
		panic(fmt.Sprintf("crypt: derive: %v", err)) // no length here is too great
	}
	return b
}

func (k *Keys) active() *key { return k.list[0] }

func (k *Keys) find(id KeyID) *key {
	for _, one := range k.list {
		if one.id == id {
			return one
		}
	}
	return nil
}

// Active is the id of the key for what is written.
func (k *Keys) Active() KeyID { return k.active().id }

// IDs are those of all keys, the active one first.
func (k *Keys) IDs() (ids []KeyID) {
	for _, one := range k.list {
		ids = append(ids, one.id)
	}
	return ids
}

// String names the keys, and is all that fmt and logs show of them.
func (k *Keys) String() string {
	if k == nil {
		return "no keys"
	}
	return "keys " + joinIDs(k.IDs())
}

// Format implements fmt.Formatter: no verb shows a secret.
func (k *Keys) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.String()) }

func joinIDs(ids []KeyID) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = id.String()
	}
	return strings.Join(names, ", ")
}

package repository

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

// Key names the chunks of encrypted backups: their names are hashes of their content
// under it, so that who sees the names cannot tell whether some content is there. It
// encrypts nothing. nil: names are plain hashes.
type Key []byte

const keyBytes = 32

// NewKey returns a random one.
func NewKey() Key {
	k := make(Key, keyBytes)
	_, _ = rand.Read(k)
	return k
}

// name is that of content. A key is never used for two things: what is named begins
// with a byte, and a manifest with another.
func (k Key) name(content []byte) (h Hash) {
	if k == nil {
		return sha256.Sum256(content)
	}
	m := hmac.New(sha256.New, k)
	m.Write([]byte{'c'})
	m.Write(content)
	m.Sum(h[:0])
	return h
}

// mac is what proves a manifest.
func (k Key) mac(body []byte) []byte {
	m := hmac.New(sha256.New, k)
	m.Write([]byte{'m'})
	m.Write(body)
	return m.Sum(nil)
}

// maxSealedKey bounds a key that is encrypted for some recipients.
const maxSealedKey = 64 << 10

var (
	errNoIdentity    = errors.New("it is encrypted: an age identity is needed (--age-identity)")
	errOtherIdentity = errors.New("it is encrypted for other recipients: none of the age identities opens it")
)

// encrypt encrypts for recipients.
func encrypt(recipients []age.Recipient, b []byte) ([]byte, error) {
	out := bytes.NewBuffer(make([]byte, 0, len(b)+len(b)/1024+4096))
	w, err := age.Encrypt(out, recipients...)
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return out.Bytes(), nil
}

// decrypt decrypts what is at most so long.
func decrypt(identities []age.Identity, b []byte, most int64) ([]byte, error) {
	if len(identities) == 0 {
		return nil, errNoIdentity
	}
	r, err := age.Decrypt(bytes.NewReader(b), identities...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, errOtherIdentity
	}
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	out := bytes.NewBuffer(make([]byte, 0, len(b)))
	n, err := io.Copy(out, io.LimitReader(r, most+1))
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	if n > most {
		return nil, errors.New("decrypt: too long")
	}
	return out.Bytes(), nil
}

// unlock proves a manifest, with an identity if it is encrypted.
func (b *Backup) unlock(identities []age.Identity) error {
	if !b.Encrypted() {
		return nil
	}
	k, err := decrypt(identities, b.SealedKey, keyBytes)
	if err != nil {
		return err
	}
	return b.prove(k)
}

// prove proves a manifest with a key.
func (b *Backup) prove(k Key) error {
	if len(k) != keyBytes || !b.Encrypted() || !b.proof(k) {
		return errManifest
	}
	b.key = k
	return nil
}

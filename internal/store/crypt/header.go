package crypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// A file is a header and its content, encrypted with AES-256 in counter mode:
//
//	"gwcrypt1"  key id [8]byte  salt [32]byte  tag [16]byte  content
//
// The key of the content, whose counter begins at 0, and that of the tag, which is
// HMAC-SHA256 of what is before it, cut to 16 bytes, are derived by HKDF from the key
// that the id names and from the salt. The salt is random: no two files have a key in
// common, and no place of a file is written twice under one.
const (
	magic      = "gwcrypt1"
	saltAt     = 16
	tagAt      = saltAt + 32
	headerSize = tagAt + 16
)

// ErrDamaged tells that a file is not as it was written.
var ErrDamaged = errors.New("encrypted file is damaged")

type header [headerSize]byte

// content encrypts and decrypts what is in one file. It may be used from many
// goroutines.
type content struct{ block cipher.Block }

// newHeader begins a file.
func (k *key) newHeader() (*header, *content) {
	h := new(header)
	copy(h[:], magic)
	copy(h[len(magic):], k.id[:])
	_, _ = rand.Read(h[saltAt:tagAt]) // never fails
	c, tag := k.keysOf(h)
	copy(h[tagAt:], tag)
	return h, c
}

// keysOf returns the content's cipher, and what the tag is to be.
func (k *key) keysOf(h *header) (*content, []byte) {
	derived := k.derive(h[saltAt:tagAt], forFile, 64)
	block, err := aes.NewCipher(derived[:32])
	if err != nil {
		panic(fmt.Sprintf("crypt: cipher: %v", err)) // 32 bytes are a key
	}
	mac := hmac.New(sha256.New, derived[32:])
	mac.Write(h[:tagAt])
	return &content{block}, mac.Sum(nil)[:headerSize-tagAt]
}

// open returns the cipher of a file with this header. Errors: ErrKey, ErrDamaged.
func (k *Keys) open(h *header) (*content, error) {
	id, ok := h.keyID()
	if !ok {
		return nil, fmt.Errorf("it has no header of an encrypted file: %w", ErrDamaged)
	}
	one := k.find(id)
	if one == nil {
		return nil, fmt.Errorf("it is encrypted with key %s: %w", id, ErrKey)
	}
	c, tag := one.keysOf(h)
	if !hmac.Equal(tag, h[tagAt:]) {
		return nil, fmt.Errorf("its header was changed: %w", ErrDamaged)
	}
	return c, nil
}

// keyID names the key, if it is a header at all.
func (h *header) keyID() (KeyID, bool) {
	return KeyID(h[len(magic):saltAt]), string(h[:len(magic)]) == magic
}

// stream returns the key stream from an offset on.
func (c *content) stream(off int64) cipher.Stream {
	var iv [aes.BlockSize]byte
	binary.BigEndian.PutUint64(iv[8:], uint64(off)/aes.BlockSize)
	s := cipher.NewCTR(c.block, iv[:])
	if skip := off % aes.BlockSize; skip > 0 {
		var skipped [aes.BlockSize]byte
		s.XORKeyStream(skipped[:skip], skipped[:skip])
	}
	return s
}

// decrypt decrypts what stands at an offset, in place.
func (c *content) decrypt(p []byte, off int64) { c.stream(off).XORKeyStream(p, p) }

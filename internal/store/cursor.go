package store

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"strings"

	"github.com/godwitkv/godwit"
)

// A cursor is the last key of a page, so that it means the same at every node,
// with a checksum, so that what was never a cursor is told from one.
const cursorVersion = 1

var cursorText = base64.RawURLEncoding.Strict()

func encodeCursor(last string) string {
	b := append(make([]byte, 5, 5+len(last)), last...)
	b[0] = cursorVersion
	binary.BigEndian.PutUint32(b[1:], crc32.ChecksumIEEE(b[5:]))
	return cursorText.EncodeToString(b)
}

// decodeCursor returns the key after which a list goes on. Error:
// godwit.ErrInvalidCursor.
func decodeCursor(s string) (string, error) {
	if len(s) > cursorText.EncodedLen(5+godwit.MaxKeyBytes) || strings.ContainsAny(s, "\r\n") { // which base64 skips
		return "", godwit.ErrInvalidCursor
	}
	b, err := cursorText.DecodeString(s)
	if err != nil || len(b) < 6 || b[0] != cursorVersion || binary.BigEndian.Uint32(b[1:]) != crc32.ChecksumIEEE(b[5:]) {
		return "", godwit.ErrInvalidCursor
	}
	return string(b[5:]), nil
}

package feed

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/godwitkv/godwit"
)

// formatBlob writes a blob as requests name it: id, length, hash.
func formatBlob(b godwit.Blob) string {
	return b.ID.String() + ":" + strconv.FormatInt(b.Size, 10) + ":" + hex.EncodeToString(b.Hash[:])
}

// parseBlob reads what formatBlob wrote.
func parseBlob(text string) (b godwit.Blob, ok bool) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return b, false
	}
	id, idErr := hex.DecodeString(parts[0])
	size, sizeErr := strconv.ParseInt(parts[1], 10, 64)
	hash, hashErr := hex.DecodeString(parts[2])
	if idErr != nil || sizeErr != nil || hashErr != nil || len(id) != len(b.ID) || len(hash) != len(b.Hash) || size < 0 {
		return b, false
	}
	b.Size = size
	copy(b.ID[:], id)
	copy(b.Hash[:], hash)
	return b, true
}

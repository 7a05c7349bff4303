package repository

import "github.com/godwitkv/godwit"

var (
	DecodeManifest = decodeManifest
	DecodeItems    = decodeItems
)

// AppendItem is appendItem without room.
func AppendItem(b []byte, r *godwit.Record) []byte {
	b, _ = appendItem(b, nil, r)
	return b
}

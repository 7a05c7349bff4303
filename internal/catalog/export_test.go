package catalog

import "github.com/godwitkv/godwit"

// The rows, for the fuzz targets.
var (
	EncodeNamespace = encodeNamespace
	DecodeNamespace = decodeNamespace
	EncodeToken     = encodeToken
	DecodeToken     = decodeToken
	TitleKey        = titleKey
)

// TokenKey is the key of a token's row.
func TokenKey(t *godwit.Token) string { return tokenPrefix + t.ID }

package feed

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/wire"
)

// What a read that is passed on asks for, and how it was answered, travels in
// headers. Those that clients know too are spelled as for them.
const (
	headerMinRevision  = "Godwit-Min-Revision"
	headerConsistency  = "Godwit-Consistency"
	headerMaxStaleness = "Godwit-Max-Staleness" // milliseconds
	headerRevision     = "Godwit-Revision"
	headerCursor       = "Godwit-Cursor" // of the page that follows
	headerStatus       = "CF-Cache-Status"

	consistencyStrong = "strong"
	maxStalenessMS    = 1 << 40
)

// setReadOptions writes what a read asks for.
func setReadOptions(h http.Header, o godwit.ReadOptions) {
	if o.MinRevision > 0 {
		h.Set(headerMinRevision, o.MinRevision.String())
	}
	if o.Strong {
		h.Set(headerConsistency, consistencyStrong)
	}
	if o.MaxStaleness > 0 {
		ms := min(max(o.MaxStaleness.Milliseconds(), 1), maxStalenessMS)
		h.Set(headerMaxStaleness, strconv.FormatInt(ms, 10))
	}
}

// readOptions reads what setReadOptions wrote. Error: CodeInvalidRequest.
func readOptions(h http.Header) (o godwit.ReadOptions, err error) {
	if text := h.Get(headerMinRevision); text != "" {
		if o.MinRevision, err = godwit.ParseRevision(text); err != nil {
			return o, err
		}
	}
	switch h.Get(headerConsistency) {
	case "":
	case consistencyStrong:
		o.Strong = true
	default:
		return o, godwit.Errorf(godwit.CodeInvalidRequest, "Invalid %s.", headerConsistency)
	}
	if text := h.Get(headerMaxStaleness); text != "" {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil || ms < 1 || ms > maxStalenessMS {
			return o, godwit.Errorf(godwit.CodeInvalidRequest, "Invalid %s: use 1 to %d milliseconds.", headerMaxStaleness, int64(maxStalenessMS))
		}
		o.MaxStaleness = time.Duration(ms) * time.Millisecond
	}
	return o, nil
}

// keyText is how a key stands in a query.
var keyText = base64.RawURLEncoding.Strict()

// parseKey reads a key from a query. Errors: CodeInvalidRequest, those of
// godwit.ValidateKey.
func parseKey(q url.Values) (string, error) {
	text := q.Get("key")
	if len(text) > keyText.EncodedLen(godwit.MaxKeyBytes) {
		return "", godwit.Errorf(godwit.CodeKeyTooLong, "The key is over %d bytes.", godwit.MaxKeyBytes)
	}
	key, err := keyText.DecodeString(text)
	if err != nil {
		return "", godwit.Errorf(godwit.CodeInvalidRequest, "The key is not in base64url.")
	}
	return string(key), godwit.ValidateKey(key)
}

// maxKeysBytes bounds the body that names the keys of a read.
const maxKeysBytes = 8 + godwit.MaxBulkGetKeys*(2+godwit.MaxKeyBytes)

// The body of a read of several keys, in any order:
//
//	count { length key }
func appendKeys(b []byte, keys []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(keys)))
	for _, key := range keys {
		b = wire.AppendCounted(b, key)
	}
	return b
}

// decodeKeys reads what appendKeys wrote. Errors: wire.ErrMalformed, those of
// godwit.ValidateKey.
func decodeKeys(b []byte) ([]string, error) {
	d := wire.NewDecoder(b)
	n := d.Int()
	if n > godwit.MaxBulkGetKeys {
		return nil, wire.ErrMalformed
	}
	keys := make([]string, 0, n)
	for range n {
		key := string(d.Counted(godwit.MaxKeyBytes))
		if d.Bad() {
			return nil, wire.ErrMalformed
		}
		if err := godwit.ValidateKey(key); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, d.Err()
}

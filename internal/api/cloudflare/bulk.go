package cloudflare

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/godwitkv/godwit"
)

// maxBulkGetBody is above what 100 keys can need, so that more of them get the
// error that says so.
const maxBulkGetBody = 8 << 20

type bulkResult struct {
	Successful   int      `json:"successful_key_count"`
	Unsuccessful []string `json:"unsuccessful_keys"`
}

// bulkDelete deletes the keys in an array.
func (c *call) bulkDelete() error {
	if err := c.unconditional(); err != nil {
		return err
	}
	c.body.limit = c.h.maxBulk
	keys, err := readKeys(newScanner(c.body, "array of keys"))
	if err != nil {
		return err
	}
	c.count = int64(len(keys))
	result, err := c.h.service.BulkDelete(c.ctx(), c.ns, keys, c.requestID)
	c.revision(result.Revision)
	if err != nil {
		return err
	}
	return c.reply(bulkResult{Successful: len(keys), Unsuccessful: []string{}}, nil)
}

// readKeys reads an array of at most MaxBulkItems keys.
func readKeys(s *scanner) ([]string, error) {
	var keys []string
	err := s.array(func(i int) error {
		if i >= godwit.MaxBulkItems {
			return errTooManyItems
		}
		key, err := readKey(s)
		keys = append(keys, key)
		return atItem(i, err)
	})
	if err != nil {
		return nil, err
	}
	return keys, s.end()
}

var errTooManyItems = badRequest(codeMalformedBody, "You can write a maximum of %d keys at once", godwit.MaxBulkItems)

// readKey reads one key, whole only if it is one.
func readKey(s *scanner) (string, error) {
	key, n, err := s.str()
	if err != nil {
		return "", err
	}
	if n > godwit.MaxKeyBytes {
		return "", godwit.Errorf(godwit.CodeKeyTooLong, "UTF-8 encoded length of %d exceeds key length limit of %d.", n, godwit.MaxKeyBytes)
	}
	return key, godwit.ValidateKey(key)
}

// atItem says which element of a bulk request an error is about, counted from 1, as
// people do, though i is from 0. Errors about
// the body as such say where in it they are.
func atItem(i int, err error) error {
	var whole *problem
	if err == nil || errors.As(err, &whole) && whole != errBase64 {
		return err
	}
	p := problemOf(err, "")
	if p.status >= http.StatusInternalServerError || p.status == http.StatusTooManyRequests {
		return err
	}
	p.message = fmt.Sprintf("item %d: %s", i+1, p.message)
	return &p
}

// numberText is a JSON number as the text of an integer where it is one, however
// it is written: SDKs send 120, 120.0 and 1.2e+02. null is "".
func numberText(raw []byte) (string, bool) {
	if string(raw) == "null" {
		return "", true
	}
	if len(raw) == 0 || !isNumber(raw[0]) {
		return "", false
	}
	if bytes.ContainsAny(raw, ".eE") {
		var f float64
		if json.Unmarshal(raw, &f) == nil && f < 1e15 && f > -1e15 && f == float64(int64(f)) {
			return strconv.FormatInt(int64(f), 10), true
		}
	}
	return string(raw), true
}

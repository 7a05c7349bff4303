package native

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/godwitkv/godwit"
)

// maxBodyBytes bounds a request's body: a token for a thousand namespaces, each
// by a long title, fits.
const maxBodyBytes = 1 << 20

// decode reads the request's body, one JSON object without unknown fields, into
// v. Errors: CodeInvalidRequest, CodeBodyTooLarge.
func decode(r *http.Request, v any) error {
	raw, err := readBody(r, maxBodyBytes)
	if err != nil {
		return err
	}
	return decodeBytes(raw, v)
}

// readBody reads a body of at most limit bytes.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	if err != nil {
		return nil, bodyError(err)
	}
	return raw, nil
}

// decodeBytes reads raw, one JSON object without unknown fields, into v.
func decodeBytes(raw []byte, v any) error {
	if trimmed := bytes.TrimSpace(raw); len(trimmed) > 0 && trimmed[0] != '{' {
		return godwit.Errorf(godwit.CodeInvalidRequest, "The body is not a JSON object.")
	}
	if !utf8.Valid(raw) { // else what is named would be taken for something else
		return godwit.Errorf(godwit.CodeInvalidRequest, "The body is not UTF-8.")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return bodyError(err)
	}
	return decodeEnd(dec)
}

// decodeEnd checks that nothing stands behind the object.
func decodeEnd(dec *json.Decoder) error {
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return godwit.Errorf(godwit.CodeInvalidRequest, "The body holds more than one JSON object.")
	}
	return nil
}

// bodyError says in a client's words what is wrong with a body.
func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	var wrongType *json.UnmarshalTypeError
	var told *godwit.Error
	switch {
	case errors.As(err, &told):
		return err
	case errors.As(err, &tooLarge):
		return godwit.Errorf(godwit.CodeBodyTooLarge, "The body is over the limit of %d bytes.", tooLarge.Limit)
	case errors.Is(err, io.EOF):
		return godwit.Errorf(godwit.CodeInvalidRequest, "The body is empty: send a JSON object.")
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return godwit.Errorf(godwit.CodeInvalidRequest, "%s must not be a JSON %s.", wrongType.Field, wrongType.Value)
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		field := strings.TrimPrefix(err.Error(), "json: unknown field ")
		return godwit.Errorf(godwit.CodeInvalidRequest, "Unknown field %s.", clip(field))
	}
	e := godwit.Errorf(godwit.CodeInvalidRequest, "The body is not a JSON object as expected.")
	e.Err = err
	return e
}

// clip bounds what an error repeats of its input, and keeps it ASCII.
func clip(s string) string {
	const most = 80
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b[:min(len(b), most)])
}
